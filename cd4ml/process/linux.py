"""What Linux knows of processes: which are below which, who takes in orphans, and who ends with its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_SET_DEATH_SIGNAL: Final = 1  # PR_* of <linux/prctl.h>
_SET_SUBREAPER: Final = 36
_GET_SUBREAPER: Final = 37
# Looked up before any fork: the child calls it when it may not load anything.
_PRCTL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def end_with(parent: int) -> Callable[[], None] | None:
    """Return what a new process does first: ask for its end at the end of its parent. None where nobody can ask."""

    def prepare() -> None:
        assert _PRCTL is not None
        _PRCTL(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the question
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare if _PRCTL else None


def subreaper() -> int:
    """Return whether orphaned descendants become children of this process."""
    value = ctypes.c_int(0)
    if _PRCTL:
        _PRCTL(_GET_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return value.value


def set_subreaper(value: int) -> None:
    """Let orphaned descendants become children of this process, or no longer."""
    if _PRCTL:
        _PRCTL(_SET_SUBREAPER, value, 0, 0, 0)


def below(root: int, without: frozenset[int] | set[int] = frozenset()) -> list[int]:
    """Return the descendants of a process, but for some of them and all that are below those."""
    if sys.platform != "linux":
        return []
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    waiting = [root]
    while waiting:
        fresh = [pid for pid in children.get(waiting.pop(), []) if pid not in without]
        found += fresh
        waiting += fresh
    return found


def _parent(pid: str) -> int | None:
    """Return the parent of a process, None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # The name stands in brackets and may hold any character.
            return int(stream.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
