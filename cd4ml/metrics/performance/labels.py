"""Metrics of decisions, from the confusion matrix alone: every row counts only through its cell.

Each comes with its gradient, the change by one more row of a cell, from which variances follow (delta method). Leading
axes are kept, so that a thousand matrices of a bootstrap are computed at once.

Matrices have shape (..., K, K), rows true and columns predicted, and hold counts or sums of weights. The binary forms
take K = 2 with the positive class last. A class without rows does not count. A value is not-a-number where the metric
divides by zero.

Source:
    The definitions of scikit-learn, with `zero_division=nan`; see tests/reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.metric import CellEstimate, Sample, Task

Floats = npt.NDArray[np.float64]
# Combinations of classes that are counted in a table; of more, only those that occur.
MOST_CELLS: Final = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is counted of each class.

    Attributes:
        hit: what a right row of the class adds to the numerator.
        by_true, by_predicted: whether rows whose true (predicted) class it is count in the denominator.
    """

    hit: float = 1.0
    by_true: bool
    by_predicted: bool


PRECISION: Final = Kind(by_true=False, by_predicted=True)
RECALL: Final = Kind(by_true=True, by_predicted=False)
F1: Final = Kind(hit=2.0, by_true=True, by_predicted=True)


def accuracy(matrix: Floats) -> CellEstimate:
    """Compute the share of rows on the diagonal."""
    total = matrix.sum((-1, -2))
    value = np.trace(matrix, axis1=-2, axis2=-1) / total
    return CellEstimate(
        value=value, gradient=(np.eye(matrix.shape[-1]) - value[..., None, None]) / total[..., None, None]
    )


@dataclass(frozen=True, kw_only=True)
class _ByClass:
    """A metric of each class: value and denominator, shape (..., K), and its gradient by the cells of the class."""

    kind: Kind
    value: Floats
    below: Floats

    def gradient(self, share: Floats) -> Floats:
        """Return the gradient of the sum of the classes' values times their shares."""
        inverse = np.divide(share, self.below, out=np.zeros_like(self.value), where=self.below > 0)
        loss = np.where(np.isnan(self.value), 0.0, self.value) * inverse
        result = np.eye(self.value.shape[-1]) * (self.kind.hit * inverse)[..., :, None]
        if self.kind.by_true:
            result = result - loss[..., :, None]
        if self.kind.by_predicted:
            result = result - loss[..., None, :]
        return np.asarray(result, dtype=float)


def _by_class(kind: Kind, matrix: Floats) -> _ByClass:
    """Compute precision, recall or F1 of each class."""
    below = kind.by_true * matrix.sum(-1) + kind.by_predicted * matrix.sum(-2)
    above = kind.hit * np.diagonal(matrix, axis1=-2, axis2=-1)
    value = np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)
    return _ByClass(kind=kind, value=value, below=below)


def of_positive(kind: Kind) -> Callable[[Floats], CellEstimate]:
    """Return the binary form: the metric of the last class."""

    def compute(matrix: Floats) -> CellEstimate:
        classes = _by_class(kind, matrix)
        share = np.zeros_like(classes.value)
        share[..., -1] = 1.0
        return CellEstimate(value=classes.value[..., -1], gradient=classes.gradient(share))

    return compute


def macro(kind: Kind) -> Callable[[Floats], CellEstimate]:
    """Return the plain average over the classes that occur."""

    def compute(matrix: Floats) -> CellEstimate:
        classes, occurs = _by_class(kind, matrix), _occurs(matrix)
        share = occurs / occurs.sum(-1, keepdims=True)
        return CellEstimate(value=_total(classes.value, share), gradient=classes.gradient(share))

    return compute


def weighted(kind: Kind) -> Callable[[Floats], CellEstimate]:
    """Return the average over classes by their true rows; its shares move with the cells as well."""

    def compute(matrix: Floats) -> CellEstimate:
        classes, total = _by_class(kind, matrix), matrix.sum((-1, -2))[..., None]
        share = matrix.sum(-1) / total
        value = _total(classes.value, np.where(_occurs(matrix), share, 0.0), occurs=_occurs(matrix))
        moved = (np.where(np.isnan(classes.value), 0.0, classes.value) - value[..., None]) / total
        return CellEstimate(value=value, gradient=classes.gradient(share) + moved[..., :, None])

    return compute


def _occurs(matrix: Floats) -> npt.NDArray[np.bool_]:
    """Return which classes have any row, true or predicted; shape (..., K)."""
    return np.asarray(matrix.sum(-1) + matrix.sum(-2) > 0)


def _total(values: Floats, share: Floats, occurs: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Return the sum of values times shares; a class that occurs and has no value makes it not-a-number."""
    counts = share > 0 if occurs is None else occurs
    return np.asarray(np.where(counts, values * share, 0.0).sum(-1))


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The rows of one or two models, counted by (true class, decision of each model).

    Attributes:
        labels: the K classes.
        classes: shape (R, 1 + models), indices into labels: the true class, then each model's decision.
        count: rows of each cell, shape (R,).
        weight, squares: sums of the rows' weights and of their squares, shape (R,); both are the count without weights.
    """

    labels: tuple[str | int, ...]
    classes: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    weight: Floats
    squares: Floats

    def matrix(self, model: int, weight: Floats | None = None) -> Floats:
        """Return a model's confusion matrix, of these weights or of others of shape (..., R)."""
        used = self.weight if weight is None else weight
        size = len(self.labels)
        flat = self.classes[:, 0] * size + self.classes[:, 1 + model]
        order = np.argsort(flat, kind="stable")
        found, starts = np.unique(flat[order], return_index=True)
        result = np.zeros((*used.shape[:-1], size * size))
        result[..., found] = np.add.reduceat(used[..., order], starts, axis=-1)
        return result.reshape(*used.shape[:-1], size, size)

    def of_rows(self, gradient: Floats, model: int) -> Floats:
        """Return the gradient at each cell's own decision, shape (..., R), from one of shape (..., K, K)."""
        return np.asarray(gradient[..., self.classes[:, 0], self.classes[:, 1 + model]])


def cells(first: Sample, *others: Sample) -> Cells:
    """Count the rows of samples that share their true classes, in one pass.

    Args:
        others: samples of the same rows, coded by the same labels.
    """
    labels, codes = _coded([first.y_true, first.y_pred, *(other.y_pred for other in others)], first.labels)
    size = len(labels)
    flat = codes[0].astype(np.int64)
    for column in codes[1:]:
        flat *= size
        flat += column
    # Counting by index is one pass; with very many classes the table itself would be larger than the rows.
    kept, place = (None, flat) if size ** len(codes) <= MOST_CELLS else np.unique(flat, return_inverse=True)
    count = np.bincount(place)
    full = np.flatnonzero(count)
    weight = squares = count[full].astype(float)
    if first.weight is not None:
        each = np.asarray(first.weight, dtype=float)
        weight, squares = np.bincount(place, each)[full], np.bincount(place, each * each)[full]
    kept = full if kept is None else kept
    powers = size ** np.arange(len(codes) - 1, -1, -1)
    return Cells(
        labels=labels, classes=kept[:, None] // powers % size, count=count[full], weight=weight, squares=squares
    )


def _coded(
    columns: list[npt.NDArray[Any]], labels: tuple[str, ...] | None
) -> tuple[tuple[str | int, ...], list[npt.NDArray[Any]]]:
    """Return the classes, and each column as indices into them."""
    if labels is not None:
        return labels, [np.asarray(column) for column in columns]
    if all(column.dtype.kind in "iub" and ((column == 0) | (column == 1)).all() for column in columns):
        return (0, 1), columns
    found = np.unique(np.concatenate([np.unique(column) for column in columns]))
    return tuple(found.tolist()), [np.searchsorted(found, column) for column in columns]


def confusion_matrix(sample: Sample, task: Task) -> dict[str, Any]:
    """Return labels and counts (rows: true, columns: predicted), weighted if weights are given."""
    counted = cells(sample)
    matrix = counted.matrix(0)
    occurs = (matrix.sum(0) + matrix.sum(1) > 0) | (task is Task.BINARY)
    shown = matrix[occurs][:, occurs].tolist()
    whole = sample.weight is None
    names = counted.labels if sample.names is None else sample.names
    return {
        "labels": [str(label) for label, there in zip(names, occurs, strict=True) if there],
        "counts": [[int(count) if whole else count for count in row] for row in shown],
    }
