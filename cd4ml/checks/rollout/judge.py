"""What is judged and by which limits; collects the checks of changes, and what is still needed to decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.checks.rollout.change import Judged, change_check
from cd4ml.metrics.rollout.comparison import Change, Levels, rows_needed
from cd4ml.metrics.rollout.counting import CANARY, STABLE, Counts
from cd4ml.metrics.rollout.matching import Matched, matched, unmatched
from cd4ml.report import Check

# How many tests of harm each finding is, whether or not the events hold what they are about.
_TESTS: Final = {"errors": 3, "latency": 1, "predictions": 4, "agreement": 1, "quality": 1}
LOOK: Final = "Roll back, and look at what the canary answers differently."


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is judged, and the limits; see the options of analyze-rollout."""

    findings: Sequence[str]
    error_increase: float = 0.01
    error_rate: float | None = None
    latency_increase: float = 0.2
    latency_quantile: float = 0.95
    prediction_change: float = 0.1
    unseen_predictions: float = 0.01
    disagreement: float = 0.05
    quality_drop: float = 0.02
    bias: float = 0.1
    false_alarms: float = 0.05

    @property
    def levels(self) -> Levels:
        """How often each bound may be wrong."""
        tests = sum(_TESTS.get(finding, 0) for finding in self.findings)
        return Levels(harm=self.false_alarms / max(1, tests), good=self.false_alarms)


class Judge:
    """Collects the checks of changes, and what is still needed."""

    def __init__(self, counts: Counts, limits: Limits, *, forecast: bool) -> None:
        self.forecast = forecast
        self.counts, self.limits, self.levels = counts, limits, limits.levels
        self.checks: list[Check] = []
        self.changes: dict[str, Change] = {}
        self.rows: list[int] = []
        self.minutes: list[int] = []

    def matched(self, variable: str) -> Matched:
        """Return both tracks over the same time."""
        return matched(self.counts.minutes(variable, CANARY), self.counts.minutes(variable, STABLE))

    def unmatched(self, variable: str) -> Matched:
        """Return the canary's rows alone."""
        return unmatched(self.counts.minutes(variable, CANARY))

    def add(
        self,
        id: str,
        both: Matched,
        change: Callable[[Matched], Change],
        *,
        metric: str,
        what: str,
        option: str,
        limit: float,
        reason: str,
        advice: str = LOOK,
        ratio: bool = False,
        fault: bool = True,
        rows: str = "rows",
        levels: Levels | None = None,
    ) -> None:
        """Decide on one change."""
        found = change(both)
        needed = None
        if self.forecast and math.isfinite(found.value) and found.rows and not found.decided(limit):
            needed = rows_needed(both, change, limit)
        if needed is not None:
            self.rows.append(needed)
            self.minutes.append(math.ceil(needed / (found.rows / max(1, both.minutes))))
        self.changes[id] = found
        self.checks.append(
            change_check(
                Judged(
                    id=id,
                    metric=metric,
                    what=what,
                    option=option,
                    limit=limit,
                    change=found,
                    levels=levels or self.levels,
                    needed=needed,
                    minutes=both.minutes,
                    reason=reason,
                    advice=advice,
                    ratio=ratio,
                    fault=fault,
                    rows=rows,
                )
            )
        )
