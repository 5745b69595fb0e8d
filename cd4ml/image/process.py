"""Running outside programs: an argument list, a time limit, and errors that say what is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.process import completed

_TAIL: Final = 1500


def find(name: str, environ: Mapping[str, str]) -> str | None:
    """Return the path of a program on the caller's PATH."""
    return shutil.which(name, path=environ.get("PATH", ""))


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdin: str | None = None,
    seconds: float = 600,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code; in a folder, where the caller's own must not matter.

    Raises:
        UnavailableError: it cannot be started or does not end in time.
    """
    try:
        ended = completed(argv, environ=environ, folder=folder, stdin=(stdin or "").encode(), seconds=seconds)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{argv[0]} {argv[1]} did not end within {seconds:g} s.") from error
    except OSError as error:
        raise UnavailableError(f"{argv[0]} cannot be started: {error.strerror}.") from error
    return subprocess.CompletedProcess(
        ended.args, ended.returncode, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace")
    )


def require(
    argv: Sequence[str],
    environ: Mapping[str, str],
    what: str,
    *,
    stdin: str | None = None,
    seconds: float = 600,
    folder: Path | None = None,
) -> str:
    """Run a program that must succeed and return its standard output.

    Raises:
        UnavailableError: it failed; the message ends with what it said last.
    """
    result = run(argv, environ, stdin=stdin, seconds=seconds, folder=folder)
    if result.returncode != 0:
        raise UnavailableError(f"{what} ({argv[0]} ended with {result.returncode}): {tail(result)}")
    return result.stdout


def tail(result: subprocess.CompletedProcess[str]) -> str:
    """Return the end of what a program said, in one line."""
    said = (result.stderr.strip() or result.stdout.strip())[-_TAIL:]
    return " ".join(said.split())
