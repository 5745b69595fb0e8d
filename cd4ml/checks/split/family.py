"""The tests of a run as one family: chance alone blames anything in at most 5 % of the runs."""

from __future__ import annotations

from typing import Final

from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Interval

ALPHA: Final = 0.05


def confidence(tests: int) -> float:
    """Return the confidence of each interval, so that all of them hold together at 95 %."""
    return 1 - ALPHA / tests


def simultaneous(bounds: Bounds, method: str, tests: int) -> Interval:
    """Return an interval that holds together with those of all other tests."""
    return bounds.named(1 - ALPHA, f"{method}, Bonferroni for {tests}")
