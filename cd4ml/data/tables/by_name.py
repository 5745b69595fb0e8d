"""Columns by their names alone.

Wherever polars takes a text for a column, `^b$` is a pattern and `*` stands for every column. A name that comes from
data is never handed to it in another way than this one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


def column(name: str) -> pl.Expr:
    """Return the column that has exactly this name."""
    import polars.selectors as cs

    return cs.by_name(name).as_expr()


def columns(names: Iterable[str]) -> list[pl.Expr]:
    """Return the columns that have exactly these names, in their order."""
    return [column(name) for name in names]


def without(frame: pl.LazyFrame, names: Iterable[str]) -> pl.LazyFrame:
    """Return a table without the columns that have exactly these names."""
    import polars.selectors as cs

    return frame.drop(cs.by_name(*names))


def values(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return the values of the column that has exactly this name, without the name: series look themselves up by it."""
    return frame.get_column(name).alias("values")


def leaves(metadata: Any) -> dict[str, int]:
    """Return the position of every column of a Parquet file that is not nested.

    The path of a nested one is joined by dots, and a plain column may have that very name.
    """
    stored = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    return {leaf.name: index for index, leaf in enumerate(stored) if leaf.name == leaf.path}
