"""The search for bad slices: it finds what was planted, seldom what is chance, and says what it looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.performance.slice_columns import searchable
from cd4ml.metrics.performance.slice_search import LEVEL, Search, search
from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate

SEARCH = ("--minimum", "accuracy=0.1", "--bootstrap", "--slice-search", "*")


def people(n: int, seed: int = 0) -> pd.DataFrame:
    """Return rows with texts, few numbers, a quantity and gaps."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "region": rng.choice(["north", "south", "east"], n),
            "sex": rng.choice(["f", "m"], n),
            "children": rng.integers(0, 4, n),
            "age": rng.uniform(18, 80, n),
        }
    )
    frame.loc[rng.random(n) < 0.1, "region"] = None
    return frame


def judged(frame: pd.DataFrame, rate: Any, seed: int = 0) -> pd.DataFrame:
    """Return decisions that are wrong at a rate, one for each row or for all."""
    rng = np.random.default_rng([seed, 1])
    y_true = rng.integers(0, 2, len(frame))
    wrong = rng.random(len(frame)) < rate
    return frame.assign(y_true=y_true, y_pred=np.where(wrong, 1 - y_true, y_true))


def planted(n: int = 6_000) -> pd.DataFrame:
    """Return a model that is wrong on 10 % of the rows, and on 40 % of the old ones in the north."""
    frame = people(n)
    bad = (frame["region"] == "north") & (frame["age"] >= 67)
    return judged(frame, np.where(bad, 0.4, 0.1))


def worst(run: Run) -> dict[str, Any]:
    """Return the worst slice of the report."""
    found: dict[str, Any] = run.report["metrics"]["slice_search"]["worst"][0]
    return found


def test_planted_slice__found_and_reported(evaluate: Evaluate) -> None:
    """A bad combination of a text and a quantity is found among all columns; without a limit nothing is blocked."""
    run = evaluate(planted(), *SEARCH)

    found, check = worst(run), next(check for check in run.report["checks"] if check["id"] == "slice-search")
    assert (run.code, check["status"]) == (0, "passed")
    assert set(found["slice"]) == {"region", "age"} and found["slice"]["region"] == "north"
    assert found["slice"]["age"].startswith(">=") and found["candidate"] > 0.3 > 0.15 > found["other_rows"]
    assert found["interval"]["lower"] > 0.1 and found["p_adjusted"] < 1e-6
    assert "decides nothing" in check["message"] and check["value"] == found["difference"]


def test_planted_slice__blocked_where_a_limit_says_so(evaluate: Evaluate) -> None:
    """A limit blocks the slice that is worse by more, names it, and lets through what is worse by less."""
    blocked = evaluate(planted(), *SEARCH, "--maximum-slice-gap", "0.1")
    passed = evaluate(planted(), *SEARCH, "--maximum-slice-gap", "0.5")

    failed = [check for check in blocked.report["checks"] if check.get("reason") == "worse-slice"]
    assert (blocked.code, passed.code) == (1, 0)
    assert failed[0]["slice"] == worst(blocked)["slice"] and failed[0]["n"] == worst(blocked)["rows"]
    assert failed[0]["interval"]["method"] == "Newcombe"


def test_regression_slice__found(evaluate: Evaluate) -> None:
    """A regression model's errors are searched by their mean size, with Welch's test; production stands beside it."""
    frame, rng = people(4_000), np.random.default_rng(0)
    truth, noise = rng.normal(50, 10, 4_000), rng.normal(size=(2, 4_000))
    bad = frame["sex"] == "f"
    frame = frame.assign(
        y_true=truth, y_pred=truth + np.where(bad, 3, 1) * noise[0], production_y_pred=truth + noise[1]
    )
    limits = ("--task", "regression", "--maximum", "mae=9", "--maximum-regression", "mae=9")
    run = evaluate(frame, *limits, "--slice-search", "*", "--maximum-slice-gap", "1")

    found = worst(run)
    assert (run.code, found["slice"]) == (1, {"sex": "f"})
    assert found["candidate"] == pytest.approx(3 * 0.798, rel=0.1) and found["production"] == pytest.approx(
        0.8, rel=0.1
    )
    assert found["interval"]["method"] == "Welch"


def test_what_was_searched__stands_in_the_report(evaluate: Evaluate) -> None:
    """The report names the columns and their parts, those left out and why, and how many slices there were."""
    frame = planted().assign(
        name=[f"n{index}" for index in range(6_000)],
        constant="x",
        at=pd.Timestamp("2026-01-01"),
        row_id=range(6_000),
        sample_weight=1.0,
    )
    run = evaluate(frame, *SEARCH, "--slice-search-depth", "1")

    said = run.report["metrics"]["slice_search"]
    assert set(said["columns"]) == {"region", "sex", "children", "age"}
    assert len(said["columns"]["age"]) == 6 and "(missing)" in said["columns"]["region"]
    assert said["skipped"] == {
        "name": "it has 6,000 different values",
        "constant": "it has one value",
        "at": "it holds times",
    }
    # 4 regions (one of them without a value), 2 sexes, 4 numbers of children, 5 ages.
    assert (said["slices_tested"], said["slices_too_small"], said["minimum_rows"]) == (15, 0, 100)


def test_declared_bins__used(evaluate: Evaluate) -> None:
    """Edges that are declared cut the search's columns as well."""
    run = evaluate(planted(), *SEARCH, "--slice-bins", "age=30:67")

    assert run.report["metrics"]["slice_search"]["columns"]["age"] == ["<30", "30 to <67", ">=67", "(missing)"]
    assert worst(run)["slice"] == {"region": "north", "age": ">=67"}


def test_columns_of_any_kind__searched_or_named(evaluate: Evaluate) -> None:
    """Numbers written as texts are cut where edges say so; lists and records are left out by name."""
    frame = planted(2_000)
    odd = frame.assign(
        age=frame["age"].round(3).astype(str),
        tags=pd.Series([["a", "b"] for _ in range(2_000)], dtype=object),
        record=pd.Series([{"a": 1} for _ in range(2_000)], dtype=object),
        at=pd.date_range("2026-01-01", periods=2_000, freq="h", tz="UTC"),
    )
    run = evaluate(odd, *SEARCH, "--slice-bins", "age=30:67")

    said = run.report["metrics"]["slice_search"]
    assert run.code == 0
    assert said["columns"]["age"] == ["<30", "30 to <67", ">=67", "(missing)"]
    assert said["skipped"].keys() == {"tags", "record", "at"}


def test_too_few_rows__inconclusive(evaluate: Evaluate) -> None:
    """A search that could test nothing is no pass."""
    run = evaluate(judged(people(150), 0.1), *SEARCH)

    check = next(check for check in run.report["checks"] if check["id"] == "slice-search")
    assert (run.code, check["status"], check["reason"]) == (4, "inconclusive", "too-few-rows")


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown column": (("--slice-search", "regio"), "did you mean `region`"),
    "identifier": (("--slice-search", "name"), "`name` cannot be searched"),
    "standard column": (("--slice-search", "y_true"), "standard columns"),
    "limit alone": (("--maximum-slice-gap", "0.1"), "needs slice-search"),
    "limit below 0": (("--slice-search", "*", "--maximum-slice-gap", "-0.1"), "at least 0"),
    "limit in percent": (("--slice-search", "*", "--maximum-slice-gap", "10"), "below 1"),
    "depth": (("--slice-search", "*", "--slice-search-depth", "4"), "1, 2 or 3"),
    "rows": (("--slice-search", "*", "--slice-search-minimum-rows", "1"), "at least 10"),
    "edges of nothing": (("--slice-search", "*", "--slice-bins", "agee=30"), "did you mean `age`"),
    "edges of texts": (("--slice-search", "*", "--slice-bins", "region=1:2"), "not numbers"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_wrong_search__refused(evaluate: Evaluate, arguments: tuple[str, ...], words: str) -> None:
    """Options that search nothing, or decide nothing, are refused."""
    frame = judged(people(500), 0.1).assign(name=[f"n{index}" for index in range(500)])
    run = evaluate(frame, "--minimum", "accuracy=0.1", "--bootstrap", *arguments)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"]


def test_nothing_to_search__refused(evaluate: Evaluate) -> None:
    """A table with standard columns alone has no slices to search."""
    run = evaluate(judged(people(500), 0.1)[["y_true", "y_pred"]], *SEARCH)

    assert (run.code, run.report["status"]) == (2, "error")


def found_by_chance(seed: int, *, numeric: bool, weighted: bool) -> Search:
    """Search among rows on which no slice is worse."""
    frame, rng = people(2_000, seed), np.random.default_rng([seed, 2])
    truth = rng.integers(0, 2, 2_000)
    wrong = rng.random(2_000) < 0.1
    prediction = truth + rng.standard_t(5, 2_000) if numeric else np.where(wrong, 1 - truth, truth)
    weight = rng.gamma(4, 0.25, 2_000) if weighted else None
    sample = Sample(y_true=truth, y_pred=prediction, weight=weight)
    columns = searchable(frame, list(frame.columns), {}, strict=True)
    return search(columns, sample, None, numeric=numeric, depth=2, minimum_rows=100)


@pytest.mark.parametrize(("numeric", "weighted"), [(False, False), (True, False), (False, True)])
def test_no_slice_is_worse__seldom_one_is_found(numeric: bool, weighted: bool) -> None:
    """Of searches among rows where nothing differs, about one in twenty finds anything: the rate that BH promises."""
    alarms = sum(bool(found_by_chance(seed, numeric=numeric, weighted=weighted).found) for seed in range(200))

    # The largest number that a rate of 5 % gives in 999 of 1,000 series of 200.
    assert LEVEL == 0.05 and alarms <= 21


def test_some_slices_are_worse__few_of_those_found_are_not() -> None:
    """Where one column matters, at most about 5 % of the slices found are of the columns that do not."""
    false, found = 0.0, 0
    for seed in range(60):
        frame = people(4_000, seed)
        sample = judged(frame, np.where(frame["sex"] == "f", 0.16, 0.1), seed)
        columns = searchable(frame, list(frame.columns), {}, strict=True)
        arrays = Sample(y_true=sample["y_true"].to_numpy(), y_pred=sample["y_pred"].to_numpy())
        slices = search(columns, arrays, None, numeric=False, depth=1, minimum_rows=100).found
        false += sum("sex" not in one.slice for one in slices) / max(len(slices), 1)
        found += any(one.slice == {"sex": "f"} for one in slices)

    assert found >= 57
    assert false / 60 <= 0.09  # 5 % and the error of 60 repetitions


def test_cells_and_rows__same_numbers() -> None:
    """Counts of the slices are those that filtering the rows gives, whether cells are counted or sorted out."""
    frame = planted(3_000)
    wide = frame.assign(**{f"more{index}": frame["children"].to_numpy()[::-1] for index in range(20)})
    sample = Sample(y_true=frame["y_true"].to_numpy(), y_pred=frame["y_pred"].to_numpy())
    for table in (frame, wide):
        names = [name for name in table.columns if not name.startswith("y_")]
        columns = searchable(table, names, {}, strict=True)
        one = search(columns, sample, None, numeric=False, depth=2, minimum_rows=50).found[0]
        codes = [columns.codes[name] == columns.names[name].index(value) for name, value in one.slice.items()]
        rows = np.logical_and.reduce(codes)
        wrong = (frame["y_true"] != frame["y_pred"]).to_numpy()
        assert one.n == rows.sum()
        assert one.value == pytest.approx(wrong[rows].mean()) and one.elsewhere == pytest.approx(wrong[~rows].mean())
