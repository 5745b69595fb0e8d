"""Layers as they come from a registry: read, laid over each other, and unpacked into a folder that they stay in."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, cast

from cd4ml.errors import UnavailableError

_DELETES: Final = ".wh."
_EMPTIES: Final = ".wh..wh..opq"
_MOST_LINKS: Final = 40
_LARGEST: Final = 32_000_000
_DAMAGED: Final = (tarfile.TarError, EOFError, OSError)


@dataclass(frozen=True, kw_only=True)
class LayerFile:
    """A layer that is a file here."""

    path: Path
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What an image has at a path: the folders that no layer names have the default's mode and owner.

    Attributes:
        link: where a symbolic link leads, None for anything else.
        layer: the layer that has it, by its place.
    """

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    link: str | None = None
    layer: int = 0


class Tree:
    """All paths of an image, from its layers; paths are absolute, and no link is followed but by `real`."""

    def __init__(self, layers: Sequence[LayerFile]) -> None:
        self._layers = layers
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, set[str]] = {}
        for number, layer in enumerate(layers):
            with members(layer) as found:
                for member in found:
                    self._add(member, number)

    def _add(self, member: tarfile.TarInfo, layer: int) -> None:
        """Take down what a layer says of a path."""
        path = _path(member.name)
        folder, _, name = path.rpartition("/")
        if name == _EMPTIES:
            for below in list(self._names.get(folder or "/", ())):
                self._drop(f"{folder}/{below}")
        elif name.startswith(_DELETES):
            self._drop(f"{folder}/{name.removeprefix(_DELETES)}")
        elif path != "/":
            if not member.isdir():
                self._drop(path)
            link = member.linkname if member.issym() else None
            self._set(path, Entry(mode=member.mode & 0o7777, uid=member.uid, gid=member.gid, link=link, layer=layer))

    def _set(self, path: str, entry: Entry) -> None:
        """Put an entry in its place, and make the folders above it known."""
        self._entries[path] = entry
        while path != "/":
            path, _, name = path.rpartition("/")
            path = path or "/"
            self._names.setdefault(path, set()).add(name)

    def _drop(self, path: str) -> None:
        """Take away what is at a path, and below it."""
        for below in list(self._names.pop(path, ())):
            self._drop(f"{path}/{below}")
        self._entries.pop(path, None)
        folder, _, name = path.rpartition("/")
        self._names.get(folder or "/", set()).discard(name)

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder, sorted; nothing if it is none."""
        return sorted(self._names.get(folder, ()))

    def entry(self, path: str) -> Entry | None:
        """Return what is at a path, a link itself."""
        return self._entries.get(path) or (Entry() if path in self._names else None)

    def real(self, path: str) -> str | None:
        """Return where a path leads, None if there is nothing."""
        parts, found, links = list(PurePosixPath(path).parts[1:]), "", 0
        while parts:
            part = parts.pop(0)
            if part == "..":
                found = found.rpartition("/")[0]
                continue
            entry = self.entry(f"{found}/{part}")
            if entry is None:
                return None
            if entry.link is None:
                found = f"{found}/{part}"
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            target = PurePosixPath(entry.link)
            found = "" if target.is_absolute() else found
            parts[:0] = [name for name in target.parts if name != "/"]
        return found or "/"

    def read(self, path: str) -> bytes:
        """Return the content of a file, up to a size that is more than libraries have."""
        entry = self._entries[path]
        with members(self._layers[entry.layer]) as found:
            for member in found:
                if _path(member.name) == path and member.isreg():
                    stream = cast(IO[bytes], found.extractfile(member))
                    return stream.read(_LARGEST)
        return b""


@contextmanager
def members(layer: LayerFile) -> Iterator[tarfile.TarFile]:
    """Open a layer for reading from its beginning to its end.

    Raises:
        UnavailableError: it is none, or breaks off.
    """
    try:
        with _stream(layer) as source, tarfile.open(fileobj=source, mode="r|") as archive:
            yield archive
    except _DAMAGED as error:
        raise UnavailableError(f"A layer of the image cannot be read ({layer.media_type}): {error}.") from error


@contextmanager
def _stream(layer: LayerFile) -> Iterator[IO[bytes]]:
    """Open a layer, uncompressed."""
    kind = layer.media_type.rpartition("+")[2]
    if kind == "zstd":
        import pyarrow

        with pyarrow.input_stream(str(layer.path), compression="zstd") as source:
            yield cast(IO[bytes], source)
    elif kind == "gzip":
        import gzip

        with gzip.open(layer.path) as source:
            yield cast(IO[bytes], source)
    else:
        with layer.path.open("rb") as source:
            yield source


def _path(name: str) -> str:
    """Return a member's path in the image."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        raise UnavailableError(f"A layer of the image names a path outside of it: {name[:200]!r}.")
    return "/" + "/".join(parts)


def unpack(layers: Sequence[LayerFile], root: Path) -> None:
    """Unpack layers over each other, as the user who does it: owners and devices stay out.

    Raises:
        UnavailableError: a layer cannot be read, or wants to leave the folder.
    """
    for layer in layers:
        with members(layer) as archive:
            for member in archive:
                _unpack(archive, member, root)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    """Unpack one member."""
    path = _path(member.name)
    if path == "/":
        return
    folder, _, name = path.rpartition("/")
    above = _inside(root, folder)
    if name == _EMPTIES:
        for entry in list(above.iterdir()):
            _remove(entry)
        return
    if name.startswith(_DELETES):
        _remove(above / name.removeprefix(_DELETES))
        return
    target = above / name
    if not (member.isdir() and target.is_dir() and not target.is_symlink()):
        _remove(target)
    if member.isdir():
        target.mkdir(exist_ok=True)
        target.chmod(member.mode & 0o777 | 0o700)
    elif member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        source = _path(member.linkname)
        os.link(_inside(root, source.rpartition("/")[0]) / source.rpartition("/")[2], target, follow_symlinks=False)
    elif member.isreg():
        with target.open("wb") as stream:
            shutil.copyfileobj(cast(IO[bytes], archive.extractfile(member)), stream)
        target.chmod(member.mode & 0o777 | 0o600)


def _inside(root: Path, folder: str) -> Path:
    """Return a folder below a root, made if it is missing, whichever way links lead: none leads out."""
    parts, found, links = list(PurePosixPath(folder).parts), root, 0
    while parts:
        part = parts.pop(0)
        if part in ("/", "..", "."):
            found = root if part == "/" else (found.parent if part == ".." and found != root else found)
            continue
        path = found / part
        if path.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise UnavailableError(f"Links of the image lead in a circle: {folder[:200]!r}.")
            parts[:0] = PurePosixPath(os.readlink(path)).parts
            continue
        path.mkdir(exist_ok=True)
        found = path
    return found


def _remove(path: Path) -> None:
    """Remove what is at a path, whatever it is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def settings_of(config: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the environment that an image's configuration sets: what no process can be given is left out."""
    listed = (config.get("config") or {}).get("Env") or []
    settings = (item.partition("=")[::2] for item in listed if isinstance(item, str) and "\0" not in item)
    return {name: value for name, value in settings if name}
