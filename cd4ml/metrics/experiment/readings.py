"""How an experiment is read: once at its end, at looks declared beforehand, or at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from scipy import optimize

from cd4ml.metrics.experiment.estimates import Difference
from cd4ml.metrics.statistics import sequential
from cd4ml.metrics.statistics.group_sequential import Spending, boundaries
from cd4ml.metrics.statistics.intervals import POWER, normal_quantile, student_below, student_quantile
from cd4ml.report import Interval

# A repeated p-value is not looked for beyond these.
_SMALLEST: Final = 1e-9
_LARGEST: Final = 0.98


class Reading(Protocol):
    """What a difference means when it is read in this way.

    Attributes:
        method: what reports call it.
    """

    @property
    def method(self) -> str: ...

    def p_value(self, found: Difference) -> float:
        """Return the two-sided p-value of no difference."""

    def reach(self, alpha: float, degrees: float) -> float:
        """Return how many standard errors the interval reaches now."""

    def final_reach(self, alpha: float) -> float:
        """Return how many it reaches at the planned end."""


@dataclass(frozen=True)
class Fixed:
    """Read once: Student's and Welch's test, or the normal one where the degrees of freedom are infinite."""

    method: str = "fixed horizon"

    def p_value(self, found: Difference) -> float:
        """See Reading."""
        return 2 * student_below(-abs(found.statistic), found.degrees)

    def reach(self, alpha: float, degrees: float) -> float:
        """See Reading."""
        return student_quantile(1 - alpha / 2, degrees)

    def final_reach(self, alpha: float) -> float:
        """See Reading."""
        return normal_quantile(1 - alpha / 2)


@dataclass(frozen=True, kw_only=True)
class AlwaysValid:
    """Read at any time, as often as one likes, by a confidence sequence.

    Attributes:
        progress: units so far over those planned.
        level: at which the sequence is tightest at the planned end.
    """

    progress: float
    level: float
    method: str = sequential.METHOD

    def p_value(self, found: Difference) -> float:
        """See Reading."""
        return sequential.p_value(found.statistic, self.progress, self.level)

    def reach(self, alpha: float, degrees: float) -> float:
        """See Reading. The mixture stays that of `level`, so that intervals and p-values agree at every level."""
        return sequential.half_width(1.0, self.progress, alpha, self.level)

    def final_reach(self, alpha: float) -> float:
        """See Reading."""
        return AlwaysValid(progress=1.0, level=self.level).reach(alpha, math.inf)


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Read at looks declared beforehand: boundaries of alpha spending, repeated intervals and p-values.

    Attributes:
        fractions: of the planned units at the looks up to this one.
        planned: of all looks.

    Source:
        Jennison & Turnbull (1989), Interim analyses: the repeated confidence interval approach, JRSS B 51:305.
    """

    fractions: tuple[float, ...]
    planned: tuple[float, ...]
    spending: Spending
    method: str = "group sequential"

    def p_value(self, found: Difference) -> float:
        """See Reading: the level at which the boundary of this look is what was found."""
        size = abs(found.statistic)
        if size >= self.reach(_SMALLEST, math.inf):
            return _SMALLEST
        if size <= self.reach(_LARGEST, math.inf):
            return 1.0

        def above(log: float) -> float:
            return self.reach(math.exp(log), math.inf) - size

        return math.exp(optimize.brentq(above, math.log(_SMALLEST), math.log(_LARGEST), xtol=1e-6))

    def reach(self, alpha: float, degrees: float) -> float:
        """See Reading."""
        return _boundary(self.fractions, alpha, self.spending)

    def final_reach(self, alpha: float) -> float:
        """See Reading."""
        return _boundary(self.planned, alpha, self.spending)


@lru_cache(maxsize=512)
def _boundary(fractions: tuple[float, ...], alpha: float, spending: Spending) -> float:
    """Return the boundary of the last look."""
    return boundaries(fractions, alpha, spending)[-1]


def interval(reading: Reading, found: Difference, confidence: float) -> Interval:
    """Return the interval of a difference at a confidence."""
    half = reading.reach(1 - confidence, found.degrees) * found.standard_error
    lower, upper = found.value - half, found.value + half
    return Interval(lower=lower, upper=upper, confidence=confidence, method=reading.method, of="difference")


def units_needed(reading: Reading, found: Difference, effect: float, units: int, alpha: float) -> int | None:
    """Return how many units the whole experiment needs to show an effect with 80 % power; None beyond any number.

    Args:
        effect: in the units of the metric, of either sign.
        units: of all variants so far.
        alpha: two-sided level.
    """
    if not effect:
        return None
    needed = units * ((reading.final_reach(alpha) + normal_quantile(POWER)) * found.standard_error / effect) ** 2
    return math.ceil(needed) if needed < 1e12 else None


def detectable(reading: Reading, found: Difference, alpha: float) -> float:
    """Return the smallest effect that as many units as there are show with 80 % power at the end."""
    return (reading.final_reach(alpha) + normal_quantile(POWER)) * found.standard_error
