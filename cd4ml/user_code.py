"""Running code of the caller inside a gate: whatever it raises is a finding, and what it prints goes nowhere."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cd4ml.errors import USAGE


@dataclass(frozen=True, kw_only=True)
class Raised:
    """An exception of the caller's code.

    Attributes:
        where: its class and the caller's own file and line; holds no data.
        text: what the exception says, which may quote values of the data.
    """

    where: str
    text: str


class UserCodeError(Exception):
    """The caller's code raised."""

    def __init__(self, raised: Raised) -> None:
        super().__init__(raised.where)
        self.raised = raised


@contextlib.contextmanager
def user_code() -> Iterator[None]:
    """Turn whatever the caller's code raises into a UserCodeError.

    SystemExit is among it: a schema file that ends with `sys.exit(0)` would otherwise end the gate, and with success.
    """
    try:
        with (
            _no_exit_in_success(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    except UserCodeError:
        raise
    except (Exception, SystemExit) as error:
        raise UserCodeError(raised(error)) from error


@contextlib.contextmanager
def importable(directory: Path) -> Iterator[None]:
    """Let modules of the caller's project be imported, from its folder or its `src`, without a trace in its tree."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    folders = [str(folder) for folder in (directory, directory / "src") if folder.is_dir()]
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        for folder in folders:
            if folder in sys.path:
                sys.path.remove(folder)


@contextlib.contextmanager
def _no_exit_in_success() -> Iterator[None]:
    """Give a process that the caller's code ends on the spot (`os._exit(0)`) the exit code of an error."""
    leave, process = os._exit, os.getpid()

    def leave_in_error(status: int) -> NoReturn:
        leave(status or USAGE.code if os.getpid() == process else status)  # a forked child may end as it likes

    setattr(os, "_exit", leave_in_error)
    try:
        yield
    finally:
        setattr(os, "_exit", leave)


def raised(error: BaseException) -> Raised:
    """Describe an exception: its class and place apart from its text."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _callers(frame.filename)]
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    if isinstance(error, SyntaxError):
        place = f" in {Path(error.filename or '?').name}:{error.lineno}"
    return Raised(where=f"{type(error).__name__}{place}", text=" ".join(str(error).split())[:300])


def _callers(filename: str) -> bool:
    """Whether a source file is the caller's: no library's and not cd4ml's."""
    library = (sys.prefix, sys.base_prefix, str(Path(__file__).parent), "<frozen")
    return Path(filename).is_absolute() and not filename.startswith(library)
