"""SHA-256 over whole content, never over a sample.

A file's digest is that of its bytes. A folder's is that of its manifest: one line `<sha256>  <path>` for each file,
sorted by path (POSIX separators, relative), each ended by a newline, as `sha256sum` prints them.
"""

from __future__ import annotations

import hashlib
import re
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError

# MLflow writes this file into a downloaded copy to say by which name it was found: no part of the model. A file of the
# name that holds anything else may be what the model loads, so it counts.
NOTE: Final = "registered_model_meta"
_NOTE_TEXT: Final = re.compile(rb"model_name: ['\"]?[\w .\n-]{1,300}['\"]?\nmodel_version: ['\"]?\d{1,20}['\"]?\n")


# Between two blocks a thread waits for the interpreter, which others may be using: few and large ones wait seldom.
_BLOCK: Final = 4 << 20


def bytes_sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a regular file.

    Raises:
        UnavailableError: it cannot be read.
    """
    found = hashlib.sha256()
    try:
        block = memoryview(bytearray(min(_BLOCK, path.stat().st_size + 1)))
        with path.open("rb", buffering=0) as stream:
            while size := stream.readinto(block):
                found.update(block[:size])
            return found.hexdigest()
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}.") from error


def manifest(folder: Path) -> dict[str, str]:
    """Return the digest of every file in a folder by its relative path, sorted.

    Raises:
        OptionsError: the folder is empty, or holds a symbolic link or anything else that is not a file.
    """
    if not folder.is_dir():
        raise UnavailableError(f"{folder}: no such folder.")
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*"), key=lambda item: item.relative_to(folder).as_posix()):
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise OptionsError(f"{path}: not a regular file; a model folder holds regular files only")
        if "\n" in relative:  # it could pass for a line of its own: two folders would have one digest
            raise OptionsError(f"{str(path)!r}: a file name holds a line break")
        if path.is_file() and not (relative == NOTE and _is_note(path)):
            digests[relative] = file_sha256(path)
    if not digests:
        raise OptionsError(f"{folder}: the folder is empty")
    return digests


def _is_note(path: Path) -> bool:
    """Whether a file is MLflow's note on where a copy came from, and nothing else."""
    return path.stat().st_size < 1024 and _NOTE_TEXT.fullmatch(path.read_bytes()) is not None


def folder_sha256(folder: Path) -> str:
    """Return the hexadecimal SHA-256 of a folder's manifest."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in manifest(folder).items())
    return bytes_sha256(lines.encode())


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file or a folder."""
    return folder_sha256(path) if path.is_dir() else file_sha256(path)


def hashing(path: Path) -> Future[str]:
    """Begin to compute the SHA-256 of a file or a folder beside other work; who does not ask need not wait for it."""
    found: Future[str] = Future()

    def run() -> None:
        try:
            found.set_result(sha256(path))
        except (Cd4mlError, OSError) as error:
            found.set_exception(error)
        finally:
            found.cancel()  # after a defect nobody waits for ever; what is known stays known

    threading.Thread(target=run, daemon=True).start()
    return found
