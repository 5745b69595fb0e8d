"""Becomes another program, without network but for the loopback interface, where this machine lets it.

buildah's isolation by chroot, which is all that it has in a container, does not look at `--network none`. Its arguments
are the other program's command. Standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

_NEW_NETWORK = 0x40000000
_SET_FLAGS = 0x8914
_UP = 0x1


def main() -> None:
    """Leave the machine's network, and start the program."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) == 0:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            fcntl.ioctl(caller, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
