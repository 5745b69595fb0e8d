"""The mean cost of decisions against a published table, and against the rows' own costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from cd4ml.metrics.performance.comparison import compare
from cd4ml.metrics.performance.cost_matrix import declared, priced
from cd4ml.metrics.performance.measurement import Measured, measure
from cd4ml.metrics.performance.metric import Sample, Task


def measured(costs: dict[str, float], sample: Sample) -> Measured:
    """Return the cost of a sample's decisions."""
    found = declared(costs, Task.BINARY if sample.labels is None else Task.MULTICLASS)
    return measure(priced(found.metric(), found, sample.labels), sample)


def test_german_credit() -> None:
    """Statlog's German credit data (700 good, 300 bad; a bad one taken for good costs 5, the reverse 1): the default
    rule, which refuses everybody, costs 0.700 a case (Michie, Spiegelhalter & Taylor 1994, Machine Learning, Neural
    and Statistical Classification, chapter 9); accepting everybody would cost 1.5."""
    bad = np.repeat([1, 0], [300, 700])
    costs = {"false-positive": 1.0, "false-negative": 5.0}

    refused, accepted = (measured(costs, Sample(y_true=bad, y_pred=np.full(1000, all_))) for all_ in (1, 0))
    assert [refused.value, accepted.value] == pytest.approx([0.7, 1.5])


def test_several_classes__scikit_learn() -> None:
    """The cost is the sum of scikit-learn's confusion matrix times the declared one, by row."""
    generator = np.random.default_rng(3)
    truth, decided = generator.integers(0, 3, 500), generator.integers(0, 3, 500)
    costs = {"a as b": 2.0, "b as a": 7.0, "c as c": -1.5, "other": 0.5}
    matrix = np.array([[0, 2, 0.5], [7, 0, 0.5], [0.5, 0.5, -1.5]])
    sample = Sample(y_true=truth, y_pred=decided, labels=("a", "b", "c"))

    assert measured(costs, sample).value == pytest.approx((confusion_matrix(truth, decided) * matrix).sum() / 500)


@pytest.mark.parametrize("weighted", [False, True])
def test_interval__that_of_the_rows_costs(weighted: bool) -> None:
    """With many rows the interval is that of the mean of the rows' costs, also that of a difference of two models."""
    generator = np.random.default_rng(5)
    n = 20_000
    truth = generator.integers(0, 2, n)
    first, second = (np.where(generator.random(n) < share, 1 - truth, truth) for share in (0.1, 0.12))
    weight = generator.integers(1, 4, n).astype(float) if weighted else None
    price = np.array([[0.0, 1.0], [6.0, 0.0]])
    rows = [price[truth, one] for one in (first, second)]
    costs = {"false-positive": 1.0, "false-negative": 6.0}
    samples = [Sample(y_true=truth, y_pred=one, weight=weight) for one in (first, second)]
    candidate, production = (measured(costs, sample) for sample in samples)

    used = np.ones(n) if weight is None else weight
    mean = np.average(rows[0], weights=used)
    error = math.sqrt((used**2 * (rows[0] - mean) ** 2).sum()) / used.sum()
    assert candidate.value == pytest.approx(mean) and candidate.interval is not None
    assert candidate.interval.upper - candidate.interval.lower == pytest.approx(2 * 1.96 * error, rel=0.05)

    change = rows[0] - rows[1]
    error = math.sqrt((used**2 * (change - np.average(change, weights=used)) ** 2).sum()) / used.sum()
    assert compare(candidate, production).standard_error == pytest.approx(error, rel=1e-6)
