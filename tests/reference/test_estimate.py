"""Performance without labels against its definition, counted out over all labels, and against simulated labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from cd4ml.metrics.drift.estimate import Expected, expected


def test_expected__the_example_of_nannyml() -> None:
    """NannyML, "How it works", CBPE, "The intuition": predictions of 1 with a probability of 0.9 are right in 90 % of
    the cases; and by its steps 1 to 6 the errors |y_pred - p| of (1, 0.9), (1, 0.6), (0, 0.2), (0, 0.4) are 0.1, 0.4,
    0.2 and 0.4, so that TP = 1.5, TN = 1.4 and the accuracy is 2.9 / 4."""
    assert expected([True] * 1_000, [0.9] * 1_000).accuracy == pytest.approx(0.9)

    found = expected([True, True, False, False], [0.9, 0.6, 0.2, 0.4])
    assert (found.tp, found.fp, found.tn, found.fn) == pytest.approx((1.5, 0.5, 1.4, 0.6))
    assert found.accuracy == pytest.approx(2.9 / 4)
    assert (found.precision, found.recall, found.f1) == pytest.approx((1.5 / 2, 1.5 / 2.1, 3 / 4.1))


def test_expected__all_labels_counted_out() -> None:
    """Matrix and variance are those over all 2^9 vectors of labels, each weighted by its probability."""
    rng = np.random.default_rng(3)
    p = rng.random(9)
    said = rng.random(9) < 0.5
    vectors = np.array(list(itertools.product([0, 1], repeat=9)))
    weights = np.prod(np.where(vectors == 1, p, 1 - p), axis=1)
    right = (vectors == said).sum(axis=1)
    mean = float(weights @ right)

    found = expected(said, p)
    assert found.accuracy == pytest.approx(mean / 9)
    assert found.variance == pytest.approx(float(weights @ (right - mean) ** 2))
    assert found.tp == pytest.approx(float(weights @ (vectors[:, said] == 1).sum(axis=1)))
    assert found.fn == pytest.approx(float(weights @ (vectors[:, ~said] == 1).sum(axis=1)))


def test_expected__simulated_labels() -> None:
    """With calibrated probabilities scikit-learn's metrics of simulated labels come to the estimates on average, and
    95 % of the accuracies lie between the bounds."""
    rng = np.random.default_rng(5)
    p = rng.beta(2, 3, 800)
    said = p > 0.4
    found = expected(said, p)
    labels = [rng.random(800) < p for _ in range(400)]
    accuracies = np.array([accuracy_score(label, said) for label in labels])
    inside = (accuracies >= found.accuracy_bounds.lower) & (accuracies <= found.accuracy_bounds.upper)

    assert accuracies.mean() == pytest.approx(found.accuracy, abs=0.003)
    assert 0.92 <= inside.mean() <= 0.98
    for metric, value in ((precision_score, found.precision), (recall_score, found.recall), (f1_score, found.f1)):
        assert np.mean([metric(label, said) for label in labels]) == pytest.approx(value, abs=0.005)


def test_expected__parts_add_up() -> None:
    """The matrices of parts add up to that of the whole, and nothing has no precision."""
    rng = np.random.default_rng(7)
    p, said = rng.random(50), rng.random(50) < 0.5
    whole, parts = expected(said, p), expected(said[:20], p[:20]) + expected(said[20:], p[20:])

    assert (parts.n, parts.tp, parts.variance) == pytest.approx((whole.n, whole.tp, whole.variance))
    assert Expected().precision is None and Expected().f1 is None
