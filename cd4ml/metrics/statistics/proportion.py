"""One proportion: its interval, and whether it is more than chance. Light: the standard library is enough."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from cd4ml.report import Interval

# Two-sided confidence of every interval that a report gives of a value.
CONFIDENCE: Final = 0.95
# One-sided level of every decision; a two-sided interval of 90 % has bounds of 95 % each.
ONE_SIDED: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A lower and an upper bound, in the units of what they bound."""

    lower: float
    upper: float

    def named(self, confidence: float, method: str) -> Interval:
        """Return the bounds as reports have them, with where they come from."""
        return Interval(lower=self.lower, upper=self.upper, confidence=confidence, method=method)


def score_interval(successes: float, n: float, z: float) -> Bounds:
    """Return the score interval of one proportion.

    Args:
        successes: 0 <= successes <= n, n > 0.
        z: quantile of the standard normal distribution.

    Source:
        Wilson (1927), JASA 22:209; method 3 of Newcombe (1998), Statistics in Medicine 17:857.
    """
    share, spread = successes / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    # At the ends the formula leaves rounding errors of either sign; there the bound is the end itself.
    return Bounds(
        lower=0.0 if successes == 0 else max(0.0, middle - half),
        upper=1.0 if successes == n else min(1.0, middle + half),
    )


def quantile(confidence: float) -> float:
    """Return the quantile for a two-sided interval."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def at_least(successes: int, n: int, chance: float) -> float:
    """Return the probability of so many successes or more among n, each with this chance: the exact binomial tail.

    Args:
        successes: from 0 to n.
        chance: from 0 to 1.
    """
    if successes == 0 or chance in (0, 1):
        return 1.0 if successes == 0 or chance else 0.0
    logs = [
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(chance)
        + (n - k) * math.log1p(-chance)
        for k in range(successes, n + 1)
    ]
    return min(1.0, math.fsum(math.exp(log) for log in logs))
