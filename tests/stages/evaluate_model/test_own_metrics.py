"""A user's own metrics are held to the rules of the built-in ones, whatever they do."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate, table
from tests.stages.evaluate_model.models import pair

SOURCE = """
import sys

import numpy as np


def profit(y_true, y_pred):
    return float(np.where(y_pred == 1, np.where(y_true == 1, 3.0, -5.0), 0.0).mean())


def cost(y_true, y_pred, sample_weight):
    return -profit(y_true, y_pred)


def large(y_true, y_pred):
    return float((y_true * 100 + y_pred * 100).mean())


def spread(y_score):
    return float(np.std(y_score))


def labels(y_true, y_pred):
    return float(np.mean((y_true == "a") == (y_pred == "a")))


def sorts(y_true, y_pred):
    y_pred.sort()
    return 1.0


def raises(y_true, y_pred):
    raise RuntimeError("secret row 17")


def leaves(y_true, y_pred):
    sys.exit(0)


def nothing(y_true, y_pred):
    return None


def nan(y_true, y_pred):
    return float("nan")


def text(y_true, y_pred):
    return "0.9"


def other(frame):
    return 1.0


constant = 1.0
"""


@pytest.fixture(autouse=True)
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the user's module, under a name of this test alone."""
    import sys

    monkeypatch.delitem(sys.modules, "own_metrics", raising=False)
    (tmp_path / "own_metrics.py").write_text(SOURCE)


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


def test_own_metric__limits_and_comparison(evaluate: Evaluate) -> None:
    """A profit is held to a minimum and compared with production, with intervals from the rows."""
    frame = table(45, 5, 5, 45)
    own = ("--custom-metrics", "profit=own_metrics:profit")
    passed = evaluate(frame, *own, "--minimum", "profit=0.9")
    blocked = evaluate(frame, *own, "--minimum", "profit=1.2")

    assert (passed.code, blocked.code) == (0, 1)
    assert passed.report["metrics"]["candidate"] == {"profit": pytest.approx(1.1)}
    assert by_id(passed, "minimum:profit")["interval"]["method"] == "bootstrap of rows"
    assert by_id(passed, "regression:profit")["interval"]["method"] == "paired bootstrap of rows"


def test_own_metric__without_scikit_learn(evaluate: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that needs scikit-learn where it is not installed is an error that says how to get it, never a pass."""
    (tmp_path / "with_library.py").write_text("from sklearn.metrics import f1_score as f\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])

    run = evaluate(table(45, 5, 5, 45), "--custom-metrics", "f=with_library:f", "--minimum", "f=0")

    assert run.code == 3
    assert run.report["checks"][0]["advice"].endswith("set the variable CD4ML_REQUIREMENTS: scikit-learn.")


class Hidden(MetaPathFinder):
    """Finds no scikit-learn."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        """Refuse one library."""
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def test_own_metric__does_not_overflow(evaluate: Evaluate) -> None:
    """Labels are whole numbers that can be multiplied: 100 + 100 is 200."""
    own = ("--custom-metrics", "large=own_metrics:large")
    run = evaluate(table(45, 5, 5, 45), *own, "--minimum", "large=0")

    assert run.report["metrics"]["candidate"]["large"] == pytest.approx(100.0)


def test_own_loss__smaller_is_better(evaluate: Evaluate) -> None:
    """A cost is better when smaller: a candidate that costs more is blocked, by either decision."""
    frame = table(30, 20, 20, 30, production=(45, 5, 5, 45)).assign(sample_weight=1.0)
    own = ("--custom-losses", "cost=own_metrics:cost")

    assert evaluate(frame, *own, "--maximum", "cost=9").code == 1
    tested = evaluate(frame, *own, "--not-significantly-worse", "cost")
    assert by_id(tested, "regression:cost")["reason"] == "significantly-worse"
    shown = evaluate(frame, *own, "--no-worse-than", "cost=0.01")
    assert by_id(shown, "regression:cost")["status"] == "failed"


def test_own_metric__scores_and_labels(evaluate: Evaluate) -> None:
    """Functions get scores where they ask for them, and the labels of a multiclass task as texts."""
    scored = evaluate(pair(200), "--custom-metrics", "spread=own_metrics:spread", "--minimum", "spread=0.01")
    classes = pd.DataFrame(
        {"y_true": list("abc") * 20, "y_pred": list("abb") * 20, "production_y_pred": list("cba") * 20}
    )
    own = ("--task", "multiclass", "--custom-metrics", "labels=own_metrics:labels", "--minimum", "labels=0.9")
    named = evaluate(classes, *own)

    assert scored.report["metrics"]["candidate"]["spread"] == pytest.approx(np.std(pair(200)["y_score"]))
    assert named.report["metrics"]["candidate"]["labels"] == 1.0


@pytest.mark.parametrize("function", ["raises", "leaves", "nothing", "nan", "text", "sorts", "spread"])
def test_own_metric__no_number__error(evaluate: Evaluate, function: str) -> None:
    """A function that raises, ends the process, changes its rows or returns no number is an error, never a pass; what
    its exception says of the rows stays out of the report."""
    own = ("--custom-metrics", f"mine=own_metrics:{function}")
    run = evaluate(table(45, 5, 5, 45), *own, "--minimum", "mine=0")

    assert (run.code, by_id(run, "minimum:mine")["status"]) == (2, "error")
    assert "secret" not in str(run.report["checks"])


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("own_metrics:absent", 2),
        ("own_metrics:constant", 2),
        ("own_metrics:other", 2),
        ("own_metrics", 2),
        (":profit", 2),
        ("absent_module:profit", 3),
    ],
)
def test_own_metric__not_loadable__refused(evaluate: Evaluate, source: str, code: int) -> None:
    """What is no function of the rows, or not there, is refused."""
    run = evaluate(table(45, 5, 5, 45), "--custom-metrics", f"mine={source}", "--minimum", "mine=0")

    assert (run.code, run.report["status"]) == (code, "error")
