"""Weighted means of a quantity, from sums over rows: how sure they are, and how far those of groups lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cd4ml.metrics.statistics.intervals import student_quantile
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What is summed up of rows with weight w and quantity v.

    Attributes:
        n: rows.
        weight, squares: sums of w and of w squared.
        value, square_value, square_value_square: sums of w v, of w squared v and of w squared v squared.
    """

    n: float
    weight: float
    squares: float
    value: float
    square_value: float
    square_value_square: float

    def counted(self, design_effect: float) -> Sums:
        """Return the sums of rows that count so many times less: the mean stays, its variance is so many times it."""
        return Sums(**{name: value / design_effect for name, value in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A weighted mean, in the units of the quantity.

    Attributes:
        standard_error: None if the rows tell nothing on the spread.
    """

    n: float
    value: float
    standard_error: float | None

    @property
    def interval(self) -> Interval | None:
        """Student's interval of the mean, two-sided 95 %."""
        if self.standard_error is None:
            return None
        half = student_quantile((1 + CONFIDENCE) / 2, self.n - 1) * self.standard_error
        return Interval(lower=self.value - half, upper=self.value + half, confidence=CONFIDENCE, method="Student")


def mean(sums: Sums) -> Mean:
    """Return the mean; without weights the standard error is the textbook one.

    Source:
        Linearised variance of a weighted mean (Cochran 1977, Sampling Techniques, 3rd edition, section 2.13).
    """
    value = sums.value / sums.weight
    spread = sums.square_value_square - 2 * value * sums.square_value + value * value * sums.squares
    # What is left of equal values is rounding.
    if sums.n < 2 or spread <= 1e-12 * sums.square_value_square or spread <= 0:
        return Mean(n=sums.n, value=value, standard_error=None)
    return Mean(n=sums.n, value=value, standard_error=math.sqrt(spread * sums.n / (sums.n - 1)) / sums.weight)


def difference(first: Mean, second: Mean, pairs: int = 1) -> Interval | None:
    """Return the interval of first - second of independent samples; None if one tells nothing on its spread.

    Args:
        pairs: number of differences of which this is the largest; the interval is one of a set that holds for all.

    Source:
        Welch (1947), Biometrika 34:28, with Bonferroni's correction for the pairs.
    """
    if first.standard_error is None or second.standard_error is None:
        return None
    variances = [(one.standard_error or 0.0) ** 2 for one in (first, second)]
    degrees = sum(variances) ** 2 / sum(v * v / (one.n - 1) for v, one in zip(variances, (first, second), strict=True))
    half = student_quantile(1 - (1 - CONFIDENCE) / pairs / 2, degrees) * math.sqrt(sum(variances))
    corrected = f", Bonferroni for {pairs} comparisons" if pairs > 1 else ""
    value = first.value - second.value
    return Interval(lower=value - half, upper=value + half, confidence=CONFIDENCE, method=f"Welch{corrected}")


def widest(means: Sequence[Mean]) -> tuple[Mean, Mean]:
    """Return the largest and the smallest mean."""
    ordered = sorted(means, key=lambda one: one.value)
    return ordered[-1], ordered[0]
