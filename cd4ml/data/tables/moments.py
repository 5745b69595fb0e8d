"""Times of rows as numbers that can be compared, however a table stores them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.columns import Family, family

if TYPE_CHECKING:
    import polars as pl

# ISO 8601, as far as tables hold it: dates, and times with or without an offset from UTC.
_DATE: Final = "%Y-%m-%d"
_LOCAL: Final = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_OFFSET: Final = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_SECOND: Final = 1_000_000


def are_times(kinds: Sequence[pl.DataType]) -> bool:
    """Whether the values of all types are times, as such or as texts; else they may be numbers, such as years."""
    import polars as pl

    return all(family(kind) is Family.TEXT or isinstance(kind, pl.Date | pl.Datetime) for kind in kinds)


def are_comparable(kinds: Sequence[pl.DataType]) -> bool:
    """Whether the values of all types are times, or all are numbers."""
    return are_times(kinds) or all(family(kind) is Family.NUMBER for kind in kinds)


def moments(name: str, kind: pl.DataType) -> pl.Expr:
    """Return the times of a column: microseconds since 1970 (UTC), or its numbers; null where it holds none."""
    import polars as pl

    values = column(name)
    if family(kind) is Family.NUMBER:
        return values.cast(pl.Float64).fill_nan(None)
    if family(kind) is Family.TEXT:
        text = values.cast(pl.String).str.strip_chars()
        days = text.str.to_date(_DATE, strict=False).cast(pl.Datetime("us"))
        local = [text.str.to_datetime(form, strict=False, time_unit="us") for form in _LOCAL]
        offset = [
            text.str.replace(r"[zZ]$", "+00:00").str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")
            for form in _OFFSET
        ]
        return pl.coalesce([days, *local, *(one.dt.replace_time_zone(None) for one in offset)]).dt.epoch("us")
    return values.dt.epoch("us")


def said_apart(apart: float, *, times: bool) -> str:
    """Say how far two moments are apart."""
    if not times:
        return f"{apart:g}"
    length = timedelta(microseconds=apart)
    if length.days:
        return f"{length.days:,} day{'' if length.days == 1 else 's'}"
    return f"{apart / _SECOND / 3600:.1f} hours" if apart >= 3600 * _SECOND else f"{apart / _SECOND:,.3g} seconds"
