"""Asking the Linux kernel for what Python 3.11 has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import Any, Final

LINUX: Final = sys.platform == "linux"
MACHINE: Final = platform.machine()
# Looked up before any fork and any change of root: later nothing may have to be loaded.
_LIBC: Final = ctypes.CDLL(None, use_errno=True)

SET_DEATH_SIGNAL: Final = 1  # PR_* of <linux/prctl.h>
GET_DUMPABLE: Final = 3
SET_DUMPABLE: Final = 4
SET_SECCOMP: Final = 22
DROP_FROM_BOUNDING_SET: Final = 24
SET_NO_NEW_PRIVILEGES: Final = 38
AMBIENT: Final = 47
_CLEAR_ALL: Final = 4
_CAPABILITIES_VERSION: Final = 0x20080522


def call(name: str, *arguments: Any) -> int:
    """Call a function of the C library.

    Raises:
        OSError: it failed, or the library has no such function.
    """
    function = getattr(_LIBC, name, None)
    if function is None:
        raise OSError(f"{name} does not exist on this system")
    result = int(function(*map(_argument, arguments)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def system_call(number: int, *arguments: Any) -> int:
    """Make a system call by its number. Raises OSError if it fails."""
    return call("syscall", number, *arguments)


def control(option: int, *arguments: Any) -> int:
    """Set or ask an attribute of this process (prctl). Raises OSError if the kernel refuses."""
    return call("prctl", option, *arguments, *[0] * (4 - len(arguments)))


def _argument(value: Any) -> Any:
    """Return a value as the C library takes it: whole numbers in the width of a register."""
    if isinstance(value, int):
        return ctypes.c_long(value)
    return os.fsencode(value) if isinstance(value, str) else value


def drop_capabilities() -> None:
    """Give up every capability, for this process and whatever it starts. Raises OSError if the kernel refuses."""
    for number in range(64):
        try:
            control(DROP_FROM_BOUNDING_SET, number)
        except OSError:  # beyond the last one, or not allowed: then no-new-privileges keeps them away
            break
    try:
        control(AMBIENT, _CLEAR_ALL)
    except OSError:  # an older kernel has none
        pass
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    call("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
