"""Starts a program that is not trusted, in a sandbox. Runs in a process of its own, as `python -I -S launcher.py`.

It is told on standard input what to run (JSON, see `cd4ml/scoring/sandbox/__init__.py`), and answers there what holds;
then it waits for the program and ends all that the program leaves behind. The program hears nothing of that
conversation.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

if __name__ == "__main__":  # -I and -S leave this package out
    sys.path.append(str(Path(__file__).resolve().parents[3]))

from cd4ml.errors import Interrupted
from cd4ml.process.descendants import contained
from cd4ml.process.signals import interruptible
from cd4ml.scoring.sandbox import kernel, namespaces
from cd4ml.scoring.sandbox.confine import MOST_PROCESSES, confine, first_when_memory_runs_out

_NOT_STARTED: Final = 127


def main() -> int:
    """Do what standard input says."""
    with socket.socket(fileno=os.dup(0)) as talk:
        told = json.loads(_all_of(talk))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        try:
            with interruptible(), contained():
                return _supervise(told, talk)
        except Interrupted as interrupted:
            return int(interrupted.code)


def _all_of(talk: socket.socket) -> bytes:
    """Return what the other side says, up to its end."""
    found = bytearray()
    while part := talk.recv(1 << 16):
        found += part
    return bytes(found)


def _supervise(told: Mapping[str, Any], talk: socket.socket) -> int:
    """Start the program, pass on what holds, and return its exit code."""
    if kernel.LINUX:
        # Told instead of killed: there may be descendants to end.
        kernel.control(kernel.SET_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != told["parent"]:
            return _NOT_STARTED
    if not told["without"]:
        try:
            namespaces.enter()
        except OSError as error:
            talk.sendall(json.dumps({"no_namespaces": error.strerror or str(error)}).encode() + b"\n")
            return _NOT_STARTED
    elif kernel.LINUX:
        kernel.control(kernel.SET_DUMPABLE, 0)  # the program may be of the same user, with this process in sight
    answer, tell = os.pipe()
    alive, lives = os.pipe()  # its end says that this process has ended
    pid = os.fork()
    if pid == 0:
        talk.close()  # or its end would not be heard
        _in_the_child(told, tell, (alive, lives))
    os.close(tell)
    os.close(alive)
    with os.fdopen(answer, "rb") as stream:
        talk.sendall(stream.read())
    talk.close()
    return _code(os.waitpid(pid, 0)[1])


def _code(status: int) -> int:
    """Return an exit code, as a shell tells it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _in_the_child(told: Mapping[str, Any], tell: int, life: tuple[int, int]) -> NoReturn:
    """Become the program, or the first process of its world; whatever happens, never return into the launcher."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.close(life[1])
        _end_with_parent(life[0])
        if kernel.LINUX:
            kernel.control(kernel.SET_DUMPABLE, 1)  # or its own /proc would be closed to it
        first = first_when_memory_runs_out()
        if told["without"]:
            _become(told, tell, first)
        try:
            namespaces.furnish(told["root"], read=told["read"], write=told["write"], devices=told["devices"])
        except OSError as error:
            _say(tell, {"no_namespaces": error.strerror or str(error)})
            os._exit(_NOT_STARTED)
        counted = namespaces.limit_processes(MOST_PROCESSES)
        namespaces.close_kernel_settings()
        namespaces.start_loopback()
        kernel.control(kernel.SET_DUMPABLE, 0)
        pid = os.fork()
        if pid == 0:
            _become(told, tell, first, counted)
        os.close(tell)
        _reap(pid)
    except BaseException as error:  # what is not told to the parent would be taken for the model's own failure
        with suppress(OSError):
            _say(tell, {"failed": f"{type(error).__name__}: {error}"})
        os._exit(_NOT_STARTED)


def _reap(program: int) -> NoReturn:
    """Wait for orphans until the program ends: then everything else in its world ends too."""
    while True:
        pid, status = os.wait()
        if pid == program:
            os._exit(_code(status))


def _end_with_parent(life: int) -> None:
    """Ask for the end of this process at the end of its parent; end at once if that has been."""
    if kernel.LINUX:
        kernel.control(kernel.SET_DEATH_SIGNAL, signal.SIGKILL)
    if select.select([life], [], [], 0)[0]:
        os._exit(_NOT_STARTED)


def _become(told: Mapping[str, Any], tell: int, first: str, counted: str = "") -> NoReturn:
    """Give up what the program must not have, say what holds, and become the program."""
    os.chdir(told["folder"])
    held, missing = confine(
        read=[*told["read"], "/proc"],
        write=[*told["write"], *told["devices"], "/dev/shm"],
        memory=told["memory"],
        without=told["without"],
        counted=counted,
        first=first,
    )
    _say(tell, {"held": held, "missing": missing})
    if missing and told["required"]:
        os._exit(_NOT_STARTED)
    os.execve(told["command"][0], told["command"], told["environ"])


def _say(tell: int, what: Mapping[str, Any]) -> None:
    """Tell the launcher, which passes it on."""
    os.write(tell, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
