"""Columns of training and test rows as numbers, and the target that they are held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.split.power import Power, area, explained

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
# Quantile bins of a number, each of at least so many training rows.
_BINS: Final = 256
_ROWS_IN_BIN: Final = 20
# A rate of few rows is drawn towards that of all: as if so many more rows had been seen.
_PRIOR: Final = 1.0


class Kind(Enum):
    """What a column's values say beside being equal or not: numbers have an order."""

    NUMBER = "number"
    CATEGORY = "category"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A feature.

    Attributes:
        train, test: shape (n,) and (m,); of a category the place of its value in the order of texts, and nan for a
            missing one. Numbers may be infinite.
    """

    name: str
    kind: Kind
    train: Floats
    test: Floats

    @property
    def varies(self) -> bool:
        """Whether both tables have more than one value of it, gaps being one."""
        return all(len(np.unique(side)) > 1 for side in (self.train, self.test))

    def finite(self) -> Column:
        """Return the column with gaps in place of infinite values."""
        train, test = (np.where(np.isinf(side), np.nan, side) for side in (self.train, self.test))
        return Column(name=self.name, kind=self.kind, train=train, test=test)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted.

    Attributes:
        labels: of the classes; none for numbers.
        train, test: shape (n, K) and (m, K): 1 for a row that has the label. Of two classes, one column for the second
            label; of numbers, one column with them.
    """

    labels: tuple[str, ...]
    train: Floats
    test: Floats

    @property
    def numeric(self) -> bool:
        """Whether the target is a number."""
        return not self.labels

    def sides(self) -> Iterator[tuple[str, Floats, Floats]]:
        """Yield each label with whether training and test rows have it; none of numbers."""
        if len(self.labels) == 2:
            yield self.labels[0], 1 - self.train[:, 0], 1 - self.test[:, 0]
            yield self.labels[1], self.train[:, 0], self.test[:, 0]
            return
        yield from zip(self.labels, self.train.T, self.test.T, strict=bool(self.labels))

    def power(self, scores: Floats) -> Power | None:
        """Return the power of scores, shape (m, K), on the test rows; None if either table has one value alone."""
        if not np.ptp(self.train, axis=0).any():
            return None
        return explained(scores[:, 0], self.test[:, 0]) if self.numeric else area(scores, self.test == 1)


def directed(scores: tuple[Floats, Floats], target: Target) -> Floats:
    """Return one number of each test row as a score of every class: by the line that fits the training rows best.

    Args:
        scores: of training rows, shape (n,), and of test rows, shape (m,); finite.
    """
    train, test = scores
    middle, spread = train.mean(), train.std()
    if not spread > 0:
        return np.broadcast_to(target.train.mean(axis=0), (len(test), target.train.shape[1]))
    slope = (train - middle) / spread @ (target.train - target.train.mean(axis=0)) / len(train)
    if not target.numeric:
        slope = np.where(slope < 0, -1.0, 1.0)
    scores_of_test: Floats = target.train.mean(axis=0) + ((test - middle) / spread)[:, None] * slope
    return scores_of_test


@dataclass(frozen=True, kw_only=True)
class Cells:
    """In which cell each row lies.

    The last two are those of missing values and of values that the training rows do not have; without a cell for each
    value, the two before them are those of the infinite ones.

    Attributes:
        train, test: shape (n,) and (m,).
        number: of all cells.
        by_value: whether each value has a cell of its own.
    """

    train: Codes
    test: Codes
    number: int
    by_value: bool

    @property
    def missing(self) -> int:
        """The cell of missing values."""
        return self.number - 2

    @property
    def infinite(self) -> slice:
        """The cells of infinite values, where not each value has one."""
        return slice(0 if self.by_value else self.number - 4, 0 if self.by_value else self.missing)


def cells(column: Column) -> Cells:
    """Return the cells of a column: its values or, of a number with many, quantile bins of the training rows."""
    known = np.sort(column.train[~np.isnan(column.train)])
    values = known[np.append(True, known[1:] != known[:-1])] if len(known) else known
    bins = max(2, min(_BINS, len(known) // _ROWS_IN_BIN))
    if column.kind is Kind.CATEGORY or len(values) <= bins:
        of_train, of_test = (_by_value(side, values) for side in (column.train, column.test))
        return Cells(train=of_train, test=of_test, number=len(values) + 2, by_value=True)
    edges = np.unique(_quantiles(known[np.isfinite(known)], np.arange(1, bins) / bins))
    of_train, of_test = (_by_edge(side, edges) for side in (column.train, column.test))
    return Cells(train=of_train, test=of_test, number=len(edges) + 5, by_value=False)


def _quantiles(known: Floats, at: Floats) -> Floats:
    """Return quantiles of sorted numbers, between two of them in proportion (as NumPy's, which sorts again)."""
    place = at * (len(known) - 1)
    below = place.astype(np.intp)
    above = np.minimum(below + 1, len(known) - 1)
    found: Floats = known[below] + (known[above] - known[below]) * (place - below)
    return found


def _by_value(values: Floats, known: Floats) -> Codes:
    """Return the place of each value among the known ones."""
    place = np.searchsorted(known, values)
    found = np.zeros(len(values), dtype=bool)
    inside = place < len(known)
    found[inside] = known[place[inside]] == values[inside]
    return np.where(np.isnan(values), len(known), np.where(found, place, len(known) + 1))


def _by_edge(values: Floats, edges: Floats) -> Codes:
    """Return the bin of each value, which ends with its edge."""
    bins = len(edges) + 1
    order = np.argsort(values)  # to seek the edges among the values is quicker than the other way round
    ends = np.append(np.searchsorted(values[order], edges, side="right"), len(values))
    found = np.empty(len(values), dtype=np.intp)
    found[order] = np.repeat(np.arange(bins), np.diff(ends, prepend=0))
    for special, code in ((np.isneginf, bins), (np.isposinf, bins + 1), (np.isnan, bins + 2)):
        found[special(values)] = code
    return found


def rates(found: Cells, target: Target) -> Floats:
    """Return the mean target of the training rows in each cell, shape (cells, K)."""
    base = target.train.mean(axis=0)
    count = np.bincount(found.train, minlength=found.number)[:, None]
    sums = np.stack([np.bincount(found.train, weights=one, minlength=found.number) for one in target.train.T], axis=1)
    means: Floats = (sums + _PRIOR * base) / (count + _PRIOR)
    return means
