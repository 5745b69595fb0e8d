"""Files behind DVC's pointers, which must be the very files that the pointers name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.data.missing import missing_file
from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError
from cd4ml.reading import text_file, yaml_document

# How DVC 1 and 2 hash: a file that looks like text is hashed as if its lines ended in LF, in parts of this size. A line
# end that falls between two parts stays as it is.
_PART: Final = 1 << 20
_HEAD: Final = 512
_TEXT: Final = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MOST_OTHERS: Final = 0.3


@dataclass(frozen=True, kw_only=True)
class _Out:
    """A file that a pointer names: where it is, its MD5, and whether that is of the text with LF (DVC 1 and 2)."""

    path: Path
    md5: str
    text: bool


def pointed_at(pointer: Path) -> Path:
    """Return the file that a DVC pointer is about, after comparing it with the pointer's hash.

    Raises:
        UnavailableError: the pointer or its file is missing, or the file is another one.
        OptionsError: it is no pointer to one file.
    """
    out = _only_out(pointer)
    if not out.path.is_file():
        raise UnavailableError(f"{out.path}: not there, though {pointer} points at it.", advice="Run: dvc pull")
    found = md5(out.path, text=out.text)
    if found != out.md5:
        how = ", as DVC 1 and 2 hash texts" if out.text else ""
        raise UnavailableError(
            f"{out.path}: not the file that {pointer} points at (MD5 {found}, not {out.md5}{how}).",
            advice="Run: dvc pull",
        )
    return out.path


def target(pointer: Path) -> Path:
    """Return the file that a DVC pointer is about, whatever it holds; the pointer itself if it cannot be read."""
    try:
        return _only_out(pointer).path
    except Cd4mlError:
        return pointer


def md5(path: Path, *, text: bool) -> str:
    """Return the MD5 of a file as DVC computes it.

    Args:
        text: whether line ends of a file that looks like text are read as LF, as DVC 1 and 2 do.
    """
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        part = stream.read(_PART)
        text = text and _looks_like_text(part[:_HEAD])
        while part:
            digest.update(part.replace(b"\r\n", b"\n") if text else part)
            part = stream.read(_PART)
    return digest.hexdigest()


def _looks_like_text(head: bytes) -> bool:
    """Whether DVC takes a file for text: no NUL, and at most 30 % of its first bytes are no plain characters."""
    others = len(head.translate(None, _TEXT))
    return not head or (b"\x00" not in head and others / len(head) <= _MOST_OTHERS)


def _only_out(pointer: Path) -> _Out:
    """Return the one file that a pointer names, with its hash."""
    try:
        written = yaml_document(text_file(pointer), pointer)
        (out,) = written["outs"]
        return _out(out, pointer, Path(_text(written.get("wdir", "."))))
    except FileNotFoundError:
        raise missing_file(pointer) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OptionsError(f"{pointer}: not a DVC pointer to one file with its MD5") from error


def _out(written: Mapping[str, Any], pointer: Path, wdir: Path) -> _Out:
    """Return a file that DVC names relative to a folder, itself relative to the pointer's."""
    value, path = str(written["md5"]), Path(str(written["path"]))
    if written.get("hash", "md5") != "md5":
        raise OptionsError(f"{pointer}: only files that are named by their MD5 can be compared")
    if value.endswith(".dir"):
        raise OptionsError(f"{pointer}: it points at a folder; only a pointer to one file is followed")
    target = Path(os.path.normpath(pointer.parent / wdir / path))
    if path.is_absolute() or wdir.is_absolute() or not _inside(target, pointer):
        raise OptionsError(f"{pointer}: it points outside of the working directory")
    return _Out(path=target, md5=value, text="hash" not in written)


def _text(value: Any) -> str:
    """Return a value that must be a text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def _inside(target: Path, pointer: Path) -> bool:
    """Whether a file lies in the working directory, or, if the pointer lies elsewhere, in the pointer's folder.

    Links are not followed: DVC may link a file to a cache that lies anywhere.
    """
    root = Path.cwd() if pointer.absolute().is_relative_to(Path.cwd()) else pointer.absolute().parent
    return Path(os.path.abspath(target)).is_relative_to(root)
