"""Files of the image as archives that are the same whenever they are made: sorted, of one time, owned by root.

A builder that copies a folder gives it the time of the copy; from an archive it takes times and modes as they stand.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# 1980-01-01, the first day that archives of every kind can hold: the time of every file and of the image itself.
TIME: Final = 315532800
_GONE: Final = "/removed-by-cd4ml"


class Layer:
    """An archive that is being written."""

    def __init__(self, path: Path) -> None:
        self._archive = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)
        self._folders: set[str] = set()

    def close(self) -> None:
        """End the archive."""
        self._archive.close()

    def folder(self, name: str, *, mode: int = 0o755, owner: int = 0, group: int = 0) -> None:
        """Add a folder; those above it must be there."""
        if name in self._folders:
            return
        self._folders.add(name)
        entry = _entry(name, tarfile.DIRTYPE, mode)
        entry.uid, entry.gid = owner, group
        self._archive.addfile(entry)

    def text(self, name: str, content: str) -> None:
        """Add a file of text."""
        data = content.encode()
        entry = _entry(name, tarfile.REGTYPE, 0o644)
        entry.size = len(data)
        self._archive.addfile(entry, io.BytesIO(data))

    def file(self, name: str, source: Path, *, runs: bool = False) -> None:
        """Add a file; anybody may read it, whatever its own mode is, and start it if it `runs`."""
        with source.open("rb") as stream:
            entry = _entry(name, tarfile.REGTYPE, 0o755 if runs else 0o644)
            entry.size = source.stat().st_size
            self._archive.addfile(entry, stream)

    def tree(self, name: str, source: Path) -> None:
        """Add a folder with all that is in it."""
        self.folder(name)
        for path in sorted(source.rglob("*")):
            inside = f"{name}/{path.relative_to(source).as_posix()}"
            if path.is_dir():
                self.folder(inside)
            else:
                self.file(inside, path)

    def installed(self, name: str, source: Path) -> None:
        """Add a folder of programs and packages: links stay links, and programs can be started."""
        self.folder(name)
        for path in sorted(source.rglob("*"), key=lambda path: path.relative_to(source).as_posix()):
            inside = f"{name}/{path.relative_to(source).as_posix()}"
            if path.is_symlink():
                self.link(inside, str(path.readlink()))
            elif path.is_dir():
                self.folder(inside)
            else:
                self.file(inside, path, runs=bool(path.stat().st_mode & 0o100))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        entry = _entry(name, tarfile.SYMTYPE, 0o777)
        entry.linkname = target
        self._archive.addfile(entry)

    def gone(self, name: str) -> None:
        """Put a link that leads nowhere in the place of a file or folder of the base.

        What is deleted instead leaves a mark in the layer that bears the time of the build.
        """
        self.link(name, _GONE)


def without_installers(path: Path, installers: Sequence[str], folders: Mapping[str, Sequence[int]]) -> None:
    """Write the archive that takes programs and packages out of the base; their folders stay as they are.

    Args:
        installers: absolute paths in the base.
        folders: mode, owner and group of every folder above them.
    """
    layer = Layer(path)
    for name, (mode, owner, group) in sorted(folders.items()):
        layer.folder(name.lstrip("/"), mode=mode, owner=owner, group=group)
    for name in sorted(installers):
        layer.gone(name.lstrip("/"))
    layer.close()


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    """Return an entry with nothing of this machine in it."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, TIME
    return entry
