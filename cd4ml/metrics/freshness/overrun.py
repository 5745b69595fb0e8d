"""How likely a run is to miss its deadline, by how long earlier runs took."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Final

from cd4ml.metrics.statistics.proportion import ONE_SIDED, Bounds, score_interval

_QUANTILE: Final = NormalDist().inv_cdf(ONE_SIDED)


@dataclass(frozen=True, kw_only=True)
class Overrun:
    """What earlier runs say of one that has not ended.

    Attributes:
        runs: earlier runs.
        as_long: those of them that took longer than this one has so far.
        late: those that took longer than this one may.
        bounds: of the chance that it takes longer than it may, each with a confidence of 95 %; None where no earlier
            run took as long.
        typical: seconds that the middle one of those that took as long did; infinite where it never ended.
    """

    runs: int
    as_long: int
    late: int
    bounds: Bounds | None
    typical: float

    @property
    def chance(self) -> float | None:
        """The share of earlier runs that were late, of those that took as long."""
        return self.late / self.as_long if self.as_long else None

    @property
    def longest_by_chance(self) -> float:
        """The probability that a run like the earlier ones takes longer than all of them.

        Source:
            The order statistic as a prediction bound that assumes no distribution: Hahn and Meeker, Statistical
            Intervals (1991), section 5.4: the largest of n covers the next value with probability n / (n + 1).
        """
        return 1 / (self.runs + 1)


def overrun(durations: Sequence[float], *, elapsed: float, allowed: float) -> Overrun:
    """Return what the durations of earlier runs say of one that has not ended.

    The chance is that of Kaplan and Meier (1958, JASA 53:457), S(allowed) / S(elapsed): without censoring a share of
    the runs that took longer than `elapsed`, so that its interval is that of a proportion.

    Args:
        durations: seconds; infinite for runs that never ended.
        elapsed: seconds since this run began.
        allowed: seconds that it may take.
    """
    longer = [seconds for seconds in durations if seconds > elapsed]
    late = sum(seconds > allowed for seconds in longer)
    return Overrun(
        runs=len(durations),
        as_long=len(longer),
        late=late,
        bounds=score_interval(late, len(longer), _QUANTILE) if longer else None,
        typical=median(longer) if longer else math.inf,
    )
