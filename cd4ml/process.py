"""Processes that a run starts: bounded in time, ended as a whole, and none of them outliving it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from cd4ml.errors import Interrupted, UnavailableError

T = TypeVar("T")
Stream = int | IO[Any] | None

_SET_DEATH_SIGNAL: Final = 1  # PR_* of <linux/prctl.h>
_SET_SUBREAPER: Final = 36
_GET_SUBREAPER: Final = 37
_SECONDS_TO_END: Final = 10.0
_TOLD_TO_END: Final = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
# Looked up before any fork: the child calls it when it may not load anything.
_PRCTL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class _Delay:
    """Keeps a signal back while a program is being started: before that is done nobody could end it."""

    def __init__(self) -> None:
        """Keep nothing back."""
        self._active = False
        self._number: int | None = None

    def interrupt(self, number: int) -> None:
        """Interrupt the run, at once or when the start is done."""
        if not self._active:
            raise Interrupted(number)
        self._number = number

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Let signals wait for the end of the block; only the main thread is ever interrupted."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._active = True
        try:
            yield
        finally:
            self._active = False
            number, self._number = self._number, None
            if number is not None:
                raise Interrupted(number)


_delay: Final = _Delay()


def start(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path | str | None = None,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.PIPE,
    stderr: Stream = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own: no terminal to ask on, and a group that `end` ends as a whole.

    On Linux it ends with the thread that started it too, even if this process is killed.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(
        list(command),
        env=dict(environ),
        cwd=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        preexec_fn=_end_with(os.getpid()) if _PRCTL else None,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that `start` started, and what it left behind in its group."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def completed(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    seconds: float,
    folder: Path | str | None = None,
    stdin: bytes = b"",
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, whatever its exit code, and end what it left behind in its group.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it did not end in time.
    """
    # Files, not pipes: a daemon that it leaves behind would keep a pipe open for ever.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process: subprocess.Popen[bytes] | None = None
        try:
            with _delay.signals():
                process = start(command, environ=environ, folder=folder, stdin=subprocess.PIPE, stdout=out, stderr=err)
            process.communicate(stdin, timeout=seconds)
        finally:
            if process and process.stdin:
                end(process)
                with suppress(BrokenPipeError):
                    process.stdin.close()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(list(command), process.returncode, out.read(), err.read())


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the signals that tell a program to end into `Interrupted`, so that everything on the way out is cleaned up.

    Only the first counts: what follows must not cut the cleaning short. A signal that whoever started this process
    ignores (`nohup`) stays ignored.
    """
    told: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        if not told:
            told.append(number)
            _delay.interrupt(number)

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        before = {number: signal.getsignal(number) for number in _TOLD_TO_END}
    taken = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in taken:
            signal.signal(number, interrupt)
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


@contextmanager
def contained() -> Iterator[None]:
    """End everything that was started inside the block when it is left, however it is left.

    A program may fork twice, make a session of its own and change its name: on Linux it still becomes a child of this
    process when its own parent ends (`PR_SET_CHILD_SUBREAPER`). What was running before is left alone.

    Raises:
        UnavailableError: something that was started does not end.
    """
    before = set(_below(os.getpid(), frozenset()))
    adopted = _subreaper()
    _set_subreaper(1)
    try:
        yield
    finally:
        try:
            _end_all(before)
        finally:
            _set_subreaper(adopted)


@contextmanager
def beside(work: Callable[[], T]) -> Iterator[Future[T]]:
    """Run a function in a thread beside the block; its result is the future's.

    If the block is left by an error or a signal, the programs that the function started are ended until it gives up.
    """
    before = set(_below(os.getpid(), frozenset()))
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            yield future
        except BaseException:
            while not future.done():
                _end_all(before)
                time.sleep(0.01)
            raise


def _end_with(parent: int) -> Any:
    """Return what a new process does first: ask for its end at the end of its parent."""

    def prepare() -> None:
        assert _PRCTL is not None
        _PRCTL(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the question
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare


def _subreaper() -> int:
    """Return whether orphaned descendants become children of this process."""
    value = ctypes.c_int(0)
    if _PRCTL:
        _PRCTL(_GET_SUBREAPER, ctypes.byref(value), 0, 0, 0)
    return value.value


def _set_subreaper(value: int) -> None:
    """Let orphaned descendants become children of this process, or no longer."""
    if _PRCTL:
        _PRCTL(_SET_SUBREAPER, value, 0, 0, 0)


def _end_all(before: set[int]) -> None:
    """End every descendant that is none of those before, until there is none."""
    deadline = time.monotonic() + _SECONDS_TO_END
    while left := _below(os.getpid(), before):
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{len(left)} processes that this run started do not end (among them {left[0]}).",
                advice="End them by hand: what they still write cannot be trusted.",
            )
        time.sleep(0.005)


def _below(root: int, without: frozenset[int] | set[int]) -> list[int]:
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
