"""Running git: bounded in time, silent, and gone with everything that it started."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.git import SAFE
from cd4ml.process import completed

SECONDS: Final = 120.0
# A server that sends next to nothing counts as gone; nothing goes on in the background; nobody is asked.
_CONFIG: Final = (
    *SAFE,
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
    *("-c", "push.followTags=false", "-c", "push.recurseSubmodules=no", "-c", "fetch.recurseSubmodules=no"),
    *("-c", "credential.interactive=false"),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run of git ended."""

    done: bool
    output: bytes
    complaint: str


def git(
    arguments: Sequence[str],
    directory: Path,
    environ: Mapping[str, str],
    *,
    stdin: bytes = b"",
    seconds: float = SECONDS,
) -> Outcome:
    """Run git in a folder.

    Raises:
        UnavailableError: git is missing, or does not end in time; what it started is ended with it.
    """
    try:
        ended = completed(
            ["git", *_CONFIG, "--literal-pathspecs", *arguments],
            environ=environ,
            folder=directory,
            stdin=stdin,
            seconds=seconds,
        )
    except FileNotFoundError:
        raise UnavailableError("git was not found on this machine.", advice="Install git.") from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"git {arguments[0]} did not end within {seconds:g} seconds.") from None
    complaint = ended.stderr.decode("utf-8", "replace")
    return Outcome(done=ended.returncode == 0, output=ended.stdout, complaint=complaint)
