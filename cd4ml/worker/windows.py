"""Windows of the time of events, and which of them can be judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import polars as pl

from cd4ml.worker.awaiting import Awaiting
from cd4ml.worker.counting import Counted, Counting
from cd4ml.worker.memory import Memory

# Clocks differ; what is later than this has a wrong time, and must not end the windows before it.
FUTURE_SECONDS: Final = 300
_NAMED: Final = 5
_SILENT: Final = 3
_MICROSECONDS: Final = 1_000_000


class Outcome(StrEnum):
    """What became of an event."""

    COUNTED = "counted"
    OTHER_TRACK = "other-track"
    NOT_ANSWERED = "not-answered"
    DUPLICATE = "duplicate"
    LATE = "late"
    FUTURE = "future"
    UNREADABLE = "unreadable"


@dataclass(kw_only=True)
class Arrivals:
    """Events by what became of them, and the first of those that were not used."""

    counts: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)

    def add(self, outcome: Outcome, number: int, names: list[str] | None = None) -> None:
        """Take note of some."""
        if number:
            self.counts[outcome] += number
            kept = self.named.setdefault(outcome, []) if names else []
            kept += (names or [])[: _NAMED - len(kept)]

    def of(self, outcome: Outcome) -> int:
        """Return how many came to that."""
        return self.counts[outcome]

    @property
    def read(self) -> int:
        """All that were read."""
        return self.counts.total()


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What windows there are.

    Attributes:
        seconds: length of a window.
        lateness: seconds after the end of a window in which its events may still come.
        tracks: whose events count.
    """

    seconds: int
    lateness: int
    tracks: tuple[str, ...]


@dataclass(kw_only=True)
class Windows:
    """The windows that are open, by number: window n begins n lengths after 1970.

    Attributes:
        closed: the newest window that was judged; events of it or of an earlier one are late. None before the first.
        started: when the worker first ran, in seconds.
        newest: the latest time of an event, in seconds.
        arrivals: since the last window was judged.
        totals: since the worker first ran.
        awaiting: where labels are joined to events that were counted.
    """

    rules: Rules
    counting: Counting
    memory: Memory
    started: float
    open: dict[int, Counted] = field(default_factory=dict)
    closed: int | None = None
    newest: float = 0.0
    arrivals: Arrivals = field(default_factory=Arrivals)
    totals: Arrivals = field(default_factory=Arrivals)
    awaiting: Awaiting | None = None

    def note(self, outcome: Outcome, number: int, names: list[str] | None = None) -> None:
        """Take note of what became of events."""
        self.arrivals.add(outcome, number, names)
        self.totals.add(outcome, number)

    def add(self, events: pl.DataFrame, now: float) -> None:
        """Count events, each id once.

        Args:
            events: of the columns `READ`, in any order.
        """
        fresh = self.memory.fresh(events)
        self.note(Outcome.DUPLICATE, len(events) - len(fresh))
        self.memory.remember(fresh)
        second = pl.col("time").dt.epoch("us") / _MICROSECONDS
        timely = self._set_apart(fresh, Outcome.FUTURE, second > now + FUTURE_SECONDS)
        if len(timely):
            self.newest = max(self.newest, float(timely.select(second.max()).item()))
        mine = self._set_apart(timely, Outcome.OTHER_TRACK, ~pl.col("track").is_in(self.rules.tracks))
        answered = self._set_apart(mine, Outcome.NOT_ANSWERED, (pl.col("status") >= 400).fill_null(False))
        counted = answered
        if self.closed is not None:
            counted = self._set_apart(answered, Outcome.LATE, _number(self.rules.seconds) <= self.closed)
        self.note(Outcome.COUNTED, len(counted))
        for (number,), some in counted.group_by(_number(self.rules.seconds), maintain_order=True):
            self.counting.add(self.open.setdefault(int(str(number)), self.counting.empty()), some)
            if self.awaiting:
                self.awaiting.add(int(str(number)), some)

    def _set_apart(self, events: pl.DataFrame, outcome: Outcome, mask: pl.Expr) -> pl.DataFrame:
        """Return the events that are not masked, and take note of the others."""
        masked = events.select(mask.alias("masked")).to_series()
        number = int(masked.sum())
        if not number:
            return events
        self.note(outcome, number, events.filter(masked)["id"].head(_NAMED).to_list())
        return events.filter(~masked)

    def due(self, now: float, *, drained: bool) -> Iterator[int]:
        """Yield the windows that can be judged, oldest first; the caller closes each before the next.

        A window ends by the times of events. By the clock it ends where nothing more waits to be read, so that silence
        is told and a backlog is not cut off.
        """
        end = max(self.newest, now) if drained else self.newest
        last = int((end - self.rules.lateness) // self.rules.seconds) - 1
        first = self._first(drained)
        if first is not None:
            # Of a long silence the newest windows are told.
            silent = range(max(first, last - _SILENT + 1), last + 1)
            yield from sorted({*silent, *(number for number in self.open if number <= last)})

    def _first(self, drained: bool) -> int | None:
        """Return the oldest window that may be judged, None before there is one."""
        if self.closed is not None:
            return self.closed + 1
        first = min(self.open, default=None)
        return int(self.started // self.rules.seconds) if first is None and drained else first

    def close(self, number: int) -> tuple[Counted, Arrivals]:
        """Return what a window holds, and what was read since the last one."""
        counted, arrivals = self.open.pop(number, self.counting.empty()), self.arrivals
        self.closed, self.arrivals = number, Arrivals()
        return counted, arrivals

    def span(self, number: int) -> tuple[datetime, datetime]:
        """Return when a window begins and ends."""
        begin = number * self.rules.seconds
        return datetime.fromtimestamp(begin, UTC), datetime.fromtimestamp(begin + self.rules.seconds, UTC)


def _number(seconds: int) -> pl.Expr:
    """Return the window of an event, of windows of so many seconds."""
    return pl.col("time").dt.epoch("us") // (seconds * _MICROSECONDS)
