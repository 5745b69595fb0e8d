"""What is seen of a table's columns when every value is read once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables import by_name
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import polars as pl

# Of whole numbers, how many different ones are counted.
_MOST_COUNTED: Final = 60


@dataclass(kw_only=True)
class Seen:
    """What was seen of a column.

    Attributes:
        own: pandas' name of the type that it wrote the column with, if that is one of its own, such as `Int64`.
        lower, upper: of numbers and times, without infinities; of texts, their lengths.
        values: the different texts, or the whole numbers if there are at most two; None if there are too many.
        counts: rows by whole number; None if there are too many different ones.
        distinct: no batch of rows held a value twice.
    """

    stored: pl.DataType
    own: str | None = None
    rows: int = 0
    missing: int = 0
    infinite: int = 0
    lower: Any = None
    upper: Any = None
    values: set[Any] | None = field(default_factory=set)
    counts: dict[int, int] | None = field(default_factory=dict)
    distinct: bool = True

    @property
    def filled(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing


def columns(source: Source) -> dict[str, Seen]:
    """Return the columns, of which nothing was seen yet."""
    return {name: Seen(stored=stored, own=source.types.get(name)) for name, stored in source.schema.items()}


def add(seen: dict[str, Seen], source: Source, most_categories: int) -> None:
    """Read every value of a table once."""
    for batch in source.lazy().collect_batches(maintain_order=True, engine="streaming"):
        for name, found in seen.items():
            _add_values(found, by_name.values(batch, name), most_categories)


def _add_values(found: Seen, column: pl.Series, most_categories: int) -> None:
    """Add a batch of rows to what was seen of a column."""
    import polars as pl

    found.rows += len(column)
    if found.stored.is_nested():
        found.missing += column.null_count()
        found.values, found.distinct = None, False
        return
    if found.stored.is_float():
        column = column.fill_nan(None)
    found.missing += column.null_count()
    values = column.drop_nulls()
    found.distinct = found.distinct and values.len() == column.len() == values.n_unique()
    if found.stored.is_float():
        finite = values.filter(values.is_finite())
        found.infinite += len(values) - len(finite)
        values = finite
    _collect(found, values, most_categories)
    measured = values.str.len_chars() if found.stored == pl.String else values
    if len(measured) and (found.stored.is_numeric() or found.stored.is_temporal() or found.stored == pl.String):
        lower, upper = measured.min(), measured.max()
        found.lower = lower if found.lower is None else min(found.lower, lower)
        found.upper = upper if found.upper is None else max(found.upper, upper)


def _collect(found: Seen, values: pl.Series, most_categories: int) -> None:
    """Add the different values of a batch, until there are too many for categories."""
    import polars as pl

    most = most_categories if found.stored == pl.String else 2 if found.stored.is_integer() else 0
    if found.values is not None:
        found.values |= set(values.unique().head(most + 1).to_list()) if most else set()
        if len(found.values) > most or not most:
            found.values = None
    if found.counts is not None and found.stored.is_integer():
        for value, rows in values.value_counts().head(_MOST_COUNTED + 1).iter_rows():
            found.counts[value] = found.counts.get(value, 0) + rows
        found.counts = None if len(found.counts) > _MOST_COUNTED else found.counts
