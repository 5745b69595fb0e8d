"""The strict conversion of rows to the columns that a model takes: the same in scoring and in serving.

It runs in the model's own environment, so it imports the standard library, pandas and `signature` alone. What becomes
of a row never depends on the other rows: a column has the same type whatever the batch holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, cast

import pandas as pd

from cd4ml.serving.signature import FLOATS, INTEGERS, Column, RowsError

_NULLABLE: Final[dict[str, Any]] = {"int32": "Int32", "int64": "Int64"}
# Nanoseconds since 1970, which is what MLflow's times are, hold these whole years.
_FIRST_YEAR: Final = 1678
_LAST_YEAR: Final = 2261
_TIME: Final = f"must be a time in ISO 8601, such as 2024-05-31T13:45:00Z, of the years {_FIRST_YEAR} to {_LAST_YEAR}"
_SHOWN_ROWS: Final = 20


class _Unfit(Exception):
    """The values of a column do not fit the model's type, at these positions if it is about single values."""

    def __init__(self, problem: str, bad: pd.Series[Any] | None = None) -> None:
        super().__init__(problem)
        self.positions = [] if bad is None else [int(at) for at in bad.to_numpy().nonzero()[0][:_SHOWN_ROWS]]


def prepare(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return these columns of the frame, in their order, of their types and by the model's own names.

    A whole number that may be missing is `Int64` (or `Int32`), a boolean that may be missing an object.

    Raises:
        RowsError: all columns that are missing or cannot be converted.
    """
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    problems: dict[str, str] = {}
    places: dict[str, Sequence[int]] = {}
    prepared = []
    for column in columns:
        try:
            prepared.append(_column(frame, column))
        except _Unfit as error:
            problems[column.name], places[column.name] = str(error), error.positions
    if problems:
        raise RowsError(problems, places)
    labels = [column.name if column.label is None else column.label for column in columns]
    return pd.concat(prepared, axis=1).set_axis(labels, axis=1)


def plain(rows: pd.DataFrame) -> pd.DataFrame:
    """Return prepared rows in types that every library reads: whole numbers that may be missing as float64."""
    wide = [name for name, dtype in rows.dtypes.items() if str(dtype) in _NULLABLE.values()]
    return rows.astype(dict.fromkeys(wide, "float64")) if wide else rows


def _column(frame: pd.DataFrame, column: Column) -> pd.Series[Any]:
    """Return one column of the frame as the model's type; one that may be left out is filled with missing values."""
    if column.name not in frame.columns:
        if column.required:
            raise _Unfit("is missing")
        return _convert(pd.Series([None] * len(frame), dtype="object"), column)
    values: Any = frame[column.name]
    if isinstance(values, pd.DataFrame):
        raise _Unfit("is given more than once")
    return _convert(values.reset_index(drop=True), column)


def _convert(values: pd.Series[Any], column: Column) -> pd.Series[Any]:
    """Convert values to an MLflow type without guessing: text is never read as a number."""
    if column.type in INTEGERS:
        return _integers(values, INTEGERS[column.type], nullable=column.nullable)
    if column.type in FLOATS:
        return _numbers(values).astype(FLOATS[column.type])
    if column.type == "boolean":
        return _booleans(values, nullable=column.nullable)
    if column.type == "string":
        return _strings(values)
    return _datetimes(values) if column.type == "datetime" else values


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as float64; a missing value is NaN."""
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype):
        return values.astype("float64")
    _demand(values, _is_number, "must be a number", nullable=True)
    return values.astype("float64")


def _is_number(value: Any) -> bool:
    """Whether a value is a number and no boolean."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return False
    return isinstance(value, int | float) or hasattr(value, "__float__") and not isinstance(value, str)


def _integers(values: pd.Series[Any], dtype: str, *, nullable: bool) -> pd.Series[Any]:
    """Return whole numbers; where one may be missing, as pandas' own type for that."""
    if not nullable and values.isna().any():
        raise _Unfit("must be a whole number, not missing", values.isna())
    if pd.api.types.is_bool_dtype(values.dtype):
        raise _Unfit("must be a whole number")
    limit = 2 ** (31 if dtype == "int32" else 63)
    if values.dtype.kind == "i" and not nullable and -limit <= values.min() and values.max() < limit:
        return values.astype(cast("Any", dtype))
    if not pd.api.types.is_integer_dtype(values.dtype):
        _demand(values, _is_whole, "must be a whole number", nullable=nullable)
    _demand(values, lambda value: -limit <= int(value) < limit, f"is too large for {dtype}", nullable=nullable)
    if not nullable:
        return values.map(int).astype(cast("Any", dtype))
    whole = [pd.NA if missing else int(value) for value, missing in zip(values, values.isna(), strict=True)]
    return pd.Series(whole, dtype=_NULLABLE[dtype])


def _is_whole(value: Any) -> bool:
    """Whether a value is a whole number, whatever its type."""
    return _is_number(value) and math.isfinite(value) and int(value) == value


def _booleans(values: pd.Series[Any], *, nullable: bool) -> pd.Series[Any]:
    """Return booleans; where one may be missing, as objects with NaN, which is what imputers look for by default."""
    if not pd.api.types.is_bool_dtype(values.dtype) or values.isna().any():
        _demand(values, lambda value: isinstance(value, bool), "must be true or false", nullable=nullable)
    return _objects(values) if nullable else values.astype("bool")


def _strings(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return texts as Python objects; a missing value is NaN, which is what imputers look for by default."""
    if not isinstance(values.dtype, pd.StringDtype):
        _demand(values, lambda value: isinstance(value, str), "must be a string", nullable=True)
    return _objects(values)


def _objects(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return the values as they are, and NaN for those that are missing."""
    return values.astype("object").where(values.notna(), math.nan)


def _datetimes(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return times without a zone; those that have one are converted to UTC. Texts must be ISO 8601 (RFC 3339)."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return cast("pd.Series[Any]", values.dt.tz_convert("UTC").dt.tz_localize(None))
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return values
    _demand(values, _may_be_a_time, _TIME, nullable=True)
    # RFC 3339 allows `t` and `z`.
    texts = values.map(lambda value: value.upper() if isinstance(value, str) else value.isoformat(), na_action="ignore")
    found = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce").dt.tz_localize(None)
    years = found.dt.year
    bad = values.notna() & (found.isna() | (years < _FIRST_YEAR) | (years > _LAST_YEAR))
    if bad.any():
        raise _Unfit(_TIME, bad)
    return found.astype("datetime64[ns]")


def _may_be_a_time(value: Any) -> bool:
    """Whether a value is a time, or a text that begins like one: pandas also reads `now` and `today`."""
    return "0" <= value[:1] <= "9" if isinstance(value, str) else hasattr(value, "isoformat")


def _demand(values: pd.Series[Any], rule: Any, problem: str, *, nullable: bool) -> None:
    """Refuse a column in which a value breaks the rule; a missing one does so only where it must be there."""
    fits = [nullable if missing else rule(value) for value, missing in zip(values, values.isna(), strict=True)]
    if not all(fits):
        raise _Unfit(problem, ~pd.Series(fits))
