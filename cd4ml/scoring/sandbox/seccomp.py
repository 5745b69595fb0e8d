"""A filter of system calls: what no model needs, and what neither Landlock nor namespaces refuse.

See https://docs.kernel.org/userspace-api/seccomp_filter.html.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Final

from cd4ml.scoring.sandbox.kernel import MACHINE, SET_SECCOMP, control

# Numbers of system calls: x86_64, aarch64 (None: it has no such call).
_CALLS: Final[dict[str, tuple[int | None, int | None]]] = {
    "add_key": (248, 217),
    "bpf": (321, 280),
    "io_uring_enter": (426, 426),  # opens sockets without the call `socket`
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "keyctl": (250, 219),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "userfaultfd": (323, 282),
}
# Landlock does not know of them; they change files that belong to the job's user.
_ATTRIBUTES: Final[dict[str, tuple[int | None, int | None]]] = {
    "chmod": (90, None),
    "chown": (92, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "futimesat": (261, None),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "removexattrat": (466, 466),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
}
_SOCKET: Final = (41, 198)
_FAMILIES: Final = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: namespaces divide them
_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32: Final = 0x40000000
_FILTER: Final = 2

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def restrict(*, sockets: bool) -> None:
    """Refuse these calls to this process and all that it starts. `no_new_privs` must be set.

    Args:
        sockets: whether sockets may be made (namespaces keep them inside). Where not, nothing else keeps the process
            from changing modes, owners and times of files: such a call then does nothing, and says that it did.

    Raises:
        OSError: the kernel has no such filter, or the processor is not one of those known here.
    """
    if MACHINE not in _ARCHITECTURES:
        raise OSError(f"no filter of system calls for {MACHINE}")
    program = b"".join(struct.pack("=HBBI", *line) for line in _program(sockets))
    buffer = ctypes.create_string_buffer(program, len(program))
    control(SET_SECCOMP, _FILTER, ctypes.byref(_Program(len(program) // 8, ctypes.addressof(buffer))))


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]


def _program(sockets: bool) -> list[tuple[int, int, int, int]]:
    """Return the filter's lines: operation, how many lines to skip if true and if false, operand."""
    column, architecture = _ARCHITECTURES[MACHINE]
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        _answer(errno.ENOSYS),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if column == 0:  # the numbers of the x32 interface are others
        lines += [(_AT_LEAST, 0, 1, _X32), _answer(errno.ENOSYS)]
    refused = {numbers: errno.EPERM for numbers in _CALLS.values()}
    if not sockets:
        refused |= {numbers: 0 for numbers in _ATTRIBUTES.values()} | {_SOCKET: errno.EACCES}
    for numbers, error in refused.items():
        number = numbers[column]
        if number is not None:
            lines += [(_EQUAL, 0, 1, number), _answer(error)]
    if sockets:
        lines += [(_EQUAL, 0, 2 + len(_FAMILIES), _SOCKET[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT)]
        left = len(_FAMILIES)
        for family in _FAMILIES:
            lines.append((_EQUAL, left, 0, family))
            left -= 1
        lines.append(_answer(errno.EAFNOSUPPORT))
    return [*lines, (_RETURN, 0, 0, _ALLOW)]


def _answer(error: int) -> tuple[int, int, int, int]:
    """Return the line that ends a call with an error; 0 is success without doing anything."""
    return (_RETURN, 0, 0, _ERRNO | error)
