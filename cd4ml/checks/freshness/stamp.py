"""Whether a table has rows, and a stamp that can be believed. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cd4ml.checks.freshness.told import length, moment
from cd4ml.report import Bound, Check, Status

# Clocks of two machines differ by less.
AHEAD: Final = timedelta(minutes=1)


def rows_check(rows: int) -> Check:
    """Check that the table is not empty: a run that wrote nothing left a fresh stamp."""
    return Check(
        id="rows",
        status=Status.PASSED if rows else Status.FAILED,
        reason=None if rows else "empty-table",
        metric="rows",
        value=rows,
        limit=1,
        bound=Bound.AT_LEAST,
        n=rows,
        message=f"{rows:,} rows." if rows else "The table has no rows.",
        advice=None if rows else "Find out why the pipeline wrote nothing.",
    )


def stamp_check(stamp: datetime | None, where: str, now: datetime) -> Check:
    """Check that the table says when it was written, and that this is not yet to come.

    Args:
        where: what the stamp is, such as "the last commit that wrote rows".
    """
    ahead = stamp is not None and stamp - now > AHEAD
    if stamp is None:
        told = f"There is no stamp: {where} holds no time."
    elif ahead:
        told = f"The stamp is {length((stamp - now).total_seconds())} in the future: {where}, {moment(stamp)}."
    else:
        told = f"The latest stamp is {moment(stamp)}: {where}."
    good = stamp is not None and not ahead
    return Check(
        id="stamp",
        status=Status.PASSED if good else Status.FAILED,
        reason=None if good else "in-the-future" if ahead else "no-stamp",
        metric="stamp",
        value=None if stamp is None else stamp.isoformat(),
        message=told,
        advice=(
            None if good else "Check the clock of whoever writes it (UTC)." if ahead else "Find out why it is missing."
        ),
    )


def age_check(stamp: datetime, now: datetime, hours: float) -> Check:
    """Check that the latest stamp is not too long ago."""
    age = max(0.0, (now - stamp).total_seconds() / 3600)
    fresh = age <= hours
    return Check(
        id="age",
        status=Status.PASSED if fresh else Status.FAILED,
        reason=None if fresh else "stale",
        metric="age-in-hours",
        value=age,
        limit=hours,
        bound=Bound.AT_MOST,
        option=("maximum-age",),
        message=f"The table is {length(age * 3600)} old (at most {hours:g} hours).",
        advice=(
            None if fresh else "Find out where the pipeline stopped; until then nothing that reads the table is new."
        ),
    )
