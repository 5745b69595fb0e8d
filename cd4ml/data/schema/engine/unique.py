"""Exact counts of rows that repeat, in little memory.

A key that only rises cannot repeat; whole numbers in a narrow range are ticked off; everything else is sorted as 64-bit
hashes. Equal hashes only say where to look: what is counted are equal values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.engine.predicates import is_category
from cd4ml.data.schema.engine.rules import Keep
from cd4ml.data.tables import by_name
from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

# A range of whole numbers is ticked off if it is at most so many times wider than the table is long.
_WIDEST: Final = 4
_KEY: Final = "key"
_ROW: Final = "row"


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Rows that repeat another one: how many, the first few as (row number, value), and how it was found out."""

    count: int
    samples: Sequence[tuple[int, Any]] = field(default=())
    method: str


def duplicates(
    source: Source, columns: Sequence[str], keep: Keep, most_samples: int, bounds: tuple[int, int] | None = None
) -> Duplicates:
    """Return the rows whose values in some columns occur more than once; missing values equal each other.

    Args:
        keep: `exclude_first` does not count the first row of each value, `exclude_last` not the last.
        bounds: of the values, if they are whole numbers without gaps.
    """
    if bounds:
        if _rises(source, columns[0]):
            return Duplicates(count=0, method="rising")
        if bounds[1] - bounds[0] < _WIDEST * source.rows and not _ticked(source, columns[0], bounds):
            return Duplicates(count=0, method="ticked off")
    repeated = _repeated(source, columns)
    if not len(repeated):
        return Duplicates(count=0, method="sorted")
    return _counted(source, columns, repeated, keep, most_samples)


def _batches(source: Source, name: str) -> Iterator[npt.NDArray[Any]]:
    """Yield the values of a column of whole numbers without gaps, in order."""
    for batch in source.lazy().select(column(name)).collect_batches(maintain_order=True, engine="streaming"):
        yield batch.to_series().to_numpy()


def _rises(source: Source, column: str) -> bool:
    """Whether every value is larger than the one before it."""
    last = None
    for values in _batches(source, column):
        if len(values) == 0:
            continue
        if (last is not None and values[0] <= last) or not (values[1:] > values[:-1]).all():
            return False
        last = values[-1]
    return True


def _ticked(source: Source, column: str, bounds: tuple[int, int]) -> bool:
    """Whether some value repeats, or lies outside its bounds."""
    import numpy as np

    seen = np.zeros(bounds[1] - bounds[0] + 1, dtype=bool)
    rows = 0
    for values in _batches(source, column):
        if len(values) and (values.min() < bounds[0] or values.max() > bounds[1]):
            return True
        seen[values - bounds[0]] = True
        rows += len(values)
    return bool(np.count_nonzero(seen) < rows)


def _values(source: Source, columns: Sequence[str]) -> dict[str, pl.Expr]:
    """Return the values of some columns, under names that no column of the table can be taken for."""
    return {f"value{position}": _comparable(column(name), source.schema[name]) for position, name in enumerate(columns)}


def _key(values: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return 64 bits for each row, the same for equal values."""
    import polars as pl

    only, *others = values.values()
    return (pl.struct(list(values.values())) if others else only).hash(seed=0).alias(_KEY)


def _comparable(value: pl.Expr, stored: pl.DataType) -> pl.Expr:
    """Return values as pandas compares them: not-a-number is a missing value, and minus zero is zero."""
    import polars as pl

    if is_category(stored):
        return value.cast(pl.String)
    return (value + 0.0).fill_nan(None) if stored.is_float() else value


def _repeated(source: Source, columns: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return the keys that more than one row has, sorted."""
    import numpy as np

    keys = np.empty(source.rows, dtype=np.uint64)
    filled = 0
    frame = source.lazy().select(_key(_values(source, columns)))
    for batch in frame.collect_batches(maintain_order=False, engine="streaming"):
        part = batch.to_series().to_numpy()
        keys[filled : filled + len(part)] = part
        filled += len(part)
    keys = keys[:filled]
    keys.sort()
    return np.unique(keys[1:][keys[1:] == keys[:-1]])


def _counted(
    source: Source, columns: Sequence[str], repeated: npt.NDArray[np.uint64], keep: Keep, most_samples: int
) -> Duplicates:
    """Count rows with equal values among those with repeated keys, and find the first few."""
    import polars as pl

    values = _values(source, columns)
    suspects = source.lazy().select(_key(values), **values).with_row_index(_ROW)
    # With almost every row under suspicion a look-up costs more than it saves.
    if len(repeated) < source.rows // 4:
        suspects = suspects.filter(pl.col(_KEY).is_in(pl.Series(repeated).implode()))
    groups = (
        suspects.group_by(by_name.columns(values))
        .agg(
            pl.len().alias("n"),
            pl.col(_ROW).min().alias("first"),
            pl.col(_ROW).bottom_k(2).max().alias("second"),
            pl.col(_ROW).max().alias("last"),
        )
        .filter(pl.col("n") > 1)
    )
    early = groups.bottom_k(most_samples, by="second" if keep == "exclude_first" else "first").select(pl.exclude("n"))
    total = groups.select(pl.col("n").sum().alias("rows"), pl.len().alias("groups"))
    found, few = pl.collect_all([total, early], engine="streaming")
    rows, distinct = found.row(0)
    count = int(rows) if keep == "all" else int(rows) - int(distinct)
    return Duplicates(count=count, samples=_samples(source, columns, few, keep, most_samples), method="sorted")


def _samples(
    source: Source, columns: Sequence[str], groups: pl.DataFrame, keep: Keep, most: int
) -> list[tuple[int, Any]]:
    """Return the first few repeating rows of the groups that begin first."""
    import polars as pl

    values = _values(source, columns)
    rows = (
        source.lazy()
        .select(**values)
        .with_row_index(_ROW)
        .join(groups.lazy(), on=by_name.columns(values), how="inner", nulls_equal=True)
    )
    if keep != "all":
        rows = rows.filter(pl.col(_ROW) != pl.col("first" if keep == "exclude_first" else "last"))
    few = rows.bottom_k(most, by=_ROW).sort(_ROW).select(_ROW, *by_name.columns(values)).collect(engine="streaming")
    return [(int(row), value[0] if len(columns) == 1 else tuple(value)) for row, *value in few.iter_rows()]
