"""What is known of a column, and how: from Parquet footers, from dictionaries, or from reading every value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.by_name import leaves
from cd4ml.data.tables.formats.parquet.expansion import dictionaries
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import polars as pl

# A dictionary with more values than this is not a set of categories; reading the column is as quick.
MOST_VALUES: Final = 10_000
_VERIFIED_ROW_GROUPS: Final = 4


@dataclass(kw_only=True)
class Facts:
    """What is known of a column; None is unknown.

    Attributes:
        nulls: rows without a value; in columns of floats, rows with not-a-number are counted in `nans`.
        lower, upper: bounds of the values, not necessarily attained; meaningless if there are no values.
        values: texts of which every value is one; some of them may not occur.
        origin: `footer`, `dictionary` or `scan`, by the name of the fact.
    """

    nulls: int | None = None
    nans: int = 0
    lower: Any = None
    upper: Any = None
    values: frozenset[str] | None = None
    origin: dict[str, str]

    @property
    def missing(self) -> int:
        """Rows that pandas takes for missing."""
        return (self.nulls or 0) + self.nans


def from_footers(source: Source, columns: Iterable[str]) -> dict[str, Facts]:
    """Return what the footers of Parquet files say: nulls, and bounds of whole numbers and times.

    Never bounds of floats, which leave out not-a-number, nor of texts, which may be cut. What a footer says is compared
    with the rows in a few row groups.

    Raises:
        OptionsError: a footer contradicts the rows.
    """
    import pyarrow.parquet as pq

    wanted = list(columns)
    facts = {name: Facts(nulls=0, origin={"nulls": "footer", "bounds": "footer"}) for name in wanted}
    unbounded: set[str] = set()
    for file in source.files:
        metadata = pq.read_metadata(file)
        positions = leaves(metadata)
        for group in range(metadata.num_row_groups):
            for name in wanted:
                position = positions.get(name)
                statistics = None if position is None else metadata.row_group(group).column(position).statistics
                _add(facts[name], statistics, metadata.row_group(group).num_rows, unbounded, name)
    for name in wanted:
        if name in unbounded or not _has_exact_bounds(source.schema[name]):
            facts[name].lower = facts[name].upper = None
    _verify(source, facts)
    return facts


def _has_exact_bounds(stored: pl.DataType) -> bool:
    """Whether a footer's bounds of such a column are the bounds of its values."""
    import polars as pl

    signed = stored in (pl.Int8, pl.Int16, pl.Int32, pl.Int64)
    return signed or (isinstance(stored, pl.Datetime) and stored.time_zone is None and stored.time_unit != "ns")


def _add(facts: Facts, statistics: Any, rows: int, unbounded: set[str], name: str) -> None:
    """Add one row group."""
    if statistics is None or not statistics.has_null_count:
        facts.nulls = None
        unbounded.add(name)
        return
    if facts.nulls is not None:
        facts.nulls += statistics.null_count
    if statistics.null_count == rows:
        return
    if not statistics.has_min_max:
        unbounded.add(name)
    elif name not in unbounded:
        lower, upper = statistics.min, statistics.max
        facts.lower = lower if facts.lower is None else min(facts.lower, lower)
        facts.upper = upper if facts.upper is None else max(facts.upper, upper)


def _verify(source: Source, facts: Mapping[str, Facts]) -> None:
    """Compare footers with the rows of a few row groups, first and last among them."""
    import polars as pl
    import pyarrow.parquet as pq

    names = [name for name, fact in facts.items() if fact.nulls is not None]
    if not names:
        return
    for file in {source.files[0], source.files[-1]}:
        texts = dictionaries(pq.read_metadata(file)).intersection(names)
        with pq.ParquetFile(file, read_dictionary=sorted(texts)) as stored:
            positions = leaves(stored.metadata)
            present = [name for name in names if name in positions]
            for group, name in product(_spread(stored.metadata.num_row_groups), present):
                said = stored.metadata.row_group(group).column(positions[name]).statistics
                column = stored.read_row_group(group, columns=[name]).column(name)
                lies = said.null_count != column.null_count
                if facts[name].lower is not None and said.has_min_max and column.null_count < len(column):
                    values = pl.Series(values=column)
                    lies = lies or said.min > values.min() or said.max < values.max()
                if lies:
                    raise _contradiction(file, name)


def _contradiction(file: Path, name: str) -> OptionsError:
    """Return the error for a footer that does not tell the truth."""
    return OptionsError(
        f"{file}: what its footer says about column `{name}` is not true of its rows",
        advice="Write the file again with a current Parquet library; its metadata cannot be trusted.",
    )


def _spread(count: int) -> list[int]:
    """Return a few positions, evenly spread, the first and the last among them."""
    if count <= _VERIFIED_ROW_GROUPS:
        return list(range(count))
    return sorted({round(index * (count - 1) / (_VERIFIED_ROW_GROUPS - 1)) for index in range(_VERIFIED_ROW_GROUPS)})


def add_dictionaries(source: Source, facts: Mapping[str, Facts], columns: Sequence[str]) -> None:
    """Add the values of columns of texts that are stored by dictionary, where there are few of them."""
    import pyarrow.parquet as pq

    few: dict[str, set[str]] = {name: set() for name in columns}
    for file in source.files:
        metadata = pq.read_metadata(file)
        short, positions = dictionaries(metadata), leaves(metadata)
        few = {name: values for name, values in few.items() if name in short and name in positions}
        with pq.ParquetFile(file, metadata=metadata, read_dictionary=list(few)) as stored:
            for name in list(few):
                groups = range(metadata.num_row_groups)
                if not all(_joined(few[name], stored, group, name, positions[name]) for group in groups):
                    del few[name]
    for name, values in few.items():
        facts[name].values = frozenset(values)
        facts[name].origin["values"] = "dictionary"


def _joined(values: set[str], stored: Any, group: int, name: str, position: int) -> bool:
    """Add a row group's dictionary; False if there is none, or too large a one."""
    if not stored.metadata.row_group(group).column(position).has_dictionary_page:
        return False
    for chunk in stored.read_row_group(group, columns=[name]).column(name).chunks:
        if len(chunk.dictionary) > MOST_VALUES:
            return False
        values.update(value for value in chunk.dictionary.to_pylist() if value is not None)
    return len(values) <= MOST_VALUES
