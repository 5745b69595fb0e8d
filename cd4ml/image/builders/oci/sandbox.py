"""Running what is in an image without an engine: bubblewrap makes its files the root of a process.

The process has no network but its own loopback interface, no capability, and a root that is read-only.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cd4ml.errors import UnavailableError
from cd4ml.process.programs import NotCompletedError, completed

_PROGRAM: Final = "bwrap"
_PLACES: Final = ("proc", "dev", "tmp")
# What bubblewrap itself is started with, outside of the sandbox: an image's own variables would be orders to the
# machine's loader (LD_PRELOAD).
ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
_ADVICE: Final = "Install bubblewrap where user namespaces are allowed, or name another program with engine."


@dataclass(frozen=True, kw_only=True)
class Sandbox:
    """bubblewrap, as this machine has it."""

    program: str
    environ: Mapping[str, str] = field(repr=False)

    def command(
        self, root: Path, argv: Sequence[str], *, user: int, settings: Mapping[str, str], writable: str | None = None
    ) -> list[str]:
        """Return the command that starts a program of an image that was unpacked; it is for ENVIRONMENT.

        Args:
            settings: the program's own environment.
            writable: a folder of the image that the program may write to, with no link on the way to it.
        """
        for name in _PLACES:
            if (root / name).is_symlink():
                (root / name).unlink()
            (root / name).mkdir(exist_ok=True)
        who = ["--unshare-all", "--unshare-user", "--uid", str(user), "--gid", str(user), "--cap-drop", "ALL"]
        places = ["--ro-bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # nosec: its own
        if writable is not None:
            places += ["--bind", str(root / writable.lstrip("/")), writable]
        own = ["--clearenv"]
        for key, value in settings.items():
            own += ["--setenv", key, value]
        return [self.program, *who, "--die-with-parent", "--new-session", *places, "--chdir", "/", *own, "--", *argv]


def find_sandbox(environ: Mapping[str, str]) -> Sandbox:
    """Return what this machine has.

    Raises:
        UnavailableError: it has no bubblewrap, or one that does not work.
    """
    program = shutil.which(_PROGRAM, path=environ.get("PATH", ""))
    problem = "not on PATH" if program is None else _problem(program, environ)
    if program is None or problem is not None:
        raise UnavailableError(f"the image cannot be started without an engine ({_PROGRAM}: {problem})", advice=_ADVICE)
    return Sandbox(program=program, environ=environ)


def _problem(program: str, environ: Mapping[str, str]) -> str | None:
    """Return why it does not work here, None if it does."""
    # The machine's own files stand for an image's. What is mounted hides none of them: the folder for temporary files,
    # where a runner may keep this very Python, least of all.
    own = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm"]  # nosec: the sandbox's own
    command = [program, "--unshare-all", "--unshare-user", "--uid", "1", *own, sys.executable, "-S", "-c", ""]
    try:
        tried = completed(command, environ=environ, seconds=30)
    except NotCompletedError as error:
        return error.message
    return None if tried.done else tried.last_words(200)
