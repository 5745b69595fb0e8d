"""Values of a table as an online store holds them: JSON scalars."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import TYPE_CHECKING

from cd4ml.data.tables.columns import Family, family

if TYPE_CHECKING:
    import polars as pl

Scalar = str | int | float | bool | None


def readable(kind: pl.DataType) -> bool:
    """Whether values of a type have one way to be written."""
    import polars as pl

    plain = family(kind) in (Family.NUMBER, Family.TEXT, Family.BOOLEAN, Family.EMPTY)
    return (plain and not kind.is_decimal()) or isinstance(kind, pl.Date | pl.Datetime)


def scalar(value: object) -> Scalar:
    """Return a value as it is stored: a time is a text in ISO 8601, and not-a-number is a missing value.

    Raises:
        ValueError: it is infinite, which JSON cannot say.
    """
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError("an infinite number cannot be stored")
        return None if math.isnan(value) else value
    if isinstance(value, datetime | date):
        return value.isoformat()
    assert value is None or isinstance(value, str | int)
    return value
