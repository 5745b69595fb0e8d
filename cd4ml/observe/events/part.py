"""A part of the events of a source: columns of one kind whatever they were read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

import polars as pl

from cd4ml.observe.events.features import sound

# What is read of an event, and how. Features are JSON: which there are, only the events know.
READ: Final = pl.Schema(
    {
        "id": pl.String(),
        "time": pl.String(),
        "trace_id": pl.String(),
        "request_id": pl.String(),
        "row": pl.Int64(),
        "model": pl.Struct({"name": pl.String(), "version": pl.String(), "sha256": pl.String()}),
        "track": pl.String(),
        "cohort": pl.String(),
        "status": pl.Int64(),
        "latency_ms": pl.Float64(),
        "rows": pl.Int64(),
        "features": pl.String(),
        "prediction": pl.Struct({"y_pred": pl.String(), "y_score": pl.Float64()}),
    }
)
# Where the event of a number stands.
Place = Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """An event that could not be read: where it stands, and why."""

    place: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some events.

    Attributes:
        events: of the columns `READ`, with `time` as a time in UTC.
        unreadable: the first of those that could not be read.
        poisoned: how many could not be read.
    """

    events: pl.DataFrame
    unreadable: tuple[Unreadable, ...] = ()
    poisoned: int = 0


@dataclass
class Poison:
    """Collects what could not be read, the first of it with its place."""

    NAMED: ClassVar[int] = 5
    named: list[Unreadable] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, reason: str) -> None:
        """Take note of one."""
        self.count += 1
        if len(self.named) < self.NAMED:
            self.named.append(Unreadable(place=place, reason=reason))


def checked(frame: pl.DataFrame, numbers: Sequence[int], place: Place, poison: Poison) -> Part:
    """Return the events that have what every reader may count on; the others are poison.

    Args:
        frame: of the columns `READ`, or with `time` as a time.
        numbers: of the events, shape (rows,).
    """
    events = frame
    if frame.schema["time"] == pl.String:
        time = pl.col("time").str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        events = frame.with_columns(time)
    usable = events.select(_USABLE.fill_null(False)).to_series() & sound(events["features"])
    if not usable.all():
        odd = frame.with_row_index("__at").filter(~usable)
        for row in odd.head(Poison.NAMED).iter_rows(named=True):
            poison.add(place(numbers[row["__at"]]), _why(row))
        poison.count += max(0, len(odd) - Poison.NAMED)
        events = events.filter(usable)
    return Part(events=events, unreadable=tuple(poison.named), poisoned=poison.count)


_USABLE: Final = (
    (pl.col("id").str.len_bytes() > 0)
    & pl.col("time").is_not_null()
    & (pl.col("track").str.len_bytes() > 0)
    & (pl.col("status").is_not_null() | pl.col("prediction").struct.field("y_pred").is_not_null())
    & pl.col("status").is_between(100, 599).fill_null(True)
    & (pl.col("latency_ms").is_finite() & (pl.col("latency_ms") >= 0)).fill_null(True)
)


def _why(row: dict[str, object]) -> str:
    """Say what an event lacks."""
    lacking = [name for name in ("id", "time", "track") if not row[name]]
    if lacking:
        return f"has no {', '.join(lacking)}"
    prediction = row["prediction"]
    if row["status"] is None and not (isinstance(prediction, dict) and prediction.get("y_pred") is not None):
        return "has neither status nor prediction"
    return "its time, status, latency_ms or features are not valid"
