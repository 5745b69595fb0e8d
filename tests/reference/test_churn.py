"""Churn against published tables of two classifiers on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from cd4ml.metrics.performance.churn import churn
from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.statistics import intervals


def samples(
    truth: list[int], first: list[int], second: list[int], weight: list[float] | None = None
) -> tuple[Sample, Sample]:
    """Return two models on the same rows."""
    weights = None if weight is None else np.array(weight)
    new, old = (Sample(y_true=np.array(truth), y_pred=np.array(one), weight=weights) for one in (first, second))
    return new, old


def test_mlxtend() -> None:
    """The example of mlxtend's mcnemar_table as mlxtend 0.21 prints it (its issue 988): [[4, 2], [1, 3]]."""
    truth = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    found = churn(*samples(truth, [0, 1, 0, 0, 0, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 1, 1, 0, 0, 0]))

    assert (found.fixes.rows, found.breaks.rows, found.changed.rows) == (2, 1, 3)


def test_win_loss_ratio() -> None:
    """Accuracies of 99.6 and 99.7 % that differ by 11 rows won and 1 lost, subfigure A of mlxtend's page on McNemar's
    tables: 12 of 10,000 rows change, with Wilson's interval."""
    truth = [1] * 10_000
    old, new = [1] * 10_000, [1] * 10_000
    old[:11], new[11:12] = [0] * 11, [0]
    old[100:129], new[100:129] = [0] * 29, [0] * 29
    found = churn(*samples(truth, new, old))

    assert (found.fixes.rows, found.breaks.rows) == (11, 1)
    assert found.changed.share == pytest.approx(0.0012)
    bounds = intervals.wilson(12, 10_000)
    assert found.changed.interval is not None
    assert (found.changed.interval.lower, found.changed.interval.upper) == (bounds.lower, bounds.upper)


def test_equal_weights__as_without() -> None:
    """Weights that are all alike change no share, and the interval is Student's around it."""
    rng = np.random.default_rng(1)
    truth, first, second = (rng.integers(0, 2, 400).tolist() for _ in range(3))
    plain, weighted = churn(*samples(truth, first, second)), churn(*samples(truth, first, second, [3.0] * 400))

    assert weighted.changed.share == pytest.approx(plain.changed.share)
    own, other = weighted.changed.interval, plain.changed.interval
    assert own is not None and other is not None
    assert own.lower == pytest.approx(other.lower, abs=0.002) and own.upper == pytest.approx(other.upper, abs=0.002)
