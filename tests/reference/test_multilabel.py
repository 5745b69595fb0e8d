"""Metrics of sets of labels against published figures, and against scikit-learn on any table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.metrics.performance.measurement import measure
from cd4ml.metrics.performance.metric import Sample
from tests.reference.values import compute

Matrix = npt.NDArray[np.bool_]


def sample(y_true: Matrix, y_pred: Matrix, weight: npt.NDArray[np.float64] | None = None) -> Sample:
    """Return indicator matrices as sets."""
    texts = [[";".join(f"l{i}" for i in np.flatnonzero(row)) for row in table] for table in (y_true, y_pred)]
    labels = tuple(sorted({text for column in texts for text in column}))
    true, predicted = (np.array([labels.index(text) for text in column]) for column in texts)
    return Sample(y_true=true, y_pred=predicted, labels=labels, sets=True, weight=weight)


def test_hamming_loss__scikit_learn() -> None:
    """scikit-learn 1.9 documentation of `hamming_loss`, multilabel case: [[0, 1], [1, 1]] against zeros has 0.75."""
    assert compute("hamming-loss", sample(np.array([[0, 1], [1, 1]], bool), np.zeros((2, 2), bool))) == 0.75


def test_accuracy__scikit_learn() -> None:
    """scikit-learn 1.9 documentation of `accuracy_score`, multilabel case: [[0, 1], [1, 1]] against ones has 0.5."""
    assert compute("accuracy", sample(np.array([[0, 1], [1, 1]], bool), np.ones((2, 2), bool))) == 0.5


def test_f1__scikit_learn() -> None:
    """scikit-learn 1.9 documentation of `f1_score`, multilabel case: by label 0.66666667, 1.0, 0.66666667."""
    y_true, y_pred = np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1]], bool), np.array(
        [[0, 0, 0], [1, 1, 1], [1, 1, 0]], bool
    )

    assert compute("f1-macro", sample(y_true, y_pred)) == pytest.approx((0.66666667 + 1.0 + 0.66666667) / 3, abs=1e-8)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(3, 40), st.booleans())
def test_any_table__as_scikit_learn(seed: int, labels: int, n: int, weighted: bool) -> None:
    """Values are scikit-learn's on every table in which each label occurs, with weights as well."""
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.random((n, labels)) < 0.4, rng.random((n, labels)) < 0.4
    y_true[0], y_true[1] = True, False
    weight = rng.gamma(2, 1, n) + 0.01 if weighted else None
    found, shared = sample(y_true, y_pred, weight), {"sample_weight": weight}

    assert compute("accuracy", found) == pytest.approx(metrics.accuracy_score(y_true, y_pred, **shared))
    assert compute("hamming-loss", found) == pytest.approx(metrics.hamming_loss(y_true, y_pred, **shared))
    for average in ("micro", "macro"):
        expected = metrics.f1_score(y_true, y_pred, average=average, **shared)
        assert compute(f"f1-{average}", found) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["hamming-loss", "f1-micro", "f1-macro"])
def test_standard_error__as_repeated_samples(name: str) -> None:
    """The standard error is the spread that repeated samples of the same population have."""
    values, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y_true = rng.random((300, 4)) < np.array([0.5, 0.4, 0.3, 0.2])
        y_pred = y_true ^ (rng.random((300, 4)) < 0.15)
        found = measure(METRICS[name], sample(y_true, y_pred))
        values.append(found.value)
        errors.append(found.standard_error)

    # The spread of 200 values is known to about 5 %.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.15)
