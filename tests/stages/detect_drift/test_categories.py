"""detect-drift on many categories: what is new is seen by a test of its own, and what was not compared never passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.detect_drift.conftest import Drift, by_id, customers


def codes(kinds: int, rows: int = 2_000, *, seed: int = 0, prefix: str = "shop-") -> list[str]:
    """Return codes drawn evenly from a number of kinds."""
    return [f"{prefix}{number:05d}" for number in np.random.default_rng(seed).integers(0, kinds, rows)]


@pytest.mark.parametrize("kinds", [300, 700, 1_200])
def test_all_codes_rewritten__failed(drift: Drift, kinds: int) -> None:
    """Codes that were all written in another way block, though each of them is too rare for chi-square."""
    run = drift(pd.DataFrame({"shop": codes(kinds)}), pd.DataFrame({"shop": codes(kinds, seed=1, prefix="S:")}))

    found = by_id(run)["unseen-categories:shop"]
    assert (run.code, found["status"], found["value"]) == (1, "failed", 1.0)
    assert run.report["outputs"] == {"drift": "true", "retrain": "true", "worst-feature": "shop"}
    assert "too rare" not in run.report["summary"]


def test_rare_codes_rewritten__failed_beside_a_frequent_one(drift: Drift) -> None:
    """A frequent category that stays does not hide that all the rare ones beside it are new."""
    reference, current = (pd.Series(codes(400, seed=side, prefix=f"{side}-")) for side in (0, 1))
    for values in (reference, current):
        values[:1_200] = "web"
    run = drift(pd.DataFrame({"shop": reference}), pd.DataFrame({"shop": current}))

    assert by_id(run)["drift:shop"]["status"] == "passed"
    assert (run.code, by_id(run)["unseen-categories:shop"]["value"]) == (1, 0.4)


def test_rare_codes_shuffled__inconclusive(drift: Drift) -> None:
    """Rare categories that change places are not seen by a test that takes them together: that is no pass."""
    reference = [f"c{number}" for number in range(400) for _ in range(4 if number % 2 else 1)]
    current = [f"c{number}" for number in range(400) for _ in range(1 if number % 2 else 4)]
    for frequent in (0, 900):
        tables = [pd.DataFrame({"shop": values + ["web"] * frequent}) for values in (reference, current)]
        run = drift(*tables)

        found = by_id(run)["drift:shop"]
        assert (run.code, found["status"], found["reason"]) == (4, "inconclusive", "categories-too-rare")
        assert "value" not in found and run.report["metrics"]["features"]["shop"]["band"] is None
        assert run.report["outputs"] == {"drift": "unknown", "retrain": "false", "worst-feature": ""}


def test_many_codes_of_one_source__no_alarm(drift: Drift) -> None:
    """New categories that chance explains, since the reference holds as many once, are no alarm and say so."""
    weights = 1 / np.arange(1, 1_501)
    rng = np.random.default_rng(5)
    reference, current = (rng.choice(1_500, 3_000, p=weights / weights.sum()).astype(str) for _ in range(2))
    found = by_id(drift(pd.DataFrame({"shop": reference}), pd.DataFrame({"shop": current})))["unseen-categories:shop"]

    assert found["value"] > found["limit"] and found["status"] == "passed"
    assert "are to be expected. Could be chance (p = " in found["message"]


def test_identifier__not_compared_and_no_pass_of_its_own(drift: Drift) -> None:
    """An identifier beside features is not compared and stops nobody, but its missing values still count."""
    tables = [customers(seed=seed).assign(key=codes(9_999_999, seed=seed)) for seed in (1, 2)]
    run = drift(*tables)

    assert (run.code, run.report["details"]["identifiers"]) == (0, ["key"])
    assert "key (an identifier)" in run.report["summary"] and "None of 4 features" in run.report["summary"]
    assert "drift:key" not in by_id(run) and "unseen-categories:key" not in by_id(run)

    tables[1].loc[:300, "key"] = None
    run = drift(*tables)
    assert (run.code, by_id(run)["missing-rate:key"]["status"]) == (1, "failed")


@pytest.mark.parametrize("named", [True, False])
def test_identifier__inconclusive_where_it_should_be_compared(drift: Drift, named: bool) -> None:
    """An identifier that is named, or that is all there is to compare, leaves the verdict open."""
    tables = [customers(seed=seed).assign(key=codes(9_999_999, seed=seed)) for seed in (1, 2)]
    run = drift(*tables, "--features", "age,key") if named else drift(*(table[["key"]] for table in tables))

    found = by_id(run)["drift:key"]
    assert (run.code, found["status"], found["reason"]) == (4, "inconclusive", "identifier")


@pytest.mark.parametrize("rows", [2_000, 25_000])
@pytest.mark.parametrize("saved", [True, False])
def test_identifier__of_any_number_of_rows(cd4ml: Callable[..., Run], tmp_path: Path, rows: int, saved: bool) -> None:
    """Identifiers are known from a table and from a profile, and however many there are: those are kept nowhere."""
    for seed, name in ((1, "a"), (2, "b")):
        table = customers(rows, seed=seed).assign(key=codes(9_999_999, rows, seed=seed))
        table.to_parquet(tmp_path / f"{name}.parquet", row_group_size=4_000)
    if saved:
        cd4ml("detect-drift", "--reference", "a.parquet", "--save-profile", "p.json")
    run = cd4ml("detect-drift", "--reference", "p.json" if saved else "a.parquet", "--current", "b.parquet")

    assert (run.code, run.report["details"]["identifiers"]) == (0, ["key"])
    assert by_id(run)["missing-rate:key"]["n"] == rows
    if saved:
        assert ("shop-" in (tmp_path / "p.json").read_text()) is (rows < 10_000)


@pytest.mark.parametrize("side", ["reference", "current"])
def test_identifier__on_one_side_only(drift: Drift, side: str) -> None:
    """Values too many to count against a few categories cannot be compared: that is no pass."""
    tables = {name: customers(25_000, seed=seed) for seed, name in enumerate(("reference", "current"))}
    tables[side]["city"] = codes(9_999_999, 25_000)
    run = drift(tables["reference"], tables["current"])

    assert (run.code, by_id(run)["drift:city"]["reason"]) == (4, "categories-too-rare")


def test_one_value_in_both__passes(drift: Drift) -> None:
    """A column that holds the same single value in both samples was compared, and did not drift."""
    run = drift(customers(city="north"), customers(seed=2, city="north"))

    assert (run.code, by_id(run)["drift:city"]["status"]) == (0, "passed")
    assert drift(customers(city="north"), customers(seed=2, city="south")).code == 1


def test_worst_feature__is_one_that_drifted(drift: Drift) -> None:
    """The output names the feature that the verdict is about, and none where nothing drifted."""
    current = customers(seed=2)
    current.loc[:200, "city"] = "Atlantis"

    assert drift(customers(), customers(seed=2)).report["outputs"]["worst-feature"] == ""
    assert drift(customers(), current).report["outputs"]["worst-feature"] == "city"
    gaps = customers(seed=2).astype({"age": "Int64"})
    gaps.loc[:300, "age"] = None
    assert drift(customers(), gaps).report["outputs"]["worst-feature"] == "age"


def test_index_of_numbers__has_a_test_of_its_own(drift: Drift) -> None:
    """Numbers that crowd together move no quantile far enough for Kolmogorov and Smirnov at 150 rows, but they fill
    other bins: the index decides by the test of its bins."""
    rng = np.random.default_rng(3)
    reference, current = rng.normal(0, 1, 150), np.where(rng.random(150) < 0.5, -0.55, 0.55) * rng.normal(1, 0.1, 150)
    run = drift(pd.DataFrame({"x": reference}), pd.DataFrame({"x": current}), "--significant-distance", "0.9")

    found = by_id(run)["drift:x"]
    assert (run.code, found["metric"], found["reason"]) == (1, "population-stability-index", "significant-drift")
    assert found["message"].startswith("x: significant drift. PSI ") and found["value"] > found["limit"]
    assert run.report["metrics"]["features"]["x"]["index_test"]["name"] == "chi-square"


def test_check__shows_the_number_that_decides(drift: Drift) -> None:
    """A shift that only the distance calls significant is shown with the distance and its limit, beyond it."""
    current = customers(seed=2)
    run = drift(customers(), current.assign(income=current["income"] + 5.5))

    found = by_id(run)["drift:income"]
    assert (found["metric"], found["limit"], found["status"]) == ("kolmogorov-smirnov-distance", 0.2, "failed")
    assert found["value"] >= 0.2
    moderate = by_id(drift(customers(), current.assign(income=current["income"] + 3.0), "--on-moderate", "fail"))
    assert (moderate["drift:income"]["status"], moderate["drift:income"]["limit"]) == ("failed", 0.08)
    assert moderate["drift:income"]["value"] >= 0.08


@pytest.mark.parametrize(
    ("option", "shift"),
    [
        ("significant-distance", {"income": 10.0}),
        ("maximum-unseen", {"city": 60}),
        ("maximum-missing-change", {"gaps": 200}),
    ],
)
def test_limits_of_features(drift: Drift, option: str, shift: dict[str, float]) -> None:
    """A feature with a mild limit of its own passes what blocks in any other, and a strict one blocks."""
    current = customers(seed=2)
    current["income"] += shift.get("income", 0.0)
    current.loc[current.index[: int(shift.get("city", 0))], "city"] = "new"
    current.loc[current.index[: int(shift.get("gaps", 0))], "income"] = np.nan
    name = "city" if "city" in shift else "income"
    mild = ("--significant", f"{name}=9") if "income" in shift else ()

    assert drift(customers(), current).code == 1
    run = drift(customers(), current, f"--{option}", f"{name}=0.9", *mild)
    assert run.code == 0
    assert run.report["options"][option][name] == 0.9
    strict = {"significant-distance": 0.1, "maximum-unseen": 0.02, "maximum-missing-change": 0.05}[option]
    assert drift(customers(), current, f"--{option}", f"0.9,{name}={strict}").code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--maximum-unseen", "citty=0.5"), "maximum-unseen: `citty` is not compared (did you mean `city`?)"),
        (("--moderate", "income=0.5"), "significant of income must not be below moderate"),
        (("--maximum-missing-change", "income=1.5"), "maximum-missing-change of income must be at least 0 and below 1"),
        (("--significant-distance", "age=0", "--moderate-distance", "age=0"), "must be above 0"),
    ],
)
def test_limits_of_features__refused(drift: Drift, arguments: tuple[str, ...], said: str) -> None:
    """Limits of features that are not compared, and limits that decide nothing, are refused by name."""
    run = drift(customers(), customers(seed=2), *arguments)

    assert run.code == 2 and said in run.report["summary"]
