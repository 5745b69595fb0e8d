"""Tables as users name them, brought to where every reader takes them: a file or a folder on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cd4ml.data.tables import delta, dvc
from cd4ml.data.tables.frames import digest
from cd4ml.data.tables.locations import Folder, fetch, public
from cd4ml.report import InputDigest


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a table is.

    Attributes:
        path: a file or a folder; a temporary one lives as long as the place.
        name: what the report calls it.
    """

    path: Path
    name: str
    _sha256: str | None = None
    _keep: Any = field(default=None, repr=False)

    def digest(self, name: str, rows: int | None = None) -> InputDigest:
        """Return the digest of the table, for the report."""
        if self._sha256:
            return InputDigest(name=name, path=self.name, sha256=self._sha256, rows=rows)
        return self.named(digest(self.path, name, rows))

    def named(self, found: InputDigest) -> InputDigest:
        """Return a digest of the file or folder as that of the table."""
        return replace(found, path=self.name, sha256=self._sha256 or found.sha256)


def place(written: str | Path | Place) -> Place:
    """Return where a table is that a user names.

    Args:
        written: a path; `folder@3` for version 3 of a Delta table; a `.dvc` file or an output in a `dvc.lock`, whose
            hash its data must have; an address such as `s3://bucket/table.parquet`, which is fetched whole; or a
            place, which is returned as it is.

    Raises:
        UnavailableError: it is not there, or is not what the pointer is about.
        OptionsError: it is not a pointer to one file.
    """
    if isinstance(written, Place):
        return written
    written = str(written)
    if "://" in written:
        folder = Folder()
        return Place(path=fetch(written, folder.path), name=public(written), _keep=folder)
    if dvc.is_pointer(written):
        path = dvc.pointed_at(written)
        return Place(path=path, name=path.as_posix())
    if version := delta.named(written):
        return _rows_of(*version)
    return Place(path=Path(written), name=Path(written).as_posix())


def _rows_of(path: Path, version: int | None) -> Place:
    """Return a copy of the rows of a version of a Delta table."""
    folder = Folder()
    table, files = delta.opened(path, version)
    target = folder.path / "rows.parquet"
    delta.write_rows(table, path, target)
    name = f"{path.as_posix()}@{table.version()}"
    return Place(path=target, name=name, _sha256=delta.sha256_of(files), _keep=folder)


def behind(written: str) -> Path:
    """Return the file that a user's name stands for, without looking at it: what no output may take the place of."""
    return dvc.target(written) if dvc.is_pointer(written) else Path(written)
