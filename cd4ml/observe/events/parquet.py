"""Events as rows of Parquet: the fields of an event as columns, or what a tool made of JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from cd4ml.data.tables import by_name
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.events.part import READ, Part, Poison, checked

_ROWS: Final = 100_000


def parts(path: Path) -> Iterator[Part]:
    """Yield the events of a file.

    Raises:
        UnavailableError: it cannot be read.
        OptionsError: its columns are not those of events.
    """
    name, first = path.as_posix(), 0
    try:
        with pq.ParquetFile(path) as file:
            wanted = [column for column in file.schema_arrow.names if column in (*READ, "y_pred", "y_score")]
            for batch in file.iter_batches(_ROWS, columns=wanted):
                frame = pl.DataFrame(pa.Table.from_batches([batch]))
                events = _events(frame, name)
                yield checked(events, range(len(events)), partial(_place, name, first), Poison())
                first += len(events)
    except OSError as error:
        raise UnavailableError(f"cannot read {name}: {error}") from error
    except pa.ArrowException as error:
        raise UnavailableError(f"cannot read {name}: it is no readable Parquet file") from error


def _place(name: str, first: int, number: int) -> str:
    """Return the place of a row of a batch."""
    return f"{name}, row {first + number}"


def _events(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the columns of events; those that are not there hold nothing."""
    there = frame.schema
    if "prediction" not in there and "y_pred" in there:
        expressions = by_name.columns([column for column in ("y_pred", "y_score") if column in there])
        frame = frame.with_columns(pl.struct(expressions).alias("prediction"))
    if isinstance(there.get("features"), pl.Struct):
        told = pl.col("features").is_not_null()
        frame = frame.with_columns(pl.when(told).then(pl.col("features").struct.json_encode()).alias("features"))
    try:
        return frame.select([_column(column, kind, frame.schema) for column, kind in READ.items()])
    except PolarsError as error:
        raise OptionsError(f"{name} holds no prediction events: {str(error).splitlines()[0]}") from error


def _column(column: str, kind: pl.DataType, there: pl.Schema) -> pl.Expr:
    """Return a column as events have it."""
    if column not in there:
        return pl.lit(None, dtype=kind).alias(column)
    found = there[column]
    if column == "time" and isinstance(found, pl.Datetime):
        return _utc(found)
    return _struct(column, kind, found) if isinstance(kind, pl.Struct) else by_name.column(column).cast(kind)


def _utc(kind: pl.Datetime) -> pl.Expr:
    """Return the time in UTC; one without a zone is taken to be so already."""
    time = pl.col("time")
    time = time.dt.convert_time_zone("UTC") if kind.time_zone else time.dt.replace_time_zone("UTC")
    return time.dt.cast_time_unit("us")


def _struct(column: str, kind: pl.Struct, there: pl.DataType) -> pl.Expr:
    """Return a column of structs with the fields that events have."""
    given = {field.name: field.dtype for field in there.fields} if isinstance(there, pl.Struct) else {}
    expressions = [_field(column, field, given.get(field.name)) for field in kind.fields]
    return pl.struct(expressions).alias(column)


def _field(column: str, field: pl.Field, given: object) -> pl.Expr:
    """Return a field of a struct; a whole number of floating point is written as JSON lines are read: without a dot."""
    if given is None:
        return pl.lit(None, dtype=field.dtype).alias(field.name)
    value = by_name.column(column).struct.field(field.name)
    if field.dtype == pl.String and given in (pl.Float32, pl.Float64):
        whole = (value == value.floor()) & (value.abs() < 1e15)
        return pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))
    return value.cast(field.dtype)
