"""Metrics of the scores of several classes against published figures, and against scikit-learn on any table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.measurement import measure
from cd4ml.metrics.performance.metric import Sample, Task, UndefinedMetricError
from tests.reference.values import compute


def sample(y_true: Any, scores: Any, weight: Any = None) -> Sample:
    """Return class scores beside class indices; the decision is the class with the greatest score."""
    table = np.array(scores, dtype=float)
    labels = tuple(f"class-{index}" for index in range(table.shape[1]))
    true = np.array(y_true)
    return Sample(y_true=true, y_pred=table.argmax(axis=1), scores=table, labels=labels, weight=weight)


def test_eggs_ham_spam__scikit_learn() -> None:
    """scikit-learn 1.9 documentation of `brier_score_loss`: three rows of three classes have 0.146 (0.44 / 3)."""
    found = sample([0, 1, 2], [[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.2, 0.2, 0.6]])

    assert compute("brier", found) == pytest.approx(0.146, abs=7e-4)
    assert compute("brier", found) == pytest.approx(0.44 / 3)


def test_ham_spam__scikit_learn() -> None:
    """scikit-learn 1.9 documentation of `log_loss`: spam, ham, ham, spam with probabilities of both have 0.21616."""
    found = sample([1, 0, 0, 1], [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]])

    assert compute("log-loss", found) == pytest.approx(0.21616, abs=5e-6)


def test_iris__scikit_learn() -> None:
    """scikit-learn 1.9 documentation of `roc_auc_score`: logistic regression on iris has 0.99... (ovr)."""
    rows, truth = load_iris(return_X_y=True)
    found = sample(truth, LogisticRegression(solver="newton-cholesky").fit(rows, truth).predict_proba(rows))

    assert str(compute("roc-auc-macro", found)).startswith("0.99")


def test_brier__1950() -> None:
    """Brier (1950), "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78:1: the
    score sums over the classes, so that a forecast of certainty that never comes true has 2, one that always does 0,
    and indifference between two classes 0.5."""
    assert compute("brier", sample([0, 1], [[0, 1], [1, 0]])) == 2
    assert compute("brier", sample([0, 1], [[1, 0], [0, 1]])) == 0
    assert compute("brier", sample([0, 1], [[0.5, 0.5], [0.5, 0.5]])) == 0.5


@st.composite
def tables(draw: st.DrawFn) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Draw classes, probabilities with ties, and weights; every class occurs."""
    classes, seed = draw(st.integers(3, 5)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    n = draw(st.integers(classes, 60))
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    scores = rng.integers(1, 6, (n, classes)).astype(float)
    return truth, scores / scores.sum(axis=1, keepdims=True), rng.gamma(2, 1, n) + 0.01


@settings(deadline=None)
@given(tables(), st.booleans())
def test_any_table__as_scikit_learn(
    table: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]], weighted: bool
) -> None:
    """Values are scikit-learn's on every table, with ties and with weights."""
    truth, scores, weight = table
    found = sample(truth, scores, weight if weighted else None)
    shared = {"sample_weight": weight if weighted else None}
    expected = {
        "log-loss": metrics.log_loss(truth, scores, **shared),
        "brier": metrics.brier_score_loss(truth, scores, **shared),
        "roc-auc-macro": metrics.roc_auc_score(truth, scores, multi_class="ovr", **shared),
        "roc-auc-weighted": metrics.roc_auc_score(truth, scores, multi_class="ovr", average="weighted", **shared),
    }

    for name, value in expected.items():
        assert compute(name, found) == pytest.approx(value, rel=1e-9, abs=1e-12), name


@settings(deadline=None)
@given(tables())
def test_calibration_error__of_the_greatest_score(
    table: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]],
) -> None:
    """It is the binary calibration error (held against its definition elsewhere) of being right (Guo et al. 2017)."""
    truth, scores, _ = table
    right = (scores.argmax(axis=1) == truth).astype(int)
    binary = Sample(y_true=right, y_pred=right, y_score=scores.max(axis=1))
    try:
        expected = compute("calibration-error", binary)
    except UndefinedMetricError:
        return

    assert compute("calibration-error", sample(truth, scores)) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["roc-auc-macro", "roc-auc-weighted", "log-loss", "brier"])
def test_standard_error__as_repeated_samples(name: str) -> None:
    """The standard error is the spread that repeated samples of the same population have."""
    metric = METRICS[name].of_task(Task.MULTICLASS)
    values, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = rng.choice(4, 500, p=[0.4, 0.3, 0.2, 0.1])
        raw = rng.normal(size=(500, 4)) + 1.2 * (truth[:, None] == np.arange(4))
        weight = rng.gamma(4, 0.25, 500)
        found = measure(metric, sample(truth, np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True), weight))
        values.append(found.value)
        errors.append(found.standard_error)

    # The spread of 300 values is known to about 4 %.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.12)


UNDEFINED = {
    "a class without a row": ("roc-auc-macro", [0, 1, 1], [[0.5, 0.3, 0.2]] * 3, "no row is of the class"),
    "not a probability": ("log-loss", [0, 1, 1], [[1.5, -0.5]] * 3, "outside 0 to 1"),
    "sums above 1": ("brier", [0, 1, 1], [[0.9, 0.9]] * 3, "do not sum to 1"),
}


@pytest.mark.parametrize(("name", "truth", "scores", "words"), UNDEFINED.values(), ids=UNDEFINED)
def test_no_value__said(name: str, truth: list[int], scores: list[list[float]], words: str) -> None:
    """Where a metric means nothing it has no value, and words say why."""
    with pytest.raises(UndefinedMetricError, match=words):
        compute(name, sample(truth, scores))


def test_no_scores__said() -> None:
    """Decisions without scores have none of these metrics."""
    for name in ("roc-auc-macro", "log-loss", "brier", "calibration-error"):
        with pytest.raises(UndefinedMetricError, match="y_score_<class>"):
            compute(name, Sample(y_true=np.array([0, 1]), y_pred=np.array([0, 1]), labels=("a", "b")))
    assert math.isfinite(
        compute("accuracy", Sample(y_true=np.array([0, 1]), y_pred=np.array([0, 1]), labels=("a", "b")))
    )
