"""Schedules as cron writes them: when a pipeline starts, in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Name, range and words of each field.
_FIELDS: Final[Sequence[tuple[str, range, Sequence[str]]]] = (
    ("minute", range(60), ()),
    ("hour", range(24), ()),
    ("day of the month", range(1, 32), ()),
    ("month", range(1, 13), _MONTHS),
    ("day of the week", range(8), _WEEKDAYS),
)
# The 29th of February may be eight years away: 2096 to 2104.
_FARTHEST: Final = 366 * 8
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The times at which a pipeline starts.

    Attributes:
        text: as it was written.
        either: whether a day is one if it meets one of the two fields of days, and need not meet both.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def latest(self, moment: datetime) -> datetime:
        """Return the last start at or before a moment."""
        return next(start for start in self._around(moment, -1) if start <= moment)

    def following(self, moment: datetime) -> datetime:
        """Return the first start after a moment."""
        return next(start for start in self._around(moment, 1) if start > moment)

    def _around(self, moment: datetime, direction: int) -> Iterator[datetime]:
        """Yield the starts from the day of a moment on, one way."""
        today = moment.astimezone(UTC).date()
        times = sorted((time(hour, minute) for hour in self.hours for minute in self.minutes), reverse=direction < 0)
        for distance in range(_FARTHEST + 1):
            day = today + direction * distance * _DAY
            if self.runs_on(day):
                yield from (datetime.combine(day, at, UTC) for at in times)

    def runs_on(self, day: date) -> bool:
        """Whether there is a start on a day."""
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (of_month or of_week if self.either else of_month and of_week)


def parsed(text: str) -> Schedule:
    """Return the schedule that five fields describe.

    Source:
        POSIX.1-2017, `crontab`: where both the day of the month and the day of the week are given, either will do.
        Ranges with steps (`*/15`), names of months and days, and 7 for Sunday are as in Vixie's cron.

    Raises:
        ValueError: it is none, or one of a day that never comes; the text says why.
    """
    written = text.lower().split()
    if len(written) != len(_FIELDS):
        raise ValueError(f"five fields are needed (minute hour day month weekday), got {len(written)}")
    minutes, hours, days, months, weekdays = (
        frozenset(_values(one, *field)) for one, field in zip(written, _FIELDS, strict=True)
    )
    found = Schedule(
        text=text,
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either=not written[2].startswith("*") and not written[4].startswith("*"),
    )
    if not any(found.runs_on(date(2024, 1, 1) + distance * _DAY) for distance in range(366)):
        raise ValueError("no such day ever comes")
    return found


def _values(written: str, name: str, known: range, words: Sequence[str]) -> Iterable[int]:
    """Yield the numbers of a field."""
    for part in written.split(","):
        span, stepped, step = part.partition("/")
        first, ranged, last = span.partition("-")
        if span == "*":
            low, high = known[0], known[-1]
        else:
            low = _number(first, name, known, words)
            high = _number(last, name, known, words) if ranged else known[-1] if stepped else low
        if high < low or (stepped and not (step.isascii() and step.isdigit() and int(step))):
            raise ValueError(f"{part!r} is not a {name}")
        yield from range(low, high + 1, int(step) if stepped else 1)


def _number(written: str, name: str, known: range, words: Sequence[str]) -> int:
    """Return one number of a field."""
    if written in words:
        return known[0] + words.index(written)
    if written.isascii() and written.isdigit() and len(written) <= 2 and int(written) in known:
        return int(written)
    raise ValueError(f"{written!r} is not a {name}")
