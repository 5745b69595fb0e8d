"""Past runs of the pipeline that writes a table, and the one that is not over."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cd4ml.checks.freshness.schedule import Due
from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.moments import are_times, moments
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from cd4ml.metrics.freshness.schedule import Schedule

# So many past runs say enough, and older ones are of another pipeline.
_MOST: Final = 100
_COLUMNS: Final = ("started_at", "finished_at")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Present:
    """The run that is to write the table next.

    Attributes:
        durations: seconds that earlier runs took; infinite for those that never ended.
        elapsed: seconds since it began; 0 if it has not.
        allowed: seconds that it may take.
    """

    durations: Sequence[float]
    elapsed: float
    allowed: float


def by_commits(commits: Sequence[datetime], schedule: Schedule, due: Due, now: datetime) -> Present | None:
    """Return what commits say of the run that is pending: earlier ones took until the first commit after their start.

    Args:
        commits: when rows came into the table, the latest first.
    """
    if due.pending is None or not commits:
        return None
    landed, start = sorted(commits), due.pending
    durations: list[float] = []
    while len(durations) < _MOST:
        end, start = start, schedule.latest(start - timedelta(microseconds=1))
        if start < landed[0]:  # what came before the first commit is not known
            break
        place = bisect_left(landed, start)
        first = landed[place] if place < len(landed) else end
        durations.append((first - start).total_seconds() if first < end else math.inf)
    elapsed = (now - due.pending).total_seconds()
    return Present(durations=durations, elapsed=elapsed, allowed=due.deadline.total_seconds())


def by_table(path: str, due: Due, now: datetime, reading: Reading) -> Present | None:
    """Return what a table of runs says of the run that is pending.

    Raises:
        UnavailableError: the table is not there, or cannot be read.
        OptionsError: it has not the columns that it must have, or they hold something else.
    """
    if due.pending is None:
        return None
    runs = [run for run in _read(path, reading) if run[0] <= now]
    earlier = [run for run in runs if run[0] < due.pending][:_MOST]
    durations = [(end - start).total_seconds() if end else math.inf for start, end in earlier]
    began = max((start for start, end in runs if start >= due.pending and end is None), default=now)
    allowed = (due.pending + due.deadline - began).total_seconds()
    return Present(durations=durations, elapsed=(now - began).total_seconds(), allowed=allowed)


def _read(path: str, reading: Reading) -> list[tuple[datetime, datetime | None]]:
    """Return the runs of a table, the latest first."""
    import polars as pl

    source = open_table(path, reading=reading).source()
    if missing := [name for name in _COLUMNS if name not in source.schema]:
        raise OptionsError(f"runs: {path} has no column `{missing[0]}`")
    kinds = [source.schema[name] for name in _COLUMNS]
    if not all(isinstance(kind, pl.Null) or are_times([kind]) for kind in kinds):
        raise OptionsError(f"runs: {' and '.join(_COLUMNS)} of {path} must hold times in ISO 8601")
    expressions = [
        pl.lit(None, pl.Int64).alias(name) if isinstance(kind, pl.Null) else moments(name, kind).alias(name)
        for name, kind in zip(_COLUMNS, kinds, strict=True)
    ]
    expressions.append(column(_COLUMNS[1]).is_not_null().alias("ended"))
    rows = source.lazy().select(expressions).collect(engine="streaming").rows()
    if any(start is None or (ended and end is None) for start, end, ended in rows):
        raise OptionsError(f"runs: {path} has a row without a start, or whose times are not in ISO 8601")
    found = [(_moment(start), None if end is None else _moment(end)) for start, end, _ in rows]
    if any(end is not None and end < start for start, end in found):
        raise OptionsError(f"runs: {path} has a run that finished before it started")
    return sorted(found, key=lambda run: run[0], reverse=True)


def _moment(microseconds: int) -> datetime:
    """Return a time that is counted since 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)
