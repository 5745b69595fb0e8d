"""What a scored table is published as, each in one step: a Parquet file by a rename, a Delta table by a commit."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from cd4ml.data.predictions.table import is_predictions
from cd4ml.data.tables.formats.parquet.files import DELTA_LOG, PARQUET
from cd4ml.data.tables.opening import open_table
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.report import InputDigest
from cd4ml.scoring.batch.staging import flush, repeating
from cd4ml.wording import installs
from cd4ml.writing import refuse_outside, result, unwritable

if TYPE_CHECKING:
    import pyarrow as pa

RUN: Final = "cd4ml.run"
_COMMITS: Final = 100


class Target(Protocol):
    """A place for a table."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def published(self, run: str) -> bool:
        """Whether what is there is this run's table already: the run was killed after it had published it."""

    def publish(
        self, schema: pa.Schema, tables: Iterator[pa.Table], metadata: Mapping[str, str], scratch: Path
    ) -> None:
        """Put a table in its place; readers see the old one until they see the whole new one.

        Args:
            metadata: texts of JSON by name.
            scratch: an empty folder on the same file system.
        """

    def digest(self, rows: int) -> InputDigest:
        """Return the digest of what was published."""


def target(written: str, environ: Mapping[str, str]) -> Target:
    """Return what an output's name stands for.

    Raises:
        OptionsError: it leaves the workspace, or is in the place of what no run wrote.
    """
    if "://" in written:
        raise OptionsError(
            f"output: expected a file or folder of this machine, got {written!r}", advice="Mount the place."
        )
    if written.endswith(PARQUET):
        return ParquetFile(path=result("output", written, environ, endings=PARQUET, ours=is_predictions))
    folder = DeltaFolder(path=Path(written))
    refuse_outside("output", folder.path, environ)
    folder.refuse_other()
    return folder


@dataclass(frozen=True, kw_only=True)
class ParquetFile:
    """One Parquet file."""

    path: Path

    def published(self, run: str) -> bool:
        """See Target."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            found = pq.read_schema(self.path).metadata or {}
            return bool(json.loads(found[RUN.encode()])["id"] == run)
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
            return False

    def publish(
        self, schema: pa.Schema, tables: Iterator[pa.Table], metadata: Mapping[str, str], scratch: Path
    ) -> None:
        """See Target."""
        import pyarrow.parquet as pq

        whole = scratch / "whole.parquet"
        with unwritable(self.path):
            with pq.ParquetWriter(
                whole, schema.with_metadata(dict(metadata)), use_dictionary=repeating(schema)
            ) as writer:
                for table in tables:
                    writer.write_table(table.replace_schema_metadata(dict(metadata)))
            flush(whole)
            os.replace(whole, self.path)
            flush(self.path.parent)

    def digest(self, rows: int) -> InputDigest:
        """See Target."""
        return open_table(self.path).digest("output", rows)


@dataclass(frozen=True, kw_only=True)
class DeltaFolder:
    """A Delta table, each version of which is a run's."""

    path: Path

    def refuse_other(self) -> None:
        """Refuse to take the place of what is no table of an earlier run.

        Raises:
            OptionsError: it is another's.
        """
        if not os.path.lexists(self.path) or (self.path.is_dir() and not any(self.path.iterdir())):
            return
        if not (self.path / DELTA_LOG).is_dir() or not any(RUN in commit for commit in self._commits()):
            raise OptionsError(
                f"output: {self.path} exists and was not written by cd4ml; it is not overwritten",
                advice="Name a Parquet file, or a folder that is not there yet.",
            )

    def published(self, run: str) -> bool:
        """See Target."""
        commits = self._commits() if (self.path / DELTA_LOG).is_dir() else []
        return any(json.loads(commit[RUN])["id"] == run for commit in commits if RUN in commit)

    def publish(
        self, schema: pa.Schema, tables: Iterator[pa.Table], metadata: Mapping[str, str], scratch: Path
    ) -> None:
        """See Target."""
        import pyarrow as pa

        deltalake = _deltalake()
        batches = (batch for table in tables for batch in table.to_batches())
        with _said(self.path):
            deltalake.write_deltalake(
                str(self.path),
                pa.RecordBatchReader.from_batches(schema, batches),
                mode="overwrite",
                schema_mode="overwrite",
                commit_properties=deltalake.CommitProperties(custom_metadata=dict(metadata)),
            )

    def digest(self, rows: int) -> InputDigest:
        """See Target."""
        return open_table(self.path).digest("output", rows)

    def _commits(self) -> list[dict[str, Any]]:
        """Return what the latest commits say."""
        deltalake = _deltalake()
        with _said(self.path):
            found: list[dict[str, Any]] = deltalake.DeltaTable(str(self.path)).history(_COMMITS)
        return found


def _deltalake() -> Any:
    """Return the library that writes Delta tables."""
    try:
        import deltalake
    except ImportError as error:
        raise UnavailableError("deltalake is not installed.", advice=installs("tables")) from error
    return deltalake


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say in one sentence what the library of Delta tables cannot do.

    Raises:
        UnavailableError: it cannot.
    """
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError) as error:
        raise UnavailableError(f"{path}: the Delta table cannot be written or read: {str(error)[:300]}") from error
