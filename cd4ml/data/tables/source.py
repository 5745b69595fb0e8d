"""Tables that are read in parts, as often as needed.

A source is opened only after everything that makes a table ambiguous or hostile has been refused; what it then yields
is every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cd4ml.data.tables import by_name
from cd4ml.data.tables.pandas_metadata import Written, to_pandas
from cd4ml.data.tables.refusals import refused
from cd4ml.report import InputDigest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow.dataset as ds


@dataclass(frozen=True, kw_only=True)
class Source:
    """The rows of a table, which Polars streams.

    Attributes:
        name: what messages and the report call it.
        files: the regular files that hold its rows, in the order of the rows.
        footers: whether they are Parquet, whose footers tell of every row of these files.
        rows: number of rows; of Parquet and Arrow, what the files say before they are read.
        schema: Polars type by column, in order.
        written: what pandas wrote about the table, None if it did not write it.
        widened: whether files store columns in narrower types than the table's.
    """

    name: str
    files: tuple[Path, ...]
    footers: bool = False
    rows: int
    schema: pl.Schema
    written: Written | None = None
    widened: bool = False
    _frame: pl.LazyFrame = field(repr=False)
    _sha256: Callable[[], str] = field(repr=False)
    # The files as pandas reads them, where pandas may have written them; else it takes what Polars reads.
    _for_pandas: Callable[[], ds.Dataset] | None = field(default=None, repr=False)
    _keep: Any = field(default=None, repr=False)  # temporary files live as long as the source

    def lazy(self) -> pl.LazyFrame:
        """Return all rows and columns; collect it with engine="streaming"."""
        return self._frame

    def pandas(self, columns: Sequence[str]) -> pd.DataFrame:
        """Return some columns as pandas reads them from such a file, rows numbered from 0."""
        import pandas as pd

        if not columns:
            return pd.DataFrame(index=pd.RangeIndex(self.rows))
        if self._for_pandas is None:
            texts = self._frame.select(by_name.columns(columns)).collect(engine="streaming").to_pandas()
            gaps = [name for name in columns if texts[name].dtype == object]  # booleans; pandas reads gaps as NaN
            return texts.assign(**{name: texts[name].where(texts[name].notna(), float("nan")) for name in gaps})
        with refused(self.name):
            return to_pandas(self._for_pandas().to_table(columns=list(columns)), self.written)

    def without(self, names: Sequence[str]) -> Source:
        """Return the table without some columns."""
        import polars as pl

        kept = pl.Schema({name: kind for name, kind in self.schema.items() if name not in names})
        return replace(self, schema=kept, _frame=by_name.without(self._frame, names)) if names else self

    @property
    def types(self) -> Mapping[str, str]:
        """pandas' name of the type of each column that it wrote with a type of its own, such as `Int64`."""
        return self.written.types if self.written else {}

    def index(self) -> pd.Index[Any]:
        """Return the index that pandas wrote with the table, as pandas restores it."""
        import pandas as pd

        stored = [level.column for level in self.written.levels if level.column] if self.written else []
        if self.written and not stored:
            found = self.written.index_columns[0]
            return pd.RangeIndex(found["start"], found["stop"], found["step"], name=found["name"])
        assert self._for_pandas is not None  # nothing else holds what pandas wrote
        with refused(self.name):
            return to_pandas(self._for_pandas().to_table(columns=stored), self.written, index=True).index

    def digest(self, name: str) -> InputDigest:
        """Return the digest of the table's files, for the report."""
        return InputDigest(name=name, path=self.name, sha256=self._sha256(), rows=self.rows)
