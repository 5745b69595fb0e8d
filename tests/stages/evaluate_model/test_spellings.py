"""evaluate-model takes metrics as scikit-learn and MLflow write them, and reports them by its own names."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stages.evaluate_model.conftest import Evaluate, table

GOOD = table(45, 5, 5, 45)


def test_spellings__in_every_limit(evaluate: Evaluate) -> None:
    """The names of other libraries are taken in every option that names a metric; checks have the name of reports."""
    run = evaluate(
        GOOD,
        *("--minimum", "accuracy_score=0.8", "--maximum", "accuracy=1", "--maximum-regression", "f1_score=0.1"),
        *("--maximum-relative-regression", "precision_score=0.1", "--no-worse-than", "balanced_accuracy=0.9"),
        *("--not-significantly-worse", "recall_score,recall", "--primary-metric", "recall_score"),
    )

    ids = [check["id"] for check in run.report["checks"] if ":" in check["id"]]
    assert run.code == 0
    assert ids == [
        "minimum:accuracy",
        "maximum:accuracy",
        *(f"regression:{name}" for name in ("accuracy", "f1", "precision", "balanced-accuracy", "recall")),
    ]


@pytest.mark.parametrize(
    ("name", "metric"), [("auc", "roc-auc"), ("auroc", "roc-auc"), ("auprc", "pr-auc"), ("logloss", "log-loss")]
)
def test_spellings__what_everybody_says(evaluate: Evaluate, name: str, metric: str) -> None:
    """A short name that everybody uses for one metric is that metric; `auc` is never taken for `pr-auc`."""
    scored = GOOD.assign(y_score=np.where(GOOD["y_pred"] == 1, 0.75, 0.25)).drop(columns="production_y_pred")

    run = evaluate(
        scored, "--minimum", f"accuracy=0.5,{name}=0.001", "--maximum", f"{name}=0.01", "--bootstrap", "true"
    )

    assert (run.code, [check["id"] for check in run.report["checks"] if check["status"] == "failed"]) == (
        1,
        [f"maximum:{metric}"],
    )


@pytest.mark.parametrize(("name", "nearest"), [("acu", "auc"), ("roc-acu", "roc-auc"), ("f1-scoer", "f1_score")])
def test_spellings__typo__refused(evaluate: Evaluate, name: str, nearest: str) -> None:
    """A misspelt metric is answered with the spelling next to it, and with those of this task only."""
    run = evaluate(GOOD, "--minimum", f"{name}=0.5")

    assert run.code == 2
    assert f"unknown metric `{name}` (did you mean `{nearest}`?)" in run.report["checks"][0]["message"]
    assert "rmse" not in run.report["checks"][0]["message"]


def test_spellings__of_another_task__refused(evaluate: Evaluate) -> None:
    """`auc` of several classes is refused with the averages that there are: none is chosen in silence."""
    run = evaluate(GOOD, "--task", "multiclass", "--minimum", "auc=0.5")

    assert run.code == 2
    assert (
        "`roc-auc` is not defined for a multiclass task; take roc-auc-macro or roc-auc-weighted"
        in run.report["checks"][0]["message"]
    )


def test_spellings__equal_limits(evaluate: Evaluate) -> None:
    """Two spellings of a metric with the same limit are one limit."""
    run = evaluate(GOOD, "--minimum", "f1=0.8,f1_score=0.8")

    assert (run.code, [check["id"] for check in run.report["checks"]].count("minimum:f1")) == (0, 1)


def test_spellings__two_limits__refused(evaluate: Evaluate) -> None:
    """Two spellings of a metric with different limits are an error that names both."""
    run = evaluate(GOOD, "--minimum", "f1=0.8,f1_score=0.9")

    assert run.code == 2
    assert (
        "minimum: f1=0.8 and f1_score=0.9 are limits of the same metric; keep one" in run.report["checks"][0]["message"]
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("neg_mean_absolute_error", "scikit-learn turns this loss's sign, and limits here are of the loss itself"),
        ("neg_mean_absolute_error", "so set maximum: mae=<limit>"),
        ("neg_mean_squared_error", "so set a maximum of a loss; metrics for a regression task: rmse, mae"),
        ("mean_absolute_eror", "unknown metric `mean_absolute_eror`"),
    ],
)
def test_spellings__other_sign__refused(evaluate: Evaluate, name: str, said: str) -> None:
    """A scorer whose sign is turned is never taken for the loss, and the error says what to set instead."""
    run = evaluate(GOOD, "--task", "regression", "--minimum", f"{name}=-0.5")

    assert run.code == 2
    assert said in run.report["checks"][0]["message"]


def test_spellings__average_is_not_said__refused(evaluate: Evaluate) -> None:
    """A metric of two classes is not averaged over several in silence: the error names the averages."""
    run = evaluate(GOOD, "--task", "multiclass", "--minimum", "f1_score=0.5")

    assert run.code == 2
    assert (
        "`f1` is not defined for a multiclass task; take f1-macro or f1-weighted, or set task: binary"
        in run.report["checks"][0]["message"]
    )


def test_own_metric__spelling_of_another__refused(evaluate: Evaluate) -> None:
    """A metric of one's own may not take another spelling of a built-in one: limits on it would be of the other."""
    run = evaluate(GOOD, "--custom-metrics", "roc_auc_score=my_metrics:auc", "--minimum", "roc_auc_score=0.5")

    assert run.code == 2
    assert "these metrics exist already: roc_auc_score" in run.report["checks"][0]["message"]
