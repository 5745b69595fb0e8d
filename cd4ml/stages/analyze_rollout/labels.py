"""The table of true values that came later."""

from __future__ import annotations

import polars as pl

from cd4ml.data.tables import by_name
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError
from cd4ml.metrics.rollout.pairs import Labels


def read(written: str) -> Labels:
    """Return the labels of a table.

    Raises:
        OptionsError: it lacks a column, or has two values for one row.
        UnavailableError: it cannot be read.
    """
    source = open_table(written).source()
    keys = ["id"] if "id" in source.schema else ["trace_id"]
    if "y_true" not in source.schema or keys[0] not in source.schema:
        raise OptionsError(f"{source.name} must have y_true, and either id or trace_id (and row)")
    keys += ["row"] if keys == ["trace_id"] and "row" in source.schema else []
    frame = source.lazy().select(by_name.columns([*keys, "y_true"])).collect(engine="streaming")
    frame = frame.with_columns(_text(frame.schema["y_true"])).filter(pl.col("y_true").is_not_null())
    if keys[0] == "trace_id":
        row = pl.col("row").cast(pl.Int64, strict=False) if "row" in keys else pl.lit(0, dtype=pl.Int64).alias("row")
        frame = frame.with_columns(row)
    frame = frame.with_columns(by_name.column(keys[0]).cast(pl.String))
    if frame.null_count().sum_horizontal().item():
        raise OptionsError(f"{source.name} has labels without {' or '.join(keys)}")
    if frame.select(pl.all().exclude("y_true")).is_duplicated().any():
        raise OptionsError(f"{source.name} has several values of y_true for one row")
    return Labels(frame)


def _text(kind: pl.DataType) -> pl.Expr:
    """Return the values as predictions are written in events: a whole number has no dot."""
    value = pl.col("y_true")
    if kind in (pl.Float32, pl.Float64):
        whole = (value == value.floor()) & (value.abs() < 1e15)
        return pl.when(whole).then(value.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(value.cast(pl.String))
    return value.cast(pl.String)
