"""What code that is not trusted tries, and restrictions of a machine under which it may be tried."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import Final

# Python source: `tries(targets)` returns by name what it got of each, or the name of the error.
TRIES: Final = '''
import glob, json, os, socket


def tries(targets):
    found = {}

    def attempt(name, what):
        try:
            found[name] = what()
        except (OSError, ValueError) as error:
            found[name] = type(error).__name__

    def leaks():
        texts = []
        for pattern in ("environ", "cmdline", "mem", "cwd/.netrc", "root/etc/shadow", "fd/*"):
            for path in glob.glob("/proc/[0-9]*/" + pattern):
                if path.split("/")[2] == str(os.getpid()) or path.endswith("cmdline") and not targets["cmdline"]:
                    continue
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                    # Of memory and of what others have open, opening it is enough.
                    got = targets["canary"].encode() if path.endswith("mem") or "/fd/" in path else b""
                    texts.append(got or os.read(descriptor, 1 << 20))
                    os.close(descriptor)
                except (OSError, ValueError):
                    pass
        return sum(targets["canary"].encode() in text for text in texts)

    def connect():
        with socket.create_connection(("127.0.0.1", targets["port"]), timeout=5):
            return "connected"

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"secret", ("127.0.0.1", targets["port"]))
            return "sent"

    def talk(address):
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(address)
            return "connected"

    def overwrite(path):
        with open(path, "a") as stream:
            return stream.write("x")

    attempt("processes", leaks)
    for number, path in enumerate(targets["read"]):
        attempt(f"read {number}", lambda: open(path).read())
    for number, path in enumerate(targets["write"]):
        attempt(f"write {number}", lambda: overwrite(path))
    attempt("tcp", connect)
    attempt("udp", send)
    attempt("unix", lambda: talk(targets["unix"]))
    attempt("abstract", lambda: talk(chr(0) + targets["abstract"]))
    attempt("vsock", lambda: bool(socket.socket(40, socket.SOCK_STREAM)))
    attempt("signal", lambda: os.kill(targets["pid"], 0))
    attempt("mode", lambda: os.chmod(targets["write"][0], 0o777))
    attempt("kernel", lambda: open("/proc/sys/kernel/core_pattern", "r+").close())
    return found


def daemon(mark):
    """Leave a process behind: two forks, a session of its own, no open file; its name is the mark."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for descriptor in range(3):
                os.close(descriptor)
            os.execv("/bin/sleep", [mark, "300"])
        os._exit(0)
'''


def running(mark: str) -> list[int]:
    """Return the processes whose command line holds the mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def without_landlock() -> None:
    """Let the kernel say to this process, and all that it starts, that it has no Landlock."""
    lines = [(0x20, 0, 0, 0)]
    for number in (444, 445, 446):
        lines += [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | 38)]
    program = b"".join(struct.pack("=HBBI", *line) for line in [*lines, (0x06, 0, 0, 0x7FFF0000)])
    buffer = ctypes.create_string_buffer(program, len(program))

    class Filter(ctypes.Structure):
        """struct sock_fprog"""

        _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]

    library = ctypes.CDLL(None, use_errno=True)
    filtered = Filter(len(program) // 8, ctypes.addressof(buffer))
    if library.prctl(38, 1, 0, 0, 0) or library.prctl(22, 2, ctypes.byref(filtered), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def without_namespaces() -> None:
    """Enter a user namespace in which no further namespace can be made, as many machines are."""
    _enter(0x10000000)
    for kind in ("mnt", "user"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")


def masked() -> None:
    """Hide a part of /proc, as containers do: a namespace can be made, but nothing mounted that shows its processes."""
    _enter(0x10020000)
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", b"/proc/sys", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")


def _enter(namespaces: int) -> None:
    """Enter namespaces of one's own, as oneself."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(namespaces):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)


def become_nobody() -> None:
    """Give up root."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


RESTRICTIONS: Final = {
    "nobody": become_nobody,
    "no-namespaces": without_namespaces,
    "no-landlock": without_landlock,
    "masked": masked,
}

if __name__ == "__main__":  # hostile.py <restriction>[,…] <command> …: run a command on a poorer machine
    first, _, others = sys.argv[1].partition(",")
    if first:
        RESTRICTIONS[first]()
        # Whoever changed the user may not touch its own /proc before it runs a program again.
        os.execv(sys.executable, [sys.executable, "-I", __file__, others, *sys.argv[2:]])
    os.execv(sys.argv[2], sys.argv[2:])
