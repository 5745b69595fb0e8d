"""Slices: every one is held to the same limits, none is dropped in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.metrics.performance.slices import slices
from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate, table
from tests.stages.evaluate_model.models import pair


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


def hidden() -> pd.DataFrame:
    """Return a model that is right on all of a large region and wrong on a small one."""
    good = table(450, 0, 0, 450, production=(440, 10, 10, 440)).assign(region="south")
    bad = table(20, 30, 30, 20, production=(25, 25, 25, 25)).assign(region="north")
    return pd.concat([good, bad], ignore_index=True)


def test_bad_slice__failed(evaluate: Evaluate) -> None:
    """A model that is good on average and bad in one region is blocked, and the check names the region."""
    run = evaluate(hidden(), "--minimum", "accuracy=0.8", "--slices", "region")
    without = evaluate(hidden(), "--minimum", "accuracy=0.8")

    found = by_id(run, "minimum:accuracy:region=north")
    assert (run.code, without.code) == (1, 0)
    assert (found["status"], found["slice"], found["n"]) == ("failed", {"region": "north"}, 100)
    assert found["interval"]["method"] == "Wilson" and found["message"].startswith("region=north: ")
    assert by_id(run, "regression:accuracy:region=north")["status"] == "failed"
    assert by_id(run, "regression:accuracy:region=south")["status"] == "passed"


def test_small_slice__inconclusive(evaluate: Evaluate) -> None:
    """A slice of 10 rows decides nothing and is not dropped; the report says how many rows it needs."""
    small = table(5, 0, 0, 5, production=(5, 0, 1, 4)).assign(region="island")
    frame = pd.concat([hidden().query("region == 'south'"), small], ignore_index=True)
    run = evaluate(frame, "--minimum", "accuracy=0.8", "--slices", "region")

    found = by_id(run, "minimum:accuracy:region=island")
    assert (run.code, found["status"], found["reason"]) == (4, "inconclusive", "too-few-rows")
    assert "About 30 rows are needed" in found["advice"] and "there are 10" in found["advice"]
    assert by_id(run, "regression:accuracy:region=island")["status"] == "inconclusive"


def test_small_slice__shown_failure__failed(evaluate: Evaluate) -> None:
    """A slice of 20 rows that are all wrong is a failure, not too little data."""
    small = table(0, 10, 10, 0, production=(9, 1, 1, 9)).assign(region="island")
    frame = pd.concat([hidden().query("region == 'south'"), small], ignore_index=True)
    run = evaluate(frame, "--minimum", "accuracy=0.8", "--slices", "region")

    assert by_id(run, "minimum:accuracy:region=island")["status"] == "failed"
    assert by_id(run, "regression:accuracy:region=island")["status"] == "failed"


@pytest.mark.parametrize("rows", [3, 40])
def test_slice_of_one_class__inconclusive(evaluate: Evaluate, rows: int) -> None:
    """A slice without a positive row has no recall: too little data there, and said so."""
    small = table(0, 0, 1, rows - 1, production=(0, 0, 0, rows)).assign(region="island")
    frame = pd.concat([hidden().query("region == 'south'"), small], ignore_index=True)
    run = evaluate(frame, "--minimum", "recall=0.5", "--slices", "region")

    found = by_id(run, "minimum:recall:region=island")
    assert (run.code, found["status"]) == (4, "inconclusive")
    assert "one class" in found["message"]


def test_missing_values__a_slice(evaluate: Evaluate) -> None:
    """Rows without a value are a slice of their own: a model that is bad on them is blocked."""
    frame = hidden().assign(region=lambda f: f["region"].where(f["region"] == "south"))
    run = evaluate(frame, "--minimum", "accuracy=0.8", "--slices", "region")

    assert (run.code, by_id(run, "minimum:accuracy:region=(missing)")["status"]) == (1, "failed")


def test_bins_and_intersections(evaluate: Evaluate) -> None:
    """Numbers are cut at declared edges, lower edge included; intersections are every combination that occurs."""
    rng = np.random.default_rng(0)
    frame = hidden().assign(age=rng.integers(18, 80, 1_000), sex=rng.choice(["f", "m"], 1_000))
    frame.loc[0, "age"] = 25
    arguments = ("--slices", "age, region & sex", "--slice-bins", "age=25:60", "--minimum", "accuracy=0.1")
    run = evaluate(frame, *arguments, "--maximum-regression", "accuracy=0.9")

    names = {tuple(part["slice"].items()): part["rows"] for part in run.report["metrics"]["slices"]}
    assert run.code == 0
    assert {values[0][1] for values in names if values[0][0] == "age"} == {"<25", "25 to <60", ">=60"}
    assert names[(("age", "<25"),)] == int((frame["age"] < 25).sum())
    north = names[(("region", "north"), ("sex", "f"))], names[(("region", "north"), ("sex", "m"))]
    assert sum(north) == 100
    assert sum(rows for values, rows in names.items() if len(values) == 2) == 1_000


def test_statistical_modes__on_slices(evaluate: Evaluate) -> None:
    """A loss in one slice is found by the test on it; equal slices pass, also where there are many."""
    frame = pair(20_000, seed=3).assign(region=lambda f: (f.index % 10).astype(str))
    worse = pair(20_000, seed=3, loss=0.8)
    bad = frame.index % 10 == 7
    hurt = frame.copy()
    hurt.loc[bad, ["y_pred", "y_score"]] = worse.loc[bad, ["y_pred", "y_score"]]
    arguments = ("--not-significantly-worse", "roc-auc", "--slices", "region")

    passed, blocked = evaluate(frame, *arguments), evaluate(hurt, *arguments)
    assert passed.code == 0
    assert by_id(blocked, "regression:roc-auc:region=7")["status"] == "failed"
    assert by_id(blocked, "regression:roc-auc:region=6")["status"] == "passed"


def test_slices__first_release(evaluate: Evaluate) -> None:
    """Without production the fixed limits are held on every slice."""
    frame = hidden().drop(columns="production_y_pred")
    run = evaluate(frame, "--minimum", "accuracy=0.8", "--slices", "region", "--bootstrap")

    assert (run.code, by_id(run, "minimum:accuracy:region=north")["status"]) == (1, "failed")


WRONG: dict[str, tuple[str, str]] = {
    "unknown": ("regio", "did you mean `region`"),
    "quantity": ("income", "a quantity, not groups"),
    "identifier": ("name", "is it an identifier"),
    "too-many": ("name & region", "identifier"),
}


@pytest.mark.parametrize(("declared", "words"), WRONG.values(), ids=WRONG)
def test_wrong_slices__refused(evaluate: Evaluate, declared: str, words: str) -> None:
    """Columns that do not exist, numbers without bins and identifiers are refused."""
    frame = hidden().assign(income=np.linspace(0, 1, 1_000), name=[f"n{index}" for index in range(1_000)])
    run = evaluate(frame, "--minimum", "accuracy=0.1", "--slices", declared)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"] + str(run.report["checks"][0].get("advice"))


def test_bins_of_text__refused(evaluate: Evaluate) -> None:
    """Edges for a column that holds texts are refused: no row may fall out of all bins."""
    run = evaluate(hidden(), "--minimum", "accuracy=0.1", "--slices", "region", "--slice-bins", "region=1:2")

    assert (run.code, run.report["status"]) == (2, "error")


VALUES = st.one_of(st.none(), st.sampled_from(["a", "b", "c&d", "x=y"]))


@given(st.lists(st.tuples(VALUES, st.one_of(st.none(), st.floats(-5, 5))), min_size=1, max_size=50))
def test_slices__every_row_once(rows: list[tuple[str | None, float | None]]) -> None:
    """The slices of a column, and of an intersection, hold every row exactly once."""
    frame = pd.DataFrame(rows, columns=["group", "number"]).astype({"group": object, "number": float})
    found = slices(frame, ["group", "number", "group & number"], {"number": "-1:0:2"})

    for columns in (("group",), ("number",), ("group", "number")):
        parts = [part.rows for part in found if tuple(part.values) == columns]
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))


def test_slice_named_like_a_missing_value__is_one(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """A bad slice `NA` of a CSV file is not hidden among rows without a value, and labels may be words as well."""
    words = {"south": "None", "north": "NA"}
    frame = hidden().assign(region=lambda rows: rows["region"].map(words))
    labels = [name for name in frame.columns if name != "region"]
    frame[labels] = frame[labels].replace({1: "N/A", 0: "null"})
    frame.to_csv(tmp_path / "predictions.csv", index=False)

    run = cd4ml("evaluate-model", "--predictions", "predictions.csv", "--positive-label", "N/A", "--minimum",
                "accuracy=0.8", "--slices", "region")  # fmt: skip

    found = by_id(run, "minimum:accuracy:region=NA")
    assert run.code == 1 and (found["status"], found["n"]) == ("failed", 100)
    assert by_id(run, "minimum:accuracy:region=None")["n"] == 900
