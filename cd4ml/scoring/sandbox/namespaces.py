"""A world of its own for a process: its root folder, its processes, its network, its shared memory.

Everything that is not named is not there: `/home`, other processes, the sockets of daemons, the network. An ordinary
user may make such a world where the system allows user namespaces to everybody; root may unless a container forbids it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Final

from cd4ml.scoring.sandbox.kernel import MACHINE, call, system_call

_USER: Final = 0x10000000  # CLONE_NEW*
# Mounts, cgroups, names of the host, shared memory, processes, network.
_OTHERS: Final = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
_NO_SET_ID, _NO_DEVICES, _NO_EXECUTION = 2, 4, 8  # MS_*
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_DETACH: Final = 2
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR: Final = 442
_READ_ONLY, _BELOW_AS_WELL, _HERE = 1, 0x8000, -100
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS, IFF_UP
_MOST_PROCESSES_FILE: Final = "/proc/sys/kernel/pid_max"
_COUNTED_SINCE: Final = (6, 14)
_MOST_LINKS: Final = 40


def enter() -> None:
    """Leave the host's namespaces; the next process that this one starts is the first of a new world.

    Raises:
        OSError: the system does not allow it.
    """
    if MACHINE not in _PIVOT_ROOT:
        raise OSError(f"namespaces are not supported on {MACHINE}")
    user, group = os.getuid(), os.getgid()
    try:
        call("unshare", _USER | _OTHERS)
    except OSError:
        if user != 0:
            raise
        call("unshare", _OTHERS)  # root may have the right without a user namespace
        return
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
            stream.write(text)


def furnish(root: str, *, read: Sequence[str], write: Sequence[str], devices: Sequence[str]) -> None:
    """Make a new root folder of nothing but these paths, and enter it; called by the first process of a new world.

    Args:
        root: an empty folder on which it is made.
        read, write: absolute paths that exist, readable and writable.

    Raises:
        OSError: the system does not allow it.
    """
    call("mount", "none", "/", None, _RECURSIVE | _PRIVATE, None)
    call("mount", "tmpfs", root, "tmpfs", _NO_SET_ID | _NO_DEVICES, "mode=755,size=16m")
    os.umask(0o022)
    writable = {_place(root, path) for path in write}
    for path in sorted({_place(root, path) for path in read} | writable):
        _bind(root, path, read_only=path not in writable)
    for path in devices:
        _bind(root, _place(root, path), read_only=False)
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{root}/dev/{name}")
    _mount_new(root, "/dev/shm", "tmpfs", "mode=1777")
    _mount_new(root, "/proc", "proc", None)
    os.chdir(root)
    system_call(_PIVOT_ROOT[MACHINE], ".", ".")
    call("umount2", ".", _DETACH)
    os.chdir("/")
    _attributes("/", _READ_ONLY, below=False)


def limit_processes(most: int) -> str:
    """Bound the number of processes of this world; return why the kernel does not count them by it, if it does not."""
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < _COUNTED_SINCE:
        return "needs Linux 6.14"  # before it root would set it for the whole machine
    try:
        with open(_MOST_PROCESSES_FILE, "r+", encoding="ascii") as stream:
            host = int(stream.read())
            stream.seek(0)
            stream.write(str(min(most, host)))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def close_kernel_settings() -> None:
    """Make /proc read-only: as root, settings of the kernel are files of one's own."""
    _attributes("/proc", _READ_ONLY, below=True)


def start_loopback() -> None:
    """Let the processes of this world reach each other by 127.0.0.1, which is nobody else's."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        fcntl.ioctl(anything, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))


def _place(root: str, path: str) -> str:
    """Make the folders, and the links as they are on the host, that lead to a path; return where it really is."""
    here, left, links = PurePosixPath("/"), list(PurePosixPath(path).parts[1:]), 0
    while left:
        name = left.pop(0)
        here = here.parent if name == ".." else here / name
        if os.path.islink(here):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(f"{path}: too many links")
            target = os.readlink(here)
            if not os.path.lexists(f"{root}{here}"):
                os.symlink(target, f"{root}{here}")
            left = [part for part in PurePosixPath(target).parts if part != "/"] + left
            here = PurePosixPath("/") if target.startswith("/") else here.parent
        elif (left or os.path.isdir(here)) and not os.path.isdir(f"{root}{here}"):
            os.mkdir(f"{root}{here}")
    return str(here)


def _bind(root: str, path: str, *, read_only: bool) -> None:
    """Show a file or folder of the host at its own place."""
    target = f"{root}{path}"
    mode = os.stat(path).st_mode
    if not os.path.lexists(target):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    call("mount", path, target, None, _BIND | _RECURSIVE, None)
    device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
    _attributes(target, (_READ_ONLY if read_only else 0) | _NO_SET_ID | (0 if device else _NO_DEVICES), below=True)


def _mount_new(root: str, path: str, kind: str, options: str | None) -> None:
    """Mount a file system that is new and empty, or shows this world alone."""
    os.makedirs(f"{root}{path}", exist_ok=True)
    call("mount", kind, f"{root}{path}", kind, _NO_SET_ID | _NO_DEVICES | _NO_EXECUTION, options)


def _attributes(path: str, attributes: int, *, below: bool) -> None:
    """Set attributes of a mount, and of those below it."""
    wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    system_call(_MOUNT_SETATTR, _HERE, path, _BELOW_AS_WELL if below else 0, ctypes.byref(wanted), 32)
