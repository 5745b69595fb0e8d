"""Where tables are, other than in plain files: at addresses, and behind DVC's pointers."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from cd4ml.data.missing import missing_file
from cd4ml.data.user_code import UserCodeError, user_code
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.reading import text_file, yaml_document


class Folder:
    """A temporary folder that lives as long as this object."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="cd4ml-"))
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def public(address: str) -> str:
    """Return an address without user, password and query, which may be signed."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def fetch(address: str, folder: Path) -> Path:
    """Copy what is at an address (`s3://`, `gs://`, `https://` … as fsspec knows them) into a folder, whole.

    Raises:
        UnavailableError: it cannot be fetched.
    """
    target = folder / (urlsplit(address).path.rstrip("/").rpartition("/")[2] or "table")
    try:
        with user_code():  # every file system has exceptions of its own
            import fsspec

            with fsspec.open(address, "rb") as remote, target.open("wb") as local:
                shutil.copyfileobj(remote, local, 1 << 20)
    except UserCodeError as error:
        advice = "See whether the address is right and the step has access to it."
        if isinstance(error.__cause__, ImportError):
            advice = "Install requirements/tables.txt; in a workflow set the variable CD4ML_REQUIREMENTS: tables."
        raise UnavailableError(f"{public(address)}: cannot be fetched: {error.raised.where}.", advice=advice) from error
    return target


def pointed_at(pointer: Path) -> Path:
    """Return the file that a DVC pointer is about, after comparing it with the pointer's hash.

    Raises:
        UnavailableError: the pointer or its file is missing, or the file is another one.
        OptionsError: it is no pointer to one file.
    """
    out = _only_out(pointer)
    path = pointer.parent / str(out["path"])
    if not path.is_file():
        raise UnavailableError(f"{path}: not there, though {pointer} points at it.", advice="Run: dvc pull")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != out["md5"]:
        raise UnavailableError(
            f"{path}: not the file that {pointer} points at (MD5 {found}, not {out['md5']}).", advice="Run: dvc pull"
        )
    return path


def _only_out(pointer: Path) -> dict[str, Any]:
    """Return the one file that a pointer names, with its hash."""
    try:
        written = yaml_document(text_file(pointer), pointer)
        (out,) = written["outs"]
        md5, path = str(out["md5"]), Path(str(out["path"]))
    except FileNotFoundError:
        raise missing_file(pointer) from None
    except (KeyError, TypeError, ValueError) as error:
        raise OptionsError(f"{pointer}: no DVC pointer to one file with its MD5") from error
    if md5.endswith(".dir") or path.is_absolute() or ".." in path.parts:
        raise OptionsError(f"{pointer}: only a pointer to one file beside it is followed")
    return {"md5": md5, "path": path}
