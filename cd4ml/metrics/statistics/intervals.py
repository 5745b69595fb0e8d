"""Confidence intervals and tests of proportions, and the normal and Student quantiles that other modules need.

Proportions get score intervals: the textbook (Wald) interval covers 64 % instead of 95 % at 20 rows and a rate of 5 %.
"""

from __future__ import annotations

import math
from typing import Final

from scipy import special

from cd4ml.metrics.statistics.proportion import Bounds as Bounds
from cd4ml.metrics.statistics.proportion import score_interval

POWER: Final = 0.80


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution."""
    return float(special.ndtri(probability))


def student_quantile(probability: float, degrees: float) -> float:
    """Return the quantile of Student's distribution; the normal one for infinite degrees of freedom."""
    return float(special.stdtrit(degrees, probability)) if math.isfinite(degrees) else normal_quantile(probability)


def student_below(value: float, degrees: float) -> float:
    """Return the probability below a value in Student's distribution (normal for infinite degrees of freedom)."""
    return float(special.stdtr(degrees, value)) if math.isfinite(degrees) else float(special.ndtr(value))


def wilson(successes: float, n: float, confidence: float = 0.95) -> Bounds:
    """Return the score interval of one proportion.

    Args:
        successes: 0 <= successes <= n, n > 0.

    Source:
        Wilson (1927), JASA 22:209; method 3 of Newcombe (1998), Statistics in Medicine 17:857.
    """
    return score_interval(successes, n, normal_quantile((1 + confidence) / 2))


def newcombe(first: tuple[float, float], second: tuple[float, float], confidence: float = 0.95) -> Bounds:
    """Return the hybrid score interval of first - second, for proportions of independent samples.

    Args:
        first, second: (successes, rows) of each sample.

    Source:
        Method 10 of Newcombe (1998), Statistics in Medicine 17:873.
    """
    (share_1, bounds_1), (share_2, bounds_2) = ((s / n, wilson(s, n, confidence)) for s, n in (first, second))
    return square_and_add(share_1, bounds_1, share_2, bounds_2)


def square_and_add(first: float, of_first: Bounds, second: float, of_second: Bounds) -> Bounds:
    """Return the interval of first - second of independent samples, from the interval of each (Newcombe 1998)."""
    difference = first - second
    return Bounds(
        lower=difference - math.hypot(first - of_first.lower, of_second.upper - second),
        upper=difference + math.hypot(of_first.upper - first, second - of_second.lower),
    )


def tango(wins: float, losses: float, n: float, confidence: float = 0.90) -> Bounds:
    """Return the score interval of (wins - losses) / n: the difference of two proportions of the same rows.

    Args:
        wins: rows that only the first model gets right.
        losses: rows that only the second model gets right.
        n: all rows, n > 0. Counts may have decimals, where rows count in part.

    Source:
        Tango (1998), Statistics in Medicine 17:891. Unlike the Wald interval it has a width when no row differs.
    """
    z = normal_quantile((1 + confidence) / 2)
    difference = (wins - losses) / n
    return Bounds(
        lower=-1.0 if losses == n else _solve(wins, losses, n, z, -1.0, difference),
        upper=1.0 if wins == n else _solve(wins, losses, n, -z, difference, 1.0),
    )


def _solve(wins: float, losses: float, n: float, z: float, low: float, high: float) -> float:
    """Return the difference at which Tango's statistic is z; it falls from low to high."""
    for _ in range(100):
        middle = (low + high) / 2
        if tango_statistic(wins, losses, n, middle) > z:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def tango_statistic(wins: float, losses: float, n: float, difference: float) -> float:
    """Return Tango's score statistic of the hypothesis that the true difference is `difference`, in (-1, 1)."""
    a = 2 * n
    b = -wins - losses + (2 * n - wins + losses) * difference
    c = -losses * difference * (1 - difference)
    only_second = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * only_second + difference * (1 - difference))
    above = wins - losses - n * difference
    return above / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, above) if above else 0.0
