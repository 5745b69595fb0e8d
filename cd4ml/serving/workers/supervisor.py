"""The process that forks the workers: it replaces those that end, and drains all of them on SIGTERM.

It has one thread and no event loop, so that it can fork at any time.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from cd4ml.serving.telemetry.metrics.board import Board

_LOG: Final = logging.getLogger("cd4ml.serving.workers")
_FAILED: Final = 3
_LOOK_SECONDS: Final = 1.0
# So many workers may end within so many seconds; with one more the gateway ends, and the platform decides.
_MOST_ENDED: Final = 5
_WITHIN_SECONDS: Final = 60.0
# A worker whose event loop does nothing for so many looks is killed, as a probe of liveness would end a process.
_MOST_SILENT: Final = 30
_TAKEN: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PR_SET_PDEATHSIG: Final = 1


class Supervisor:
    """Forks one worker for each socket.

    Attributes:
        worker: in a worker, its number.
        after: in a worker that replaces another, what ended that one: `SIGKILL`, `exit-1`, `silent`.
    """

    worker = 0
    after = ""

    def __init__(self, board: Board, sockets: Sequence[socket.socket], *, drain: float) -> None:
        """Prepare.

        Args:
            drain: how many seconds the workers may take to end.
        """
        self._board, self._sockets, self._drain = board, sockets, drain
        self._processes: dict[int, int] = {}
        self._ended: deque[float] = deque()
        self._silent = [(0, 0)] * len(sockets)
        self._killed: set[int] = set()

    def run(self) -> int | None:
        """Return the exit code once every worker has ended; in a worker, return None at once."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
        due = dict.fromkeys(range(len(self._sockets)), "")
        while True:
            for worker, after in due.items():
                if not self._fork(worker, after):
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                    return None
            told = signal.sigtimedwait(_TAKEN, _LOOK_SECONDS)
            if told is not None and told.si_signo != signal.SIGCHLD:
                return self._end(0)
            due = self._replaceable()
            if self._too_many():
                _LOG.error("%d workers ended within %d s: the gateway ends", len(self._ended), _WITHIN_SECONDS)
                return self._end(_FAILED)
            if told is None:
                self._kill_silent()

    def _fork(self, worker: int, after: str) -> int:
        """Start a worker; return its process, or 0 in the worker itself."""
        process = os.fork()
        if process:
            self._processes[process] = worker
            self._silent[worker] = 0, 0
            return process
        end_with_parent()
        self.worker, self.after = worker, after
        for at, other in enumerate(self._sockets):
            if at != worker:
                other.close()
        return 0

    def _replaceable(self) -> dict[int, str]:
        """Return the workers that have ended, and what ended them."""
        ended = {}
        for process, status in _reaped():
            worker = self._processes.pop(process, None)
            if worker is None:
                continue  # whatever lost its parent becomes a child of a container's process 1
            self._board.page(worker).end()
            self._ended.append(time.monotonic())
            ended[worker] = "silent" if process in self._killed else _what_ended(status)
            _LOG.error("worker %d (process %d) has ended: %s", worker, process, ended[worker])
        return ended

    def _too_many(self) -> bool:
        """Whether workers end so often that starting them again is no remedy."""
        while self._ended and self._ended[0] < time.monotonic() - _WITHIN_SECONDS:
            self._ended.popleft()
        return len(self._ended) > _MOST_ENDED

    def _kill_silent(self) -> None:
        """Kill workers whose event loop has stopped: nothing that comes to their socket would be answered."""
        for process, worker in self._processes.items():
            beats, looks = self._silent[worker]
            now = self._board.page(worker).beats
            self._silent[worker] = now, looks + 1 if now == beats > 0 else 0
            if looks >= _MOST_SILENT and process not in self._killed:
                _LOG.error("worker %d (process %d) has done nothing for %d s", worker, process, looks)
                self._killed.add(process)
                os.kill(process, signal.SIGKILL)

    def _end(self, code: int) -> int:
        """Have all workers drain, kill those that take too long, and return the exit code."""
        # Only now do workers that close theirs end the listening.
        for one in self._sockets:
            one.close()
        self._tell(signal.SIGTERM)
        end = time.monotonic() + self._drain
        while self._processes and (left := end - time.monotonic()) > 0:
            signal.sigtimedwait(_TAKEN, min(left, _LOOK_SECONDS))
            code = self._gone() or code
        if self._processes:
            _LOG.error("%d workers did not end within %d s, and are killed", len(self._processes), self._drain)
            self._tell(signal.SIGKILL)
            code = _FAILED
        return code

    def _gone(self) -> int:
        """Take note of workers that have ended as they were told, and return the exit code if one has failed."""
        failed = 0
        for process, status in _reaped():
            if self._processes.pop(process, None) is not None and status:
                _LOG.error("process %d has ended while it drained: %s", process, _what_ended(status))
                failed = _FAILED
        return failed

    def _tell(self, number: signal.Signals) -> None:
        """Send a signal to all workers; those that have ended are not waited for yet, so that nobody else gets it."""
        for process in self._processes:
            os.kill(process, number)


def _reaped() -> list[tuple[int, int]]:
    """Return the processes that have ended, and how."""
    found = []
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(ended)
    except ChildProcessError:
        pass
    return found


def _what_ended(status: int) -> str:
    """Return what ended a process, in a word."""
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit-{code}"


def end_with_parent() -> None:
    """Have this process told to end when the one that forked it ends, however that comes."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)
