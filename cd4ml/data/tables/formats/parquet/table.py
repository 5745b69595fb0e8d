"""Parquet: a file, or a folder of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cd4ml.data.tables import by_name
from cd4ml.data.tables.formats.parquet.common_types import common_schema, dataset, scan
from cd4ml.data.tables.formats.parquet.files import check_footers, parquet_files
from cd4ml.data.tables.pandas_metadata import written
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.data.tables.table import Table

if TYPE_CHECKING:
    import pyarrow.dataset as ds


@dataclass(frozen=True, kw_only=True)
class ParquetTable(Table):
    """A Parquet file, or a folder of such files."""

    def source(self) -> Source:
        """Return the rows to be streamed."""
        import pyarrow.parquet as pq

        with refused(self.name):
            files = self._files()
            rows = sum(pq.read_metadata(file).num_rows for file in files)
            common = common_schema(files)
            frame = scan(self.path, files, common)
            about = written(common or pq.read_schema(files[0]), rows)
            frame = by_name.without(frame, about.row_numbers if about else [])
            return Source(
                name=self.name,
                files=files,
                footers=True,
                rows=rows,
                schema=frame.collect_schema(),
                written=about,
                widened=common is not None,
                _frame=frame,
                _sha256=self.sha256,
                _for_pandas=lambda: dataset(self.path, files),
                _keep=self._keep,
            )

    def dataset(self) -> ds.Dataset:
        """Return the columns in batches."""
        with refused(self.name):
            return dataset(self.path, self._files())

    def notes(self, key: str) -> list[bytes]:
        """Return what the files' own metadata hold under a key."""
        import pyarrow.parquet as pq

        with refused(self.name):
            found = [(pq.read_metadata(file).metadata or {}).get(key.encode()) for file in self._files()]
        return [note for note in found if note is not None]

    def _files(self) -> tuple[Path, ...]:
        """Return the table's files, their footers looked at."""
        files = tuple(parquet_files(self.path)) if self.path.is_dir() else (self.path,)
        check_footers(self.path, files)
        return files
