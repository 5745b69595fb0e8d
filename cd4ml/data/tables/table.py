"""A table as it lies on this machine, which a caller takes as it needs it: streamed, as Arrow's, or as pandas'.

A format is a class of its own that says how its rows are streamed; what Arrow reads by itself says how as well.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.digests import sha256
from cd4ml.report import InputDigest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

# Picks the columns that are needed from the names found.
Choose = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Table(ABC):
    """A table.

    Attributes:
        path: a file or a folder; a temporary one lives as long as the table, and what was taken of it.
        name: what messages and the report call it.
        reading: how CSV files are written; what there is to say of this one is added.
    """

    path: Path
    name: str
    reading: Reading = field(default_factory=Reading)
    _hash: Future[str] | None = field(default=None, repr=False)
    _keep: Any = field(default=None, repr=False)

    @abstractmethod
    def source(self) -> Source:
        """Return the rows to be streamed, as often as needed.

        Raises:
            UnavailableError: it cannot be read.
            OptionsError: it is not a table of its kind, or a hostile one.
        """

    def dataset(self) -> ds.Dataset:
        """Return the columns as Arrow reads them, in batches; read it where errors are `refused`.

        Raises:
            UnavailableError, OptionsError: as of `source`.
        """
        import pyarrow.dataset as ds

        source = self.source()  # its temporary files go when it does
        with refused(self.name):
            return ds.dataset(source.lazy().collect(engine="streaming").to_arrow())

    def frame(self, choose: Choose | None = None) -> pd.DataFrame:
        """Return the table in memory.

        Args:
            choose: the columns that are needed, None for all. The others are not read, and texts become categories:
                ten million rows of a few values take bytes, not texts.

        Raises:
            UnavailableError, OptionsError: as of `source`.
        """
        dataset = self.dataset()
        with refused(self.name):
            return as_frame(dataset.to_table()) if choose is None else _columns(dataset, choose(dataset.schema.names))

    def commits(self) -> Sequence[datetime] | None:
        """Return when rows came into it, the latest first; None where the format does not keep that."""
        return None

    def notes(self, key: str) -> Sequence[bytes] | None:
        """Return what its files note of themselves under a key; None where the format has no such notes."""
        return None

    @property
    def temporary(self) -> bool:
        """Whether the file goes when the table does."""
        return self._keep is not None

    def sha256(self) -> str:
        """Return the SHA-256 of the table's files."""
        return self._hash.result() if self._hash else sha256(self.path)

    def digest(self, name: str, rows: int | None = None) -> InputDigest:
        """Return the digest of the table's files, for the report."""
        return InputDigest(name=name, path=self.name, sha256=self.sha256(), rows=rows)


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return rows for pandas; what it stored as an index is a column like any other, row numbers are never values."""
    try:
        frame: pd.DataFrame = table.to_pandas()
    except TypeError:  # a type that another library brought to pandas: what Arrow makes of it is enough
        frame = table.replace_schema_metadata(None).to_pandas()
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(named).reset_index(drop=True) if named else frame.reset_index(drop=True)


def framed(table: pa.Table) -> pa.Table:
    """Return rows whose `to_pandas` is what `as_frame` makes of them, wherever that is called."""
    try:
        table.slice(0, 0).to_pandas()
    except TypeError:
        return table.replace_schema_metadata(None)
    told = dict(table.schema.metadata or {})
    if b"pandas" in told:
        told[b"pandas"] = json.dumps(json.loads(told[b"pandas"]) | {"index_columns": []}).encode()
    return table.replace_schema_metadata(told)


def _columns(dataset: ds.Dataset, names: Sequence[str]) -> pd.DataFrame:
    """Read columns one after the other: the table is never in memory twice."""
    import pandas as pd
    import pyarrow as pa

    columns: dict[str, pd.Series[Any]] = {}
    for name in names:
        read = dataset.to_table(columns=[name]).column(0)
        columns[name] = read.to_pandas(strings_to_categorical=True)
        del read
        pa.default_memory_pool().release_unused()  # Arrow keeps what is freed until it is told
    return pd.DataFrame(columns, copy=False)
