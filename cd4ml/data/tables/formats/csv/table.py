"""CSV, also compressed: a table whose types come from every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.formats.csv.typed import typed_csv
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.data.tables.table import Choose, Table

if TYPE_CHECKING:
    import pandas as pd

CSV: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


@dataclass(frozen=True, kw_only=True)
class CsvTable(Table):
    """A CSV file."""

    def source(self) -> Source:
        """Return the rows to be streamed."""
        with refused(self.name):
            frame, rows, keep = typed_csv(self.path, self.name, self.reading)
            return Source(
                name=self.name,
                files=(self.path,),
                rows=rows,
                schema=frame.collect_schema(),
                _frame=frame,
                _sha256=self.sha256,
                _keep=(keep, self._keep),
            )

    def frame(self, choose: Choose | None = None) -> pd.DataFrame:
        """Return the table in memory, gaps as pandas reads them from CSV."""
        source = self.source()
        names = source.schema.names()
        return source.pandas(names if choose is None else choose(names))
