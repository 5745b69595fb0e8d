"""Whether a table was written when it was due, and whether the run that is to write it next will be late. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cd4ml.checks.freshness.told import length, moment
from cd4ml.metrics.freshness.overrun import Overrun
from cd4ml.metrics.freshness.schedule import Schedule
from cd4ml.report import Bound, Check, Status, percent

# A run that takes longer than all earlier ones is an alarm where that happens to one in twenty or fewer.
_RARE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Due:
    """What is due by now, and what will be.

    Attributes:
        start: the last start whose deadline has passed: the table must be newer than that.
        pending: the start of a run whose deadline has not passed, None if there is none.
        deadline: how long after a start its table must be there.
    """

    start: datetime
    pending: datetime | None
    deadline: timedelta


def due(schedule: Schedule, deadline: timedelta, now: datetime) -> Due:
    """Return what is due by now."""
    start, latest = schedule.latest(now - deadline), schedule.latest(now)
    return Due(start=start, pending=latest if latest > start else None, deadline=deadline)


def overdue_at(schedule: Schedule, deadline: timedelta, stamp: datetime) -> datetime:
    """Return when a table with this stamp is overdue, unless it is written again."""
    return schedule.following(stamp) + deadline


def on_time_check(stamp: datetime, due: Due) -> Check:
    """Check that the table was written after the last start whose deadline has passed."""
    written = stamp >= due.start
    run = f"the run of {moment(due.start)}, due by {moment(due.start + due.deadline)}"
    return Check(
        id="on-time",
        status=Status.PASSED if written else Status.FAILED,
        reason=None if written else "deadline-missed",
        metric="stamp",
        value=stamp.isoformat(),
        limit=due.start.isoformat(),
        bound=Bound.AT_LEAST,
        option=("schedule",),
        message=f"The table holds {run}." if written else f"The table lacks {run}: its stamp is {moment(stamp)}.",
        advice=None if written else "Look at the log of that run; start it again once its cause is fixed.",
    )


def overrun_check(found: Overrun, *, elapsed: float, allowed: float, most: float) -> Check:
    """Check that the run that is to write the table next is not likely to miss its deadline.

    Args:
        elapsed: seconds since it began.
        allowed: seconds that it may take.
        most: largest chance of missing the deadline.
    """
    if found.bounds is None or found.chance is None:
        return _longest(found, elapsed=elapsed)
    bounds, told = found.bounds, _told(found, allowed)
    status = Status.INCONCLUSIVE
    if bounds.upper <= most or bounds.lower > most:
        status = Status.PASSED if bounds.upper <= most else Status.FAILED
    advice = "Tell who reads the table that it may be late, and look at what the run is doing."
    if status is Status.INCONCLUSIVE:
        advice = "More past runs make this certain; or wait for the deadline."
    return Check(
        id="overrun",
        status=status,
        reason={Status.PASSED: None, Status.FAILED: "overrun-likely"}.get(status, "too-few-runs"),
        metric="chance-of-overrun",
        value=found.chance,
        interval=bounds.named(0.90, "wilson"),
        limit=most,
        bound=Bound.AT_MOST,
        option=("maximum-overrun-chance",),
        n=found.as_long,
        message=told,
        advice=None if status is Status.PASSED else advice,
    )


def _told(found: Overrun, allowed: float) -> str:
    """Say what earlier runs did."""
    typical = f"typically {length(found.typical)}" if math.isfinite(found.typical) else "typically never ended"
    return (
        f"Of {found.as_long:,} earlier runs that took as long as this one so far, {found.late:,} "
        f"({percent(found.late / found.as_long)}) took longer than the {length(allowed)} that it may ({typical})."
    )


def _longest(found: Overrun, *, elapsed: float) -> Check:
    """Return the check of a run that takes longer than all earlier ones."""
    rare = found.longest_by_chance <= _RARE
    by_chance = f"by chance one run in {found.runs + 1:,} does" if found.runs else "there are none"
    return Check(
        id="overrun",
        status=Status.FAILED if rare else Status.INCONCLUSIVE,
        reason="longer-than-ever" if rare else "too-few-runs",
        metric="hours-so-far",
        value=elapsed / 3600,
        n=found.runs,
        message=f"This run has taken {length(elapsed)}, longer than all {found.runs:,} earlier ones ({by_chance}).",
        advice=(
            "Look at what the run is doing." if rare else "More past runs make this certain; or wait for the deadline."
        ),
    )
