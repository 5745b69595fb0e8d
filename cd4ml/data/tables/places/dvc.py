"""Files behind DVC's pointers and lock files, which must be the very files that these name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError
from cd4ml.reading import missing_file, text_file
from cd4ml.wording import nearest
from cd4ml.yaml_text import texts

LOCK: Final = "dvc.lock"
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


def is_pointer(written: str) -> bool:
    """Whether a name is that of a `.dvc` file, or of an output in a `dvc.lock` (`dvc.lock:data/train.csv`)."""
    return written.endswith(".dvc") or Path(written.partition(":")[0]).name == LOCK


def pointed_at(pointer: str) -> Path:
    """Return the file that a DVC pointer is about, after comparing it with the pointer's hash.

    Args:
        pointer: see `is_pointer`.

    Raises:
        UnavailableError: the pointer or its file is missing, or the file is another one.
        OptionsError: it is not a pointer to one file.
    """
    out = refuse_absent(pointer)
    found = md5(out.path, text=out.text)
    if found != out.md5:
        how = ", as DVC 1 and 2 hash texts" if out.text else ""
        raise UnavailableError(
            f"{out.path}: not the file that {pointer} points at (MD5 {found}, not {out.md5}{how}).",
            advice="Run: dvc pull",
        )
    return out.path


def refuse_absent(pointer: str) -> _Out:
    """Return what a pointer names, without a look at what the file holds.

    Raises:
        UnavailableError: the pointer or its file is missing.
        OptionsError: it is not a pointer to one file.
    """
    out = _out_of(pointer)
    if not out.path.is_file():
        raise UnavailableError(f"{out.path}: not there, though {pointer} points at it.", advice="Run: dvc pull")
    return out


def target(pointer: str) -> Path:
    """Return the file that a DVC pointer is about, whatever it holds; the pointer itself if it cannot be read."""
    try:
        return _out_of(pointer).path
    except Cd4mlError:
        return Path(pointer)


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
    """Whether DVC takes a file for text: no NUL, and at most 30 % of its first bytes are not plain characters."""
    others = len(head.translate(None, _TEXT))
    return not head or (b"\x00" not in head and others / len(head) <= _MOST_OTHERS)


def _out_of(pointer: str) -> _Out:
    """Return the file that a pointer names, with its hash."""
    if pointer.endswith(".dvc"):
        return _only_out(Path(pointer))
    lock, _, name = pointer.partition(":")
    return _locked_out(Path(lock), name)


def _locked_out(lock: Path, name: str) -> _Out:
    """Return an output of a pipeline, with the hash that its lock file has."""
    try:
        written = texts(text_file(lock), lock)
        stages = written["stages"] if "schema" in written else written  # DVC 1 has nothing but stages there
        outs = {
            str(out["path"]): (str(stage), out) for stage, run in stages.items() for out in (run or {}).get("outs", ())
        }
    except FileNotFoundError:
        raise missing_file(lock) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OptionsError(f"{lock}: not a lock file of DVC") from error
    if name not in outs:
        raise OptionsError(f"{lock} has no output `{name}`{nearest(name, outs)}")
    stage, out = outs[name]
    try:
        return _out(out, lock, Path(_working_directory(lock.with_name("dvc.yaml"), stage)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OptionsError(f"{lock}: the output `{name}` has no MD5 of a file") from error


def _working_directory(pipeline: Path, stage: str) -> str:
    """Return the folder that the paths of a stage are relative to, itself relative to the pipeline's.

    Stages that a list or matrix multiplies are called `stage@item` in the lock file.
    """
    try:
        stages = texts(text_file(pipeline), pipeline)["stages"]
    except FileNotFoundError:
        raise missing_file(pipeline) from None
    written = stages[stage if stage in stages else stage.partition("@")[0]]
    found = _text(written.get("do", written).get("wdir", "."))
    if "${" in found:
        raise OptionsError(f"{pipeline}: the wdir of the stage {stage} is a template; name a .dvc file or the file")
    return found


def _only_out(pointer: Path) -> _Out:
    """Return the one file that a pointer names, with its hash."""
    try:
        written = texts(text_file(pointer), pointer)
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
        raise OptionsError(f"{pointer}: it points outside the working directory")
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
