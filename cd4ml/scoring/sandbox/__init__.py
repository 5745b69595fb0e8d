"""A sandbox for programs that are not trusted, of whatever the machine offers, and the word on what it holds.

On Linux, in this order and each as far as the system allows it: namespaces (a root folder of nothing but what is named,
processes and network of their own), Landlock (files, TCP, signals and the sight of other processes), a filter of system
calls, no new privileges, no capabilities, limits. No rights and no programs are needed. Elsewhere only limits.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.process.programs import STDOUT, Process, end, start
from cd4ml.scoring.sandbox import kernel

# What each protection promises of the program and all that it starts.
PROTECTIONS: Final = {
    "files": "it reads no files but its environment, the model, the rows, cd4ml's code and the system's own, and "
    "writes to its own folder alone",
    "network": "it has no network",
    "other-processes": "it neither sees nor signals other processes",
    "descendants": "no process of it outlives the run",
    "privileges": "it gains no privileges",
    "processes": "the number of its processes is bounded",
    "memory": "its memory is bounded, or it ends before others where memory runs out",
}
_LAUNCHER: Final = Path(__file__).with_name("launcher.py")
_SECONDS_TO_START: Final = 60.0
_SYSTEM: Final = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/sys", "/opt/rocm", "/nix/store", "/gnu/store"),
    *("/etc/alternatives", "/etc/crypto-policies", "/etc/fonts", "/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf"),
    *("/etc/ld.so.conf.d", "/etc/localtime", "/etc/machine-info", "/etc/mime.types", "/etc/nsswitch.conf"),
    *("/etc/os-release", "/etc/passwd", "/etc/pki/tls/openssl.cnf", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
    *("/etc/timezone", "/home/linuxbrew/.linuxbrew"),
)
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_ACCELERATORS: Final = ("/dev/nvidia*", "/dev/dri", "/dev/kfd", "/dev/dxg")


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where a program runs.

    Attributes:
        read: files and folders that it may read beside those of the system, with all that is below.
        own: its folder: the working directory, and all that it may write to.
        root: an empty folder that it does not see.
    """

    read: Sequence[Path]
    own: Path
    root: Path


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """What holds: for each protection by which mechanisms, or why none does."""

    held: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def interpreter_files(interpreter: Path) -> list[Path]:
    """Return what an environment's Python needs to run: the environment, and the Python that it was made from."""
    environment = interpreter.parent.parent
    home = re.search(r"^home\s*=\s*(.+)$", (environment / "pyvenv.cfg").read_text(encoding="utf-8"), re.M)
    # Not its whole folder, which may be somebody's home.
    base = Path(home[1].strip()).parent if home else Path(sys.base_prefix)
    return [environment, interpreter, *(base / name for name in ("bin", "lib", "lib64"))]


@contextmanager
def started(
    command: Sequence[str], *, room: Room, environ: Mapping[str, str], memory: int = 0, required: bool = False
) -> Iterator[tuple[Process, Isolation]]:
    """Start a program in a sandbox; yield its process, whose output is to be read, and what holds.

    When the block is left, it ends.

    Args:
        memory: the most bytes of address space; 0 for no limit.
        required: start nothing unless every protection holds.

    Raises:
        UnavailableError: it could not be started.
    """
    told = {
        "command": list(command),
        "environ": dict(environ),
        "folder": str(room.own),
        "read": _there([*_SYSTEM, *map(str, room.read)]),
        "write": [str(room.own)],
        "devices": _there([*_DEVICES, *(path for pattern in _ACCELERATORS for path in sorted(glob(pattern)))]),
        "root": str(room.root),
        "memory": memory,
        "required": required,
        "parent": os.getpid(),
    }
    with _unreadable():
        process, isolation = _launched(told)
        try:
            yield process, isolation
        finally:
            end(process)


def _there(paths: Sequence[str]) -> list[str]:
    """Return the paths that exist."""
    return [path for path in paths if os.path.exists(path)]


def _launched(told: Mapping[str, Any]) -> tuple[Process, Isolation]:
    """Start the launcher, again without namespaces if there can be none."""
    without = "" if kernel.LINUX else "needs Linux"
    while True:
        process, answer = _asked({**told, "without": without})
        if "held" in answer and "failed" not in answer:
            return process, Isolation(held=answer["held"], missing=answer["missing"])
        end(process)
        assert process.stdout is not None
        with process.stdout as stream:
            words = stream.read()[-800:]
        if without or "no_namespaces" not in answer:
            raise UnavailableError(f"The model's process could not be started: {_why(words, answer)}.")
        without = answer["no_namespaces"] or "refused"


def _asked(told: Mapping[str, Any]) -> tuple[Process, dict[str, Any]]:
    """Start a launcher, tell it what to run, and return what it says of that."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-I", "-S", str(_LAUNCHER)]
            process = start(command, environ={}, stdin=theirs.fileno(), stderr=STDOUT)
        try:
            ours.settimeout(_SECONDS_TO_START)
            ours.sendall(json.dumps(told).encode())
            ours.shutdown(socket.SHUT_WR)
            with ours.makefile("rb") as stream:
                lines = stream.read().splitlines()
            return process, {key: value for line in lines for key, value in json.loads(line).items()}
        except OSError as error:
            end(process)
            return process, {"failed": str(error)}
        except BaseException:
            end(process)
            raise


def _why(words: bytes, answer: Mapping[str, Any]) -> str:
    """Return why nothing was started."""
    told = str(answer["failed"]) if "failed" in answer else " ".join(words.decode("utf-8", "replace").split())
    return told or "its launcher ended without a message"


@contextmanager
def _unreadable() -> Iterator[None]:
    """Hide this process's memory and environment from other processes of its user that have no more rights than it."""
    before = 1
    with suppress(OSError):
        before = kernel.control(kernel.GET_DUMPABLE)
        kernel.control(kernel.SET_DUMPABLE, 0)
    try:
        yield
    finally:
        with suppress(OSError):
            kernel.control(kernel.SET_DUMPABLE, before)
