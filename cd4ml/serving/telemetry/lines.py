"""Lines written without waiting: a bounded queue, and a thread that writes whatever stands in it."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from typing import Final

# What is written to a pipe at once, up to this size, never mixes with the lines of another process.
LONGEST: Final = min(select.PIPE_BUF, 4096)
_MOST_BYTES: Final = 4 * 1024 * 1024
# How long a line waits for others, so that the thread is not woken for each.
_GATHER: Final = 0.02


class Lines:
    """Writes lines to a file descriptor. Whoever reads slowly, or not at all, loses lines; nobody waits.

    Attributes:
        written: lines that were written; `dropped`: lines that were too many or could not be written.
    """

    def __init__(self, descriptor: int = 2, *, most: int = _MOST_BYTES) -> None:
        self.written = self.dropped = 0
        self._descriptor, self._most = descriptor, most
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write, in this process."""
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written, which ends in a line feed; from any thread."""
        with self._lock:
            if self._bytes + len(line) > self._most:
                self.dropped += 1
                return
            self._bytes += len(line)
            self._queue.append(line)
            if len(self._queue) > 1:
                return
        self._wake.set()

    def close(self, seconds: float = 1.0) -> None:
        """Write what is left, for at most so long."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        """Write until the end."""
        while True:
            self._wake.wait()
            if not self._closing:
                time.sleep(_GATHER)
            self._wake.clear()
            while chunk := self._chunk():
                try:
                    self._write(b"".join(chunk))
                except OSError:
                    self.dropped += len(chunk)
                else:
                    self.written += len(chunk)
            if self._closing:
                return

    def _chunk(self) -> list[bytes]:
        """Return the next lines that are written at once."""
        chunk: list[bytes] = []
        size = 0
        with self._lock:
            while self._queue and (not chunk or size + len(self._queue[0]) <= LONGEST):
                chunk.append(self._queue.popleft())
                size += len(chunk[-1])
            self._bytes -= size
        return chunk

    def _write(self, data: bytes) -> None:
        """Write all of it, however long the reader takes."""
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                select.select((), (self._descriptor,), (), 1.0)


class LinesAtOnce:
    """Writes each line as it comes, without a thread; a line that nobody is ready to read is lost."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor

    def put(self, line: bytes) -> None:
        """Write a line, which ends in a line feed."""
        try:
            _, ready, _ = select.select((), (self._descriptor,), (), 0)
            if ready:
                os.write(self._descriptor, line)
        except OSError:
            pass
