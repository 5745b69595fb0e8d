"""Arrow's own files (IPC, which is Feather version 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables import by_name
from cd4ml.data.tables.formats.texts import decoded_bytes, is_view, texts_in
from cd4ml.data.tables.pandas_metadata import written
from cd4ml.data.tables.refusals import refuse_columns, refuse_expansion, refused
from cd4ml.data.tables.source import Source
from cd4ml.data.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

ARROW: Final = (".arrow", ".feather", ".ipc")


@dataclass(frozen=True, kw_only=True)
class ArrowTable(Table):
    """An Arrow file."""

    def source(self) -> Source:
        """Return the rows to be streamed."""
        import polars as pl

        with refused(self.name):
            stored, rows = self._opened()
            about = written(stored, rows)
            frame = by_name.without(pl.scan_ipc(self.path, glob=False), about.row_numbers if about else [])
            return Source(
                name=self.name,
                files=(self.path,),
                rows=rows,
                schema=frame.collect_schema(),
                written=about,
                _frame=frame,
                _sha256=self.sha256,
                _for_pandas=self._as_stored,
                _keep=self._keep,
            )

    def dataset(self) -> ds.Dataset:
        """Return the columns in batches; Arrow cannot compute with texts stored as views, as Polars writes them."""
        with refused(self.name):
            stored, _ = self._opened()
            return super().dataset() if any(map(_is_view, stored.types)) else self._as_stored()

    def _opened(self) -> tuple[pa.Schema, int]:
        """Return the file's schema and number of rows."""
        import pyarrow as pa

        with pa.memory_map(str(self.path)) as stream, pa.ipc.open_file(stream) as reader:
            refuse_columns(self.path, reader.schema.names)
            rows, size = 0, 0
            for batch in map(reader.get_batch, range(reader.num_record_batches)):
                rows += batch.num_rows
                size += _decoded(batch)
                refuse_expansion(self.path, self.path.stat().st_size, size)
            return reader.schema, rows

    def _as_stored(self) -> ds.Dataset:
        """Return the file as a dataset."""
        import pyarrow.dataset as ds

        return ds.dataset([str(self.path)], format="ipc")


def _decoded(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch, texts that are stored once for many rows counted for each."""
    import pyarrow as pa

    shared = [
        texts
        for column in batch.columns
        for texts in texts_in(column)
        if pa.types.is_dictionary(texts.type) or _is_view(texts.type)
    ]
    return int(batch.nbytes) + sum(map(decoded_bytes, shared))


def _is_view(kind: pa.DataType) -> bool:
    """Whether a column holds texts as views, also as categories."""
    import pyarrow as pa

    return is_view(kind.value_type if pa.types.is_dictionary(kind) else kind)
