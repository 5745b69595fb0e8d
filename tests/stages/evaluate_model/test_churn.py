"""Churn: decisions that change against production are counted, split, limited and told by slice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate, table

LIMIT = ("--minimum", "accuracy=0.1", "--maximum-regression", "accuracy=0.9")


def check(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


def swapped() -> pd.DataFrame:
    """Return 200 rows on which both models have an accuracy of 0.95, each with ten errors of its own."""
    truth = np.repeat([1, 0], 100)
    candidate, production = truth.copy(), truth.copy()
    candidate[:10] = 0
    production[190:] = 1
    region = ["north"] * 40 + ["south"] * 160
    return pd.DataFrame({"y_true": truth, "y_pred": candidate, "production_y_pred": production, "region": region})


@pytest.mark.parametrize(("limit", "code"), [("0.1", 0), ("0.0999", 1), ("0", 1)])
def test_churn__at_its_limit(evaluate: Evaluate, limit: str, code: int) -> None:
    """Two models with the same accuracy that differ on 20 of 200 rows: at the limit passes, above blocks."""
    run = evaluate(swapped(), *LIMIT, "--maximum-churn", limit)

    found = check(run, "maximum-churn")
    assert (run.code, found["value"], found["n"]) == (code, 0.1, 200)
    assert found["message"].startswith("20 rows (10.00 %) are decided differently than in production (at most ")
    assert "10 of these rows are fixed, 10 are broken" in found["message"]
    assert found["interval"]["method"] == "Wilson"
    assert found["interval"]["lower"] < 0.1 < found["interval"]["upper"]


@pytest.mark.parametrize(("limit", "code"), [("0.05", 0), ("0.049", 1)])
def test_breaks__at_their_limit(evaluate: Evaluate, limit: str, code: int) -> None:
    """Only the rows that production gets right and the candidate wrong count as broken."""
    run = evaluate(swapped(), *LIMIT, "--maximum-breaks", limit)

    assert (run.code, check(run, "maximum-breaks")["value"]) == (code, 0.05)


def test_slices_that_carry_it(evaluate: Evaluate) -> None:
    """The message names the slice that most of the breaks fall on, and the report counts every slice."""
    run = evaluate(swapped(), *LIMIT, "--maximum-breaks", "0.01", "--slices", "region")

    assert "region=north (25.00 % of its rows)" in check(run, "maximum-breaks")["message"]
    churn = run.report["metrics"]["churn"]
    by_region = {part["slice"]["region"]: (part["rows"], part["breaks"]["rows"]) for part in churn["slices"]}
    assert by_region == {"north": (40, 10), "south": (160, 0)}
    assert sum(part["changed"]["rows"] for part in churn["slices"]) == churn["changed"]["rows"]


def test_counted_without_a_limit(evaluate: Evaluate) -> None:
    """Without a limit churn is in the report and decides nothing."""
    run = evaluate(table(45, 5, 5, 45), *LIMIT)

    assert run.report["metrics"]["churn"]["changed"]["rows"] > 0
    assert not [one for one in run.report["checks"] if one["id"].startswith(("maximum-churn", "maximum-breaks"))]


def test_other_wrong_class(evaluate: Evaluate) -> None:
    """Of several classes, another wrong answer is a change, and neither a fix nor a break."""
    frame = pd.DataFrame({"y_true": ["a", "b", "c"] * 20})
    frame["y_pred"], frame["production_y_pred"] = frame["y_true"], frame["y_true"]
    frame.loc[0, ["y_pred", "production_y_pred"]] = ["b", "c"]
    run = evaluate(frame, *LIMIT, "--task", "multiclass", "--maximum-churn", "0.5")

    churn = run.report["metrics"]["churn"]
    assert [churn[kind]["rows"] for kind in ("changed", "fixes", "breaks")] == [1, 0, 0]


def test_weights(evaluate: Evaluate) -> None:
    """A changed row counts by its weight, and where nothing changes the share is still not certain to be 0."""
    frame = swapped().assign(sample_weight=1.0)
    frame.loc[:9, "sample_weight"] = 11.0
    heavy = evaluate(frame, *LIMIT, "--maximum-breaks", "0.05")
    same = evaluate(
        frame.assign(y_pred=frame["production_y_pred"]), *LIMIT, "--maximum-churn", "0", "--allow-identical"
    )

    assert (heavy.code, check(heavy, "maximum-breaks")["value"]) == (1, pytest.approx(110 / 300))
    nothing = check(same, "maximum-churn")
    assert (same.code, nothing["value"]) == (0, 0.0) and nothing["interval"]["upper"] > 0.01


def test_first_release(evaluate: Evaluate) -> None:
    """Without a production model there is nothing to change, as for every comparison."""
    run = evaluate(table(45, 5, 5, 45, production=None), *LIMIT, "--bootstrap", "--maximum-churn", "0.01")

    assert run.code == 0 and "churn" not in run.report["metrics"]


@pytest.mark.parametrize("limit", ["1", "2", "-0.1"])
@pytest.mark.parametrize("option", ["maximum-churn", "maximum-breaks"])
def test_limit_that_is_no_share__refused(evaluate: Evaluate, option: str, limit: str) -> None:
    """A limit that every model holds, or none can, is refused."""
    run = evaluate(table(45, 5, 5, 45), *LIMIT, f"--{option}", limit)

    assert run.code == 2 and f"{option} is a share of the test rows" in run.report["checks"][0]["message"]


def test_regression__refused(evaluate: Evaluate) -> None:
    """Numbers are not decisions: a limit on churn for them is refused."""
    frame = pd.DataFrame({"y_true": np.arange(50.0), "y_pred": np.arange(50.0) + 1, "production_y_pred": 0.5})
    run = evaluate(frame, "--task", "regression", "--maximum", "rmse=9", "--maximum-churn", "0.1")

    assert run.code == 2 and "maximum-churn is about decisions" in run.report["checks"][0]["message"]
