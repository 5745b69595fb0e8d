"""Reading the rows of a table in their order, some at once, in little memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.by_name import columns
from cd4ml.data.tables.columns import ROWS_AT_ONCE, inside
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import polars as pl

# Rows of a larger row group are read in passing: to begin in its middle, Polars reads what lies before that again.
_LARGEST_SLICED: Final = 1 << 19
_BUFFER: Final = 1 << 18


def frames(source: Source, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of some columns in their order, some at once, in little memory.

    Raises:
        OptionsError: what the reader says of a damaged table, as one message.
    """
    groups = _row_groups(source) if source.footers else []
    if max(groups, default=0) > _LARGEST_SLICED and inside(source, names):
        yield from _streamed(source, names)
        return
    frame = source.lazy().select(columns(names))
    if source.footers:  # any rows can be read by themselves, and nothing runs ahead: half the memory
        start = 0
        for n in _slices(groups):
            with refused(source.name):
                rows = frame.slice(start, n).collect()
            yield rows
            start += n
        return
    batches = frame.collect_batches(chunk_size=ROWS_AT_ONCE, maintain_order=True)
    while True:
        with refused(source.name):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _row_groups(source: Source) -> list[int]:
    """Return the number of rows of each row group of Parquet files, in their order."""
    import pyarrow.parquet as pq

    footers = map(pq.read_metadata, source.files)
    return [footer.row_group(at).num_rows for footer in footers for at in range(footer.num_row_groups)]


def _slices(groups: Sequence[int]) -> Iterator[int]:
    """Yield how many rows of Parquet files are read at once: whole row groups as far as possible.

    A row group of which only a part is read is opened once for each part, and its rows come in pieces.
    """
    n = 0
    for rows in groups:
        if n and n + rows > ROWS_AT_ONCE:
            yield n
            n = 0
        n += rows
        while n > ROWS_AT_ONCE:
            yield ROWS_AT_ONCE
            n -= ROWS_AT_ONCE
    if n:
        yield n


def _streamed(source: Source, names: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield the rows of Parquet files in one pass, with no more of a column in memory than a buffer."""
    import polars as pl
    import pyarrow.parquet as pq

    wanted = pl.Schema({name: source.schema[name] for name in names})
    for path in source.files:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(names), use_threads=False)
            while True:
                with refused(source.name):
                    batch = next(batches, None)
                    if batch is None:
                        break
                    rows = pl.DataFrame(batch).select(columns(names))
                    rows = rows if rows.schema == wanted else rows.cast(wanted)
                yield rows
