"""The cost of decisions: a declared matrix is a metric like any other, and one that decides nothing is refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate, table

COSTS = ("--decision-costs", "false-positive=1,false-negative=10")


def check(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


@pytest.mark.parametrize(("limit", "code"), [("0.55", 0), ("0.5499", 1)])
def test_cost__at_its_limit(evaluate: Evaluate, limit: str, code: int) -> None:
    """5 missed positives at 10 and 5 false alarms at 1 cost 0.55 a row of 100, with an interval."""
    run = evaluate(table(45, 5, 5, 45), *COSTS, "--maximum", f"decision-cost={limit}")

    found = check(run, "maximum:decision-cost")
    assert run.code == code and found["value"] == pytest.approx(0.55)
    assert found["interval"]["lower"] < 0.55 < found["interval"]["upper"]


def test_same_accuracy__dearer__failed(evaluate: Evaluate) -> None:
    """A candidate as accurate as production that misses more positives costs more, and is blocked for it alone."""
    worse = table(30, 20, 0, 50, production=(40, 10, 10, 40))
    run = evaluate(worse, *COSTS, "--maximum-regression", "accuracy=0,decision-cost=0")

    found = check(run, "regression:decision-cost")
    assert check(run, "regression:accuracy")["status"] == "passed"
    assert (run.code, found["status"]) == (1, "failed")
    assert (found["value"], found["baseline"]) == (pytest.approx(2.0), pytest.approx(1.1))
    assert found["interval"]["of"] == "difference" and found["interval"]["lower"] < 0.9 < found["interval"]["upper"]


def test_gains(evaluate: Evaluate) -> None:
    """A gain is a cost below 0: 45 hits at -3 and 5 false alarms at 5 make -1.1 a row."""
    gains = ("--decision-costs", "true-positive=-3,false-positive=5,false-negative=0")
    run = evaluate(table(45, 5, 5, 45), *gains, "--maximum", "decision-cost=0")

    assert (run.code, check(run, "maximum:decision-cost")["value"]) == (0, pytest.approx(-1.1))


def classes() -> pd.DataFrame:
    """Return 90 rows of three classes with three mistakes."""
    frame = pd.DataFrame({"y_true": ["high", "low", "none"] * 30})
    frame["y_pred"] = frame["production_y_pred"] = frame["y_true"]
    frame.loc[[0, 3], "y_pred"] = "low"
    frame.loc[1, "y_pred"] = "none"
    return frame


def test_several_classes(evaluate: Evaluate) -> None:
    """Of several classes each pair has its own cost, and `other` is that of the rest."""
    costs = ("--task", "multiclass", "--decision-costs", "high as low=30,other=1")
    run = evaluate(classes(), *costs, "--maximum", "decision-cost=1", "--maximum-regression", "decision-cost=1")

    assert check(run, "maximum:decision-cost")["value"] == pytest.approx(61 / 90)


def test_no_mistake__not_certain(evaluate: Evaluate) -> None:
    """Without a mistake the cost is 0, and its interval reaches as far as so many rows and the dearest mistake say."""
    run = evaluate(table(50, 0, 0, 50), *COSTS, "--maximum", "decision-cost=1")

    found = check(run, "maximum:decision-cost")
    assert found["value"] == 0 and found["interval"]["lower"] == 0
    assert found["interval"]["upper"] == pytest.approx(10 * 3.8415 / (50 + 3.8415), rel=1e-3)


REFUSED = {
    "one is missing": ("binary", "false-positive=1", "false-negative is missing"),
    "unknown": ("binary", "false-positive=1,false-negatives=2", "unknown decision `false-negatives`"),
    "free": ("binary", "false-positive=0,false-negative=1", "false-positive must cost more than true-negative"),
    "dearer when right": ("binary", "false-positive=1,true-negative=2,false-negative=1", "must cost more"),
    "unknown class": ("multiclass", "hihg as low=1,other=1", "unknown class `hihg`"),
    "without a cost": ("multiclass", "high as low=1", "without a cost: 5, the first `high as none`"),
    "free, of several": ("multiclass", "high as low=0,other=1", "cost no more than the right one: 1"),
    "given twice": ("multiclass", "high as low=100,high as  low=0.01,other=1", "`high as low` is given more than once"),
    "no pair": ("multiclass", "high=1,other=1", "write `<true class> as <decision>`"),
    "regression": ("regression", "other=1", "task regression has none"),
}


@pytest.mark.parametrize(("task", "costs", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(evaluate: Evaluate, task: str, costs: str, said: str) -> None:
    """Costs that are incomplete, of another task or class, or reward a mistake are refused with what is wrong."""
    frame = table(45, 5, 5, 45) if task == "binary" else classes()
    run = evaluate(frame, "--task", task, "--decision-costs", costs, "--maximum", "decision-cost=1")

    assert run.code == 2 and said in run.report["checks"][0]["message"]


def test_two_spellings_of_a_decision__refused(evaluate: Evaluate) -> None:
    """Two costs of one decision, by two spellings of a class, are refused: neither may overrule the other unseen."""
    frame = pd.DataFrame({"y_true": [0, 1, 2] * 20})
    frame["y_pred"], frame["production_y_pred"] = frame["y_true"], 0
    costs = ("--decision-costs", "0 as 1=100,0.0 as 1=0.01,other=0.01")
    run = evaluate(frame, "--task", "multiclass", *costs, "--maximum", "decision-cost=0.1")

    assert run.code == 2 and "are the same decision" in run.report["checks"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*COSTS, "--minimum", "accuracy=0.1"), "no limit names decision-cost"),
        (("--maximum", "decision-cost=1"), "declare what decisions cost"),
        ((*COSTS, "--maximum", "decision-cost=11"), "at most 10"),
        ((*COSTS, "--maximum", "decision-cost=1", "--custom-losses", "decision-cost=a:b"), "exist already"),
    ],
)
def test_costs_and_limits_belong_together(evaluate: Evaluate, arguments: tuple[str, ...], said: str) -> None:
    """Costs that no limit uses, a limit without costs, and one that no model can break are refused."""
    run = evaluate(table(45, 5, 5, 45), *arguments)

    assert run.code == 2 and said in run.report["checks"][0]["message"]
