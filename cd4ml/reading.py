"""Reading the caller's small text files, which may be anything: a pipe, a device, gigabytes, no text."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.wording import nearest

LARGEST: Final = 10_000_000  # bytes; what people write by hand is far below
MOST_NESTED: Final = 50
# Block collections nest by indentation, or by dashes in one line.
_NESTING: Final = re.compile(r"(?P<open>[\[{])|(?P<close>[\]}])|^(?P<indent>[ -]+)", re.M)


def text_file(path: Path, *, most: int = LARGEST) -> str:
    """Return the text of a file.

    Raises:
        FileNotFoundError: there is none; what to do about that differs.
        OptionsError: it is no regular file, is larger than `most` bytes, or is no UTF-8.
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


def yaml_document(text: str, path: Path, *, aliases: bool = True, lines: bool = False) -> Any:
    """Return a YAML 1.2 document (`on` and `no` are texts there).

    Args:
        path: what messages name.
        aliases: whether `*name` is allowed; a few hundred bytes of nested ones expand to gigabytes.
        lines: whether mappings know the lines of their keys (`.lc`).

    Raises:
        OptionsError: it is invalid YAML, nested too deeply, or has a value that no setting has.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        if not aliases or _may_be_deep(text):
            _check_events(text, path, aliases=aliases)
        return (YAML(pure=True) if lines else YAML(typ="safe", pure=True)).load(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise OptionsError(f"{path}{line}: invalid YAML: {' '.join(told.split())}") from error
    except (YAMLError, RecursionError) as error:
        raise OptionsError(f"{path}: invalid YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:  # a number of thousands of digits, a day that is none
        raise OptionsError(f"{path}: invalid YAML: {' '.join(str(error).split())[:200]}") from error


def _may_be_deep(text: str) -> bool:
    """Whether a text may be nested beyond the limit; parsing to find out takes as long as reading it."""
    depth = deepest = 0
    for found in _NESTING.finditer(text):
        if found["open"]:
            depth += 1
            deepest = max(deepest, depth)
        elif found["close"]:
            depth -= 1
        else:
            deepest = max(deepest, len(found["indent"]))
    return deepest > MOST_NESTED


def _check_events(text: str, path: Path, *, aliases: bool) -> None:
    """Refuse what is nested too deeply before it is read as a whole, which takes time squared."""
    from ruamel.yaml import YAML
    from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in YAML(pure=True).parse(text):
        if isinstance(event, AliasEvent) and not aliases:
            raise OptionsError(f"{path}:{event.start_mark.line + 1}: YAML aliases are not supported")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MOST_NESTED:
            raise OptionsError(f"{path}:{event.start_mark.line + 1}: nested more than {MOST_NESTED} deep")
