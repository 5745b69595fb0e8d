"""Giving up rights, in the process that is about to become the program: what holds then, and what does not."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from cd4ml.scoring.sandbox import kernel, landlock, seccomp

MOST_PROCESSES: Final = 8192
_LARGEST_FILE: Final = 64 << 30
_HOLDS: Final = ""  # in the place of a reason why something does not hold


def confine(
    *, read: Sequence[str], write: Sequence[str], memory: int, without: str, counted: str, first: str
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Give up rights for good; return by what each protection holds, and why others do not hold.

    Args:
        read, write: the only files and folders that may be read, and written as well.
        memory: the most bytes of address space, 0 for no limit.
        without: why this process is not in namespaces of its own; empty if it is.
        counted: why those do not bound the number of processes; empty if they do.
        first: why this process is not the first to end where memory runs out; empty if it is.
    """
    limits = _limits(memory)
    privileges = _try(lambda: kernel.control(kernel.SET_NO_NEW_PRIVILEGES, 1)) or _try(kernel.drop_capabilities)
    known = landlock.version()
    tcp = without == _HOLDS  # theirs reaches nobody outside
    lock = _try(lambda: landlock.restrict(known, read=_there(read), write=_there(write), tcp=tcp))
    calls = _try(lambda: seccomp.restrict(sockets=tcp))
    return _sorted_out(
        {
            "files": {"namespaces": without, "landlock": lock or _since(landlock.FILES, known) or calls},
            "network": {"namespaces": without, "seccomp": calls},
            "other-processes": {"namespaces": without, "landlock": lock or _since(landlock.SIGNALS, known)},
            "descendants": {"namespaces": without, "subreaper": _HOLDS if kernel.LINUX else "needs Linux"},
            "privileges": {"no-new-privileges": privileges},
            "processes": {"namespaces": without or counted, "rlimit": limits["processes"]},
            "memory": {"rlimit": limits["memory"], "oom-score": first},
        }
    )


def _sorted_out(found: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return what holds each protection, and of those that nothing holds all the reasons."""
    held = {name: [what for what, why in how.items() if why == _HOLDS] for name, how in found.items()}
    missing = {
        name: "; ".join(f"{what}: {why}" for what, why in found[name].items())
        for name, mechanisms in held.items()
        if not mechanisms
    }
    return {name: mechanisms for name, mechanisms in held.items() if mechanisms}, missing


def _limits(memory: int) -> dict[str, str]:
    """Set limits on this process and what it starts; return why some do not hold."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_FSIZE, _LARGEST_FILE)
    return {
        "memory": _try(lambda: _set(resource.RLIMIT_AS, memory)) if memory else "memory-limit is not set",
        "processes": "root is not counted" if os.getuid() == 0 else _try(_limit_processes),
    }


def _set(which: int, most: int) -> None:
    """Set a limit, or leave the lower one that is there."""
    _, highest = resource.getrlimit(which)
    lower = most if highest == resource.RLIM_INFINITY else min(most, highest)
    resource.setrlimit(which, (lower, lower))


def _limit_processes() -> None:
    """Bound the processes of this user, those that run already not counted."""
    running = 0
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid():
                running += len(os.listdir(f"/proc/{name}/task"))
    _set(resource.RLIMIT_NPROC, running + MOST_PROCESSES)


def first_when_memory_runs_out() -> str:
    """Let the kernel end this process before any other where memory runs out; return why not, if that failed."""

    def ask() -> None:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
            stream.write("1000")

    return _try(ask)


def _since(wanted: int, known: int) -> str:
    """Return why the kernel's Landlock does not do, if it does not."""
    return _HOLDS if known >= wanted else f"version {known}, {wanted} is needed"


def _there(paths: Sequence[str]) -> list[str]:
    """Return the paths that exist."""
    return [path for path in paths if os.path.exists(path)]


def _try(step: Callable[[], object]) -> str:
    """Take a step; return why it failed, if it did."""
    try:
        step()
    except OSError as error:
        return error.strerror or str(error)
    return _HOLDS
