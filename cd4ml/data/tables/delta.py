"""Versions of Delta tables: the files that one consists of, and its rows without them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cd4ml.data.tables.frames import DELTA_LOG, check_footers, parquet_errors
from cd4ml.digests import file_sha256
from cd4ml.errors import UnavailableError
from cd4ml.user_code import UserCodeError, user_code


def named(written: str) -> tuple[Path, int | None] | None:
    """The folder and the version (None: the latest) of a Delta table, `folder@3` or `folder`, None for others."""
    folder, _, version = written.rpartition("@")
    if version.isdigit() and (Path(folder) / DELTA_LOG).is_dir():
        return Path(folder), int(version)
    return (Path(written), None) if (Path(written) / DELTA_LOG).is_dir() else None


def opened(path: Path, version: int | None) -> tuple[Any, tuple[Path, ...]]:
    """Return one version of a Delta table, as deltalake opens it, and its files.

    Raises:
        UnavailableError: there is no such version, it cannot be read, or deltalake is not installed.
        OptionsError: its files are hostile.
    """
    try:
        from deltalake import DeltaTable
    except ImportError as error:
        advice = "Install requirements/tables.txt; in a workflow set the variable CD4ML_REQUIREMENTS: tables."
        raise UnavailableError(f"{path} is a Delta table, and deltalake is not installed.", advice=advice) from error
    with unreadable(path):
        table = DeltaTable(str(path), version=version)
        files = tuple(sorted(Path(file) for file in table.file_uris()))
    with parquet_errors(path):  # the log says which columns there are: older files may lack some
        check_footers(path, files) if files else None
    return table, files


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Say in one sentence what a reader of Delta tables cannot do; each has exceptions of its own."""
    try:
        with user_code():
            yield
    except UserCodeError as error:
        said = error.raised.text.partition(" This error occurred")[0]
        raise UnavailableError(f"{path}: no readable Delta table: {said}") from error


def sha256_of(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a version's files; its folder holds those of other versions as well."""
    lines = "".join(f"{file_sha256(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def write_rows(table: Any, path: Path, target: Path) -> None:
    """Write the rows of a version into one Parquet file."""
    import pyarrow.parquet as pq

    with unreadable(path):
        rows = table.to_pyarrow_dataset()
        with pq.ParquetWriter(target, rows.schema) as writer:
            for batch in rows.to_batches():
                writer.write_batch(batch)
