"""Delta tables: the files that a version consists of, and their rows without those that were deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.formats.parquet.files import DELTA_LOG, check_footers
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.data.tables.table import Table
from cd4ml.digests import file_sha256
from cd4ml.errors import UnavailableError
from cd4ml.user_code import UserCodeError, user_code
from cd4ml.wording import installs

if TYPE_CHECKING:
    import pyarrow.dataset as ds

# Operations of the log that bring rows. Others rearrange, restore or delete what was there, or change no row.
# https://docs.delta.io/latest/delta-utility.html#describe-history, and what delta-rs writes.
_WRITES: Final = frozenset(
    {
        *("WRITE", "MERGE", "UPDATE", "STREAMING UPDATE", "COPY INTO"),
        *("CREATE TABLE AS SELECT", "REPLACE TABLE AS SELECT", "CREATE OR REPLACE TABLE AS SELECT"),
    }
)
# How many rows an operation wrote, as Spark and delta-rs call it.
_ROWS: Final = (
    *("numOutputRows", "numTargetRowsInserted", "numTargetRowsUpdated", "numUpdatedRows"),
    *("num_added_rows", "num_target_rows_inserted", "num_target_rows_updated", "num_updated_rows"),
)


@dataclass(frozen=True, kw_only=True)
class DeltaTable(Table):
    """A version of a Delta table.

    Attributes:
        files: those that the version consists of; its folder holds those of other versions as well.
    """

    files: tuple[Path, ...]
    _version: Any = field(repr=False)

    def source(self) -> Source:
        """Return the rows to be streamed."""
        import polars as pl

        with _unreadable(self.path):
            frame = pl.scan_delta(self._version)
            rows = frame.select(pl.len()).collect(engine="streaming").item()
            schema = frame.collect_schema()
        return Source(name=self.name, files=self.files, rows=rows, schema=schema, _frame=frame, _sha256=self.sha256)

    def dataset(self) -> ds.Dataset:
        """Return the columns in batches."""
        with _unreadable(self.path):
            found: ds.Dataset = self._version.to_pyarrow_dataset()
        return found

    def commits(self) -> list[datetime]:
        """Return when rows came into it, the latest first, as far back as its log goes."""
        with _unreadable(self.path):
            history = self._version.history()
        found = [one["timestamp"] for one in history if isinstance(one.get("timestamp"), int) and _brought_rows(one)]
        return sorted((datetime.fromtimestamp(at / 1000, UTC) for at in found), reverse=True)

    def sha256(self) -> str:
        """Return the SHA-256 of the version's files."""
        lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in self.files)
        return hashlib.sha256(lines.encode()).hexdigest()


def named(written: str) -> tuple[Path, int | None] | None:
    """The folder and the version (None: the latest) of a Delta table, `folder@3` or `folder`, None for others."""
    folder, _, version = written.rpartition("@")
    if version.isdigit() and (Path(folder) / DELTA_LOG).is_dir():
        return Path(folder), int(version)
    return (Path(written), None) if (Path(written) / DELTA_LOG).is_dir() else None


def opened(path: Path, version: int | None, reading: Reading) -> DeltaTable:
    """Return one version of a Delta table, by default the latest.

    Raises:
        UnavailableError: there is no such version, it cannot be read, or deltalake is not installed.
        OptionsError: its files are hostile.
    """
    try:
        import deltalake
    except ImportError as error:
        advice = installs("tables")
        raise UnavailableError(f"{path} is a Delta table, and deltalake is not installed.", advice=advice) from error
    with _unreadable(path):
        found = deltalake.DeltaTable(str(path), version=version)
        files = tuple(sorted(Path(file) for file in found.file_uris()))
    with refused(path):  # the log says which columns there are: older files may lack some
        check_footers(path, files) if files else None
    name = f"{path.as_posix()}@{found.version()}"
    return DeltaTable(path=path, name=name, reading=reading, files=files, _version=found)


def _brought_rows(commit: Mapping[str, Any]) -> bool:
    """Whether a commit brought rows; one that does not count them may have."""
    counts = commit.get("operationMetrics") or {}
    told = [str(counts[name]) for name in _ROWS if name in counts]
    return commit.get("operation") in _WRITES and (not told or any(count != "0" for count in told))


@contextmanager
def _unreadable(path: Path) -> Iterator[None]:
    """Say in one sentence what a reader of Delta tables cannot do; each has exceptions of its own."""
    try:
        with user_code():
            yield
    except UserCodeError as error:
        said = error.raised.text.partition(" This error occurred")[0]
        raise UnavailableError(f"{path}: not a readable Delta table: {said}") from error
