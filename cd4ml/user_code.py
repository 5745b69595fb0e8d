"""Loading and running code of the caller in a gate: what it raises is a finding, and what it prints goes nowhere."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NoReturn, TypeVar

from cd4ml.errors import USAGE, OptionsError, UnavailableError
from cd4ml.wording import installs, nearest

T = TypeVar("T")


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


def load(
    source: str,
    directory: Path,
    *,
    what: str,
    kind: str,
    may_import: str,
    installable: Mapping[str, str] = MappingProxyType({}),
    prepare: Callable[[Any], T] = lambda it: it,
) -> T:
    """Return an object of the caller's project, named as `module:object`.

    Args:
        source: the module's path with dots, a colon, and the object in it, with dots if it is in another.
        directory: the project's folder, in which or in whose `src` the module is.
        what: what the object is to be (schema, metric).
        kind: what stands behind the colon (object, function).
        may_import: what its module may import.
        installable: what it may import if that is asked for: the lock file that brings it, by module.
        prepare: what is made of the object, still as the caller's code.

    Raises:
        UnavailableError: there is no such module, or it imports one that is not installed.
        OptionsError: the source is not written so, there is no such object, or the caller's code raises.
    """
    module, separator, attribute = source.partition(":")
    if not (module and separator and attribute):
        raise OptionsError(f"{what} {source!r} is not written as module:{kind}")
    try:
        with importable(directory), user_code():
            found: Any = importlib.import_module(module)
            for name in attribute.split("."):
                if not hasattr(found, name):
                    raise _absent(found, name, f"{what} {source}")
                found = getattr(found, name)
            return prepare(found)
    except UserCodeError as error:
        if isinstance(error.__cause__, OptionsError):
            raise error.__cause__ from error
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise _missing_module(source, what, kind, may_import, installable, error) from error
        said = f"{error.raised.where}: {error.raised.text}"
        raise OptionsError(f"{what} {source} cannot be loaded: {said}") from error


def _absent(where: Any, name: str, shown: str) -> OptionsError:
    """Return the error for an object that a module or class does not have."""
    place = f"the module `{where.__name__}`" if isinstance(where, ModuleType) else f"`{type(where).__name__}`"
    return OptionsError(f"{shown}: {place} has no `{name}`{nearest(name, dir(where))}")


def _missing_module(
    source: str, what: str, kind: str, may_import: str, installable: Mapping[str, str], error: UserCodeError
) -> UnavailableError:
    """Return the error for a module that is not there, or that imports one that is not."""
    module = source.partition(":")[0]
    missing = str(getattr(error.__cause__, "name", None) or "")
    if module == missing or module.startswith(f"{missing}."):
        message = f"{what} {source}: there is no module `{missing}` in the working directory or its `src`."
        return UnavailableError(message, advice=f"Write the {what} as module:{kind}, the module's path with dots.")
    where = error.raised.where.partition(" in ")[2]
    message = f"{what} {source}: {where or module} imports `{missing}`, which is not installed where cd4ml runs."
    if missing.partition(".")[0] in installable:
        return UnavailableError(message, advice=installs(installable[missing.partition(".")[0]]))
    return UnavailableError(
        message,
        advice=f"A {what} may import {may_import} and modules of the project that need no more than these: "
        f"move what needs `{missing}` to a module that the {what} does not import.",
    )


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
