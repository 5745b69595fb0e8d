"""Metrics of sets of labels: each row has any number of them, and so has each decision.

Whether the whole set is right is the accuracy of `labels`, with each different set as a class. Here are the metrics
that look into the sets, label by label, so that no table of all pairs of sets is needed.

They take samples whose `labels` are the different sets, as texts with labels joined by `;`. A value is not-a-number
where the metric divides by zero.

Source:
    scikit-learn's `hamming_loss` and `f1_score` of indicator matrices, where a label that neither occurs nor is
    predicted counts as no label. Influences are those of ratios of sums (Cochran 1977, Sampling Techniques, 6.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from cd4ml.data.predictions.labels import labels_of
from cd4ml.metrics.performance.losses import mean
from cd4ml.metrics.performance.metric import Estimate, Sample
from cd4ml.metrics.performance.ranking import weights

Floats = npt.NDArray[np.float64]


def members(sets: tuple[str, ...]) -> tuple[tuple[str, ...], npt.NDArray[np.bool_]]:
    """Return the labels that occur in some set, and which set holds which, shape (sets, labels)."""
    parts = [set(labels_of(text)) for text in sets]
    labels = tuple(sorted(set().union(*parts)))
    return labels, np.array([[label in part for label in labels] for part in parts], dtype=bool)


def _by_label(sample: Sample) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Yield which rows have each label, and for which it is decided; shape (n,)."""
    assert sample.labels is not None
    for column in members(sample.labels)[1].T:
        yield column[sample.y_true], column[sample.y_pred]


def hamming_loss(sample: Sample) -> Estimate:
    """Return the share of the labels that are wrongly there or wrongly not, over all rows and labels."""
    wrong: Floats = np.zeros(len(sample.y_true))
    number = 0
    for true, decided in _by_label(sample):
        wrong += true != decided
        number += 1
    return mean(wrong / number if number else np.full(len(wrong), np.nan), sample)


def f1_micro(sample: Sample) -> Estimate:
    """Return F1 over all labels of all rows together."""
    right: Floats = np.zeros(len(sample.y_true))
    size: Floats = np.zeros(len(sample.y_true))
    for true, decided in _by_label(sample):
        right += true & decided
        size += true
        size += decided
    return _ratio(2 * right, size, sample)


def f1_macro(sample: Sample) -> Estimate:
    """Return the mean of the labels' F1."""
    found = [
        _ratio(np.multiply(2, true & decided, dtype=np.float64), np.add(true, decided, dtype=np.float64), sample)
        for true, decided in _by_label(sample)
        if true.any() or decided.any()
    ]
    if not found:
        return Estimate(value=float("nan"))
    influence: Floats = np.zeros(len(sample.y_true))
    for one in found:
        assert one.influence is not None
        influence += one.influence / len(found)
    value = sum(one.value for one in found) / len(found)
    return Estimate(value=value, influence=influence, degrees=len(sample.y_true) - 1)


def _ratio(above: Floats, below: Floats, sample: Sample) -> Estimate:
    """Return a ratio of two sums over the rows."""
    weight, n = weights(sample), len(above)
    each: Any = 1.0 if weight is None else weight
    total = float((below * each).sum())
    if not total:
        return Estimate(value=float("nan"))
    value = float((above * each).sum()) / total
    unbiased = np.sqrt(n / (n - 1)) if n > 1 else np.nan
    return Estimate(value=value, influence=(above - value * below) * each / total * unbiased, degrees=n - 1)
