"""Landlock: a process gives up files, TCP, signals and the sight of other processes for good; no rights are needed.

See https://docs.kernel.org/userspace-api/landlock.html. What a version of the interface does not know is not asked for.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Sequence
from typing import Final

from cd4ml.scoring.sandbox.kernel import system_call

# Versions: truncating files is refused from 3 on, signals to processes outside from 6 on.
FILES: Final = 3
SIGNALS: Final = 6

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_TRUNCATE, _DEVICE_CONTROL = 1 << 14, 1 << 15
_READ: Final = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
# How many rights to files each version knows.
_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_RIGHTS: Final = 16
_TCP: Final = 0b11
_SCOPES: Final = 0b11  # abstract sockets, signals


def version() -> int:
    """Return the version of the interface, 0 where the kernel has none or has it switched off."""
    try:
        return system_call(_CREATE, None, 0, _ASK_VERSION)
    except OSError:
        return 0


def restrict(known: int, *, read: Sequence[str], write: Sequence[str], tcp: bool) -> None:
    """Allow this process, and all that it starts, no more than these files. `no_new_privs` must be set.

    Args:
        known: the version of the interface.
        read: files and folders that may be read and executed, with all that is below.
        write: those that may be written as well.
        tcp: whether TCP is left as it is.

    Raises:
        OSError: the kernel refuses.
    """
    every = (1 << _RIGHTS.get(known, _NEWEST_RIGHTS)) - 1
    attributes = [every]
    if known >= 4:
        attributes.append(0 if tcp else _TCP)
    if known >= SIGNALS:
        attributes.append(_SCOPES)
    ruleset = system_call(_CREATE, (ctypes.c_uint64 * len(attributes))(*attributes), 8 * len(attributes), 0)
    try:
        for paths, rights in ((read, _READ), (write, every)):
            for path in paths:
                _allow(ruleset, path, rights & every)
        system_call(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


class _Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr"""

    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Add the rights to a file or to all below a folder."""
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _OF_FILES
        system_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(_Beneath(rights, parent)), 0)
    finally:
        os.close(parent)
