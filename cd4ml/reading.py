"""Reading the caller's small text files, which may be anything: a pipe, a device, gigabytes, no text."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.wording import nearest

LARGEST: Final = 10_000_000  # bytes; what people write by hand is far below


def text_file(path: Path, *, most: int = LARGEST) -> str:
    """Return the text of a file.

    Raises:
        FileNotFoundError: there is none; what to do about that differs.
        OptionsError: it is not a regular file, is larger than `most` bytes, or is not UTF-8.
        UnavailableError: it cannot be read.
    """
    try:
        # Opening a pipe would wait for a writer that never comes.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with open(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OptionsError(f"{path}: not a regular file")
            content = stream.read(most + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(path) from None
    except IsADirectoryError as error:
        raise OptionsError(f"{path}: not a regular file") from error
    except OSError as error:
        raise outside(error, path) from error
    if len(content) > most:
        raise OptionsError(f"{path}: larger than {most} bytes")
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise OptionsError(f"{path}: not UTF-8 at byte {error.start}", advice="Save the file as UTF-8.") from error


def missing_file(path: Path) -> UnavailableError:
    """Return the error for a file that is not there, with the nearest name beside it, or the folder that is missing."""
    folder = path.parent
    advice = "Paths are relative to working-directory."
    try:
        if not folder.is_dir():
            return UnavailableError(f"{path}: no such file: there is no folder {folder}.", advice=advice)
        known = nearest(path.name, sorted(beside.name for beside in folder.iterdir()))
    except OSError:
        known = ""
    return UnavailableError(f"{path}: no such file{known}.", advice=advice)


def outside(error: OSError, path: object = None) -> OptionsError | UnavailableError:
    """Return what to say of an error of the operating system: a name that cannot exist, or a place out of reach."""
    what = path or error.filename or "the operating system"
    shown = str(what) if len(str(what)) <= 200 else f"{str(what)[:100]}…{str(what)[-50:]}"
    if error.errno == errno.ENAMETOOLONG:
        return OptionsError(f"{shown}: file name too long", advice="Use a shorter name.")
    return UnavailableError(f"{shown}: {error.strerror or type(error).__name__}")
