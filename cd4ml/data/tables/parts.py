"""A table in parts of the same number of rows, which can be read from any of them on: in bounded memory, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cd4ml.data.tables.formats.parquet.table import ParquetTable
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

_BATCH = 65_536


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A table's rows, cut after every `size` of them; the last part may have fewer.

    Attributes:
        name: what messages call the table.
        rows: of the whole table.
    """

    name: str
    rows: int
    size: int
    schema: pa.Schema
    _groups: Sequence[tuple[ds.ParquetFileFragment, int]] = field(repr=False)
    _keep: Any = field(default=None, repr=False)

    def __len__(self) -> int:
        """Return the number of parts."""
        return -(-self.rows // self.size)

    def start(self, number: int) -> int:
        """Return the position of a part's first row in the table."""
        return number * self.size

    def count(self, number: int) -> int:
        """Return the number of rows of a part."""
        return min(self.size, self.rows - self.start(number))

    def read(self, wanted: Sequence[int], columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Yield the wanted parts in order, each with its number; what stands before the first is not decoded.

        Raises:
            UnavailableError, OptionsError: the table cannot be read.
        """
        if not wanted:
            return
        chosen, first, last = frozenset(wanted), min(wanted), max(wanted)
        with refused(self.name):
            for number, rows in enumerate(self._tables(first, columns), first):
                if number in chosen:
                    yield number, rows
                if number == last:
                    return

    def _tables(self, first: int, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the parts from one on."""
        import pyarrow as pa

        for batches in _cut(self._batches(self.start(first), columns), self.size):
            yield pa.Table.from_batches(batches)

    def _batches(self, skip: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows after the first `skip`."""
        for group, rows in self._groups:
            if skip >= rows:
                skip -= rows
                continue
            options = {"batch_size": _BATCH, "batch_readahead": 2, "fragment_readahead": 1}
            for batch in group.to_batches(schema=self.schema, columns=list(columns), **options):
                if skip < batch.num_rows:
                    yield batch.slice(skip)
                skip = max(0, skip - batch.num_rows)


def parts_of(table: Table, size: int, folder: Path) -> Parts:
    """Return a table in parts.

    Args:
        size: rows of a part.
        folder: where the rows of what is not Parquet are written as Parquet, to be read from anywhere on; it must be
            there as long as the parts.

    Raises:
        UnavailableError, OptionsError: it cannot be read.
    """
    import pyarrow.dataset as ds

    if isinstance(table, ParquetTable):
        return _parts(table.dataset(), table.name, size, table)
    target = folder / "rows.parquet"
    source = table.source()
    with refused(table.name):
        source.lazy().sink_parquet(target, row_group_size=size)
        return _parts(ds.dataset(str(target), format="parquet"), table.name, size, table)


def write_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path, size: int) -> None:
    """Write rows as Parquet, in row groups of `size` rows however they come."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema) as writer:
        for rows in _cut(batches, size):
            writer.write_table(pa.Table.from_batches(rows), row_group_size=size)


def _cut(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[list[pa.RecordBatch]]:
    """Yield batches of together `size` rows each, the last ones of as many as are left."""
    held: list[pa.RecordBatch] = []
    left = size
    for batch in batches:
        while batch.num_rows >= left:
            yield [*held, batch.slice(0, left)]
            held, batch, left = [], batch.slice(left), size
        if batch.num_rows:
            held.append(batch)
            left -= batch.num_rows
    if held:
        yield held


def parts_of_file(path: Path, name: str, size: int) -> Parts:
    """Return a Parquet file of this run's own in parts."""
    import pyarrow.dataset as ds

    return _parts(ds.dataset(str(path), format="parquet"), name, size, None)


def _parts(dataset: ds.Dataset, name: str, size: int, keep: Any) -> Parts:
    """Return the row groups of a dataset of Parquet as parts."""
    with refused(name):
        groups = [
            (group, sum(one.num_rows for one in group.row_groups))
            for fragment in dataset.get_fragments()
            for group in fragment.split_by_row_group()
        ]
    rows = sum(rows for _, rows in groups)
    return Parts(name=name, rows=rows, size=size, schema=dataset.schema, _groups=groups, _keep=keep)
