"""The scores of several classes in the predictions table: what is read, judged and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Run
from tests.stages.evaluate_model.conftest import Evaluate

LIMITS = (
    *("--task", "multiclass", "--minimum", "accuracy=0.4,roc-auc-macro=0.6,roc-auc-weighted=0.6"),
    *("--maximum", "log-loss=2,brier=1.5,calibration-error=0.5", "--maximum-regression"),
    "accuracy=1e-9,roc-auc-macro=1e-9,roc-auc-weighted=1e-9,log-loss=1e-9,brier=1e-9,calibration-error=0.5",
)
CLASSES = ("blue", "green", "red")


def scored(n: int = 600, *, quality: float = 2.0, seed: int = 0) -> pd.DataFrame:
    """Return decisions and probabilities of three classes by two models, production of quality 1.5."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    columns: dict[str, Any] = {"y_true": np.array(CLASSES)[truth]}
    for prefix, strength in (("", quality), ("production_", 1.5)):
        raw = rng.normal(size=(n, 3)) + strength * (truth[:, None] == np.arange(3))
        scores = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
        columns[f"{prefix}y_pred"] = np.array(CLASSES)[scores.argmax(axis=1)]
        columns |= {f"{prefix}y_score_{name}": scores[:, index] for index, name in enumerate(CLASSES)}
    return pd.DataFrame(columns)


def by_id(run: Run, check_id: str) -> dict[str, Any]:
    """Return a check of the report."""
    return next(check for check in run.report["checks"] if check["id"] == check_id)


def test_better_model__passed_with_intervals(evaluate: Evaluate) -> None:
    """Each metric of class scores has its value and interval, and is compared with production on the same rows."""
    run = evaluate(scored(), *LIMITS)

    assert (run.code, run.report["status"]) == (0, "passed")
    for name in ("roc-auc-macro", "log-loss", "brier", "calibration-error"):
        check = by_id(run, f"regression:{name}")
        assert check["interval"]["lower"] < check["interval"]["upper"] and check["n"] == 600
    assert by_id(run, "regression:roc-auc-macro")["interval"]["method"].startswith("DeLong")
    assert by_id(run, "maximum:brier")["value"] < 0.5


def test_worse_model__failed(evaluate: Evaluate) -> None:
    """A model whose scores are worse than production's blocks, by each of these metrics."""
    run = evaluate(scored(quality=1.0), *LIMITS)

    assert run.code == 1
    for name in ("roc-auc-macro", "roc-auc-weighted", "log-loss", "brier"):
        assert by_id(run, f"regression:{name}")["reason"] == "regression"


def test_swapped_columns__error(evaluate: Evaluate) -> None:
    """Scores under the names of other classes are noticed by the decisions."""
    frame = scored()
    swapped = frame.rename(columns={f"y_score_{CLASSES[i]}": f"y_score_{CLASSES[(i + 1) % 3]}" for i in range(3)})
    run = evaluate(swapped, *LIMITS)

    check = by_id(run, "score-direction:candidate")
    assert (run.code, check["status"], check["reason"]) == (2, "error", "scores-of-other-classes")


@pytest.mark.parametrize("column", ["y_score_red", "production_y_score_red"])
def test_class_without_scores__error(evaluate: Evaluate, column: str) -> None:
    """A class that occurs and has no scores leaves these metrics undefined: an error; accuracy has its value."""
    run = evaluate(scored().drop(columns=column), *LIMITS)

    assert (run.code, run.report["status"]) == (2, "error")
    assert "y_score_<class>" in by_id(run, "regression:log-loss")["message"]
    assert by_id(run, "minimum:accuracy")["status"] == "passed"


@pytest.mark.parametrize(
    ("value", "words"), [(None, "without a value"), (np.inf, "infinite"), ("x", "must be numbers")]
)
def test_scores_that_are_none__refused(evaluate: Evaluate, value: Any, words: str) -> None:
    """Gaps, infinities and texts among the scores of a class are refused."""
    frame = scored()
    frame["y_score_red"] = frame["y_score_red"].astype(object if value == "x" else float)
    frame.loc[:, "y_score_red"] = "x" if value == "x" else frame["y_score_red"]
    if value != "x":
        frame.loc[3, "y_score_red"] = np.nan if value is None else value
    run = evaluate(frame, *LIMITS)

    assert (run.code, run.report["status"]) == (2, "error")
    assert words in run.report["checks"][0]["message"]


def test_own_metric__gets_the_scores(evaluate: Evaluate, tmp_path: Any) -> None:
    """A user's function gets the scores as one table, a column for each class in the order of their names."""
    (tmp_path / "own_scores.py").write_text(
        "from sklearn.metrics import roc_auc_score\n"
        "def ovo(y_true, y_score):\n    return roc_auc_score(y_true, y_score, multi_class='ovo')\n"
    )
    limits = (
        "--task",
        "multiclass",
        "--custom-metrics",
        "ovo=own_scores:ovo",
        "--minimum",
        "ovo=0.6,roc-auc-macro=0.6",
    )
    run = evaluate(scored(200), *limits)

    assert run.code == 0
    assert by_id(run, "minimum:ovo")["value"] == pytest.approx(by_id(run, "minimum:roc-auc-macro")["value"], abs=0.05)
