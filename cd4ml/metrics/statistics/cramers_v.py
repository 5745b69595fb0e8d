"""Cramér's V of a table of counts, corrected for bias, with how sure it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.statistics.intervals import Bounds, normal_quantile

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class CramersV:
    """How far two categories determine each other: 0 not at all, 1 wholly.

    Attributes:
        squared: the square of V, corrected for bias; below 0 where there is less than chance alone brings.
        standard_error: of the square.
    """

    squared: float
    standard_error: float

    @property
    def value(self) -> float:
        """Cramér's V, in [0, 1]."""
        return _root(self.squared)

    def interval(self, confidence: float) -> Bounds:
        """Return the two-sided interval."""
        half = normal_quantile((1 + confidence) / 2) * self.standard_error
        return Bounds(lower=_root(self.squared - half), upper=_root(self.squared + half))

    def shown_above(self, limit: float) -> float:
        """Return the one-sided p-value of the hypothesis that V is at most `limit`."""
        return float(special.ndtr((limit**2 - self.squared) / self.standard_error))


def cramers_v(counts: Counts) -> CramersV | None:
    """Return Cramér's V of a table, shape (r, k); None if fewer than two rows or columns of it have counts.

    Source:
        The correction is that of Bergsma (2013), Journal of the Korean Statistical Society 42:323: without it, a
        feature of many values seems to tell much by chance alone. The variance of the mean square contingency is the
        multinomial one by the delta method (Bishop, Fienberg & Holland 1975, Discrete Multivariate Analysis, 11.3.4),
        and beside it that of its chi-squared distribution without association, 2 (r - 1)(k - 1) / n squared, where the
        other one vanishes.
    """
    table = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(float)
    rows, columns = table.shape
    n = table.sum()
    if min(rows, columns) < 2 or n < 3:
        return None
    of_rows, of_columns = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
    lift = table * n / (of_rows * of_columns)
    square = float((table * lift).sum() / n) - 1
    # What a row of each cell adds to the square, on either margin and in the cell itself.
    influence = 2 * lift
    influence -= (table * lift).sum(axis=1, keepdims=True) / of_rows
    influence -= (table * lift).sum(axis=0, keepdims=True) / of_columns
    variance = float((table * influence**2).sum() / n - ((table * influence).sum() / n) ** 2) / n
    degrees = (rows - 1) * (columns - 1)
    corrected = min(side - (side - 1) ** 2 / (n - 1) for side in (rows, columns)) - 1
    if corrected <= 0:
        return None
    return CramersV(
        squared=(square - degrees / (n - 1)) / corrected,
        standard_error=math.sqrt(max(0.0, variance) + 2 * degrees / n**2) / corrected,
    )


def _root(square: float) -> float:
    """Return the root of a square that chance may bring below 0 or above 1."""
    return math.sqrt(min(1.0, max(0.0, square)))
