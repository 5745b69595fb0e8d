"""Layers as they come from a registry: read, laid over each other, and unpacked into a folder that they stay in."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, Self, cast

from cd4ml.errors import UnavailableError

_DELETES: Final = ".wh."
_EMPTIES: Final = ".wh..wh..opq"
_MOST_LINKS: Final = 40
_LARGEST: Final = 32_000_000
# Further headers of an entry, which are read into memory.
_HEADERS: Final = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_MOST_OF_A_HEADER: Final = 1 << 20
# An image has at most so much content, and folders in one another: what is built on has a tenth of both.
_MOST_BYTES: Final = 64_000_000_000
_DEEPEST: Final = 200
_PART: Final = 1 << 20
_DAMAGED: Final = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True, kw_only=True)
class LayerFile:
    """A layer that is a file here; `diff_id` is the digest of its content, uncompressed, where that is known."""

    path: Path
    media_type: str
    diff_id: str | None = None


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
                self._hide(f"{folder}/{below}", layer)
        elif name.startswith(_DELETES):
            self._hide(f"{folder}/{_deleted(name)}", layer)
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

    def _hide(self, path: str, layer: int) -> None:
        """Take away what lower layers have at a path, and below it."""
        for below in list(self._names.get(path, ())):
            self._hide(f"{path}/{below}", layer)
        entry = self._entries.get(path)
        if not self._names.get(path) and (entry is None or entry.layer < layer):
            self._drop(path)

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
        with members(self._layers[entry.layer], whole=False) as found:
            for member in found:
                if _path(member.name) == path and member.isreg():
                    stream = cast(IO[bytes], found.extractfile(member))
                    return stream.read(_LARGEST)
        return b""


@contextmanager
def members(layer: LayerFile, *, whole: bool = True) -> Iterator[tarfile.TarFile]:
    """Open a layer for reading from its beginning to its end.

    Args:
        whole: it is read to its end, and its content must be what the image's configuration says.

    Raises:
        UnavailableError: it is none, breaks off, is too large, or has another content.
    """
    try:
        with _stream(layer) as stream:
            source = _Measured(stream)
            with tarfile.open(fileobj=cast(IO[bytes], source), mode="r|", tarinfo=_Member) as archive:
                yield archive
            if whole:
                source.require(layer.diff_id)
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


class _Member(tarfile.TarInfo):
    """An entry whose further headers (a long name, PAX records) are read into memory only up to a size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """See TarInfo."""
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > _MOST_OF_A_HEADER:
            raise UnavailableError(f"A layer of the image has a header of {found.size:,} bytes, which no image needs.")
        return found


class _Measured:
    """The content of a layer: hashed while it is read, and no more of it than anybody builds on."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._hashed, self._left = source, hashlib.sha256(), _MOST_BYTES

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        part = self._source.read(size)
        self._hashed.update(part)
        self._left -= len(part)
        if self._left < 0:
            raise _too_large()
        return part

    def require(self, digest: str | None) -> None:
        """Read the rest; the whole must have a digest, if it is known."""
        while self.read(_PART):
            pass
        found = f"sha256:{self._hashed.hexdigest()}"
        if digest is not None and found != digest:
            raise UnavailableError(f"A layer of the image is not what its configuration names: {found}, not {digest}.")


def _too_large() -> UnavailableError:
    return UnavailableError(f"The image has more content than {_MOST_BYTES:,} bytes.", advice="Take a smaller base.")


def _path(name: str) -> str:
    """Return a member's path in the image."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        raise UnavailableError(f"A layer of the image names a path outside of it: {name[:200]!r}.")
    if len(parts) > _DEEPEST or "\0" in name:
        raise UnavailableError(f"A layer of the image names a path that no image has: {name[:200]!r}.")
    return "/" + "/".join(parts)


def _deleted(name: str) -> str:
    """Return the name of what a mark deletes from its folder."""
    deleted = name.removeprefix(_DELETES)
    if deleted in ("", ".", ".."):
        raise UnavailableError(f"A layer of the image deletes what is not in its folder: {name!r}.")
    return deleted


def unpack(layers: Sequence[LayerFile], root: Path) -> None:
    """Unpack layers over each other, as the user who does it: owners and devices stay out.

    Raises:
        UnavailableError: a layer cannot be read, or wants to leave the folder.
    """
    left = _MOST_BYTES
    for layer in layers:
        own: set[str] = set()
        with members(layer) as archive:
            for member in archive:
                # The size that it will have here: of a sparse file the layer holds less.
                left -= max(member.size, 0) if member.isreg() else 0
                if left < 0:
                    raise _too_large()
                _unpack(archive, member, root, own)


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path, own: set[str]) -> None:
    """Unpack one member.

    Args:
        own: where its layer has put something: no mark of the same layer takes that away.
    """
    path = _path(member.name)
    if path == "/":
        return
    folder, _, name = path.rpartition("/")
    above = _inside(root, folder)
    if name == _EMPTIES:
        for entry in list(above.iterdir()):
            _hide(entry, own)
        return
    if name.startswith(_DELETES):
        _hide(above / _deleted(name), own)
        return
    target = above / name
    own.add(str(target))
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
        if len(found.parts) - len(root.parts) > _DEEPEST:
            raise UnavailableError(f"Links of the image lead too deep: {folder[:200]!r}.")
    return found


def _hide(path: Path, own: set[str]) -> None:
    """Remove what lower layers have at a path, and below it."""
    if path.is_dir() and not path.is_symlink():
        for entry in list(path.iterdir()):
            _hide(entry, own)
        if str(path) not in own and not any(path.iterdir()):
            path.rmdir()
    elif str(path) not in own:
        path.unlink(missing_ok=True)


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
