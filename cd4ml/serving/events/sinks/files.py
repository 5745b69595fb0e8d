"""Events as JSON lines: in a file that is rotated by size, or on standard output."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cd4ml.serving.events.sinks.sink import Unavailable
from cd4ml.serving.settings import SettingsError

_END: Final = b"\n"
_STDOUT: Final = 1


class _Written:
    """What sinks share that write in a thread, since a disk or a pipe may hold up whoever writes to it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, "events")

    async def start(self) -> None:
        """See Sink."""

    def write(self, text: bytes) -> None:
        """Write whole lines; runs in the thread."""
        raise NotImplementedError

    async def send(self, events: Sequence[bytes]) -> None:
        """See Sink."""
        text = _END.join(events) + _END
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self.write, text)
        except OSError as error:
            raise Unavailable(error.strerror or type(error).__name__, events) from error
        self.counts["delivered"] += len(events)

    async def close(self, seconds: float) -> None:
        """See Sink."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class Stdout(_Written):
    """Standard output. A line of up to 4 KiB is never mixed with one of another worker."""

    def write(self, text: bytes) -> None:
        """See _Written."""
        for part in _parts(text, select.PIPE_BUF):
            while part:
                try:
                    part = part[os.write(_STDOUT, part) :]
                except BlockingIOError:  # whoever started the gateway may have made it so
                    select.select([], [_STDOUT], [])


class Lines(_Written):
    """A file and the ones before it: `events.jsonl`, `events.jsonl.1`, …, each up to a size.

    Several processes may write to it: whoever writes holds a lock, writes whole lines, and looks first whether another
    has rotated the file. What a process wrote before it was killed stays a line of its own.
    """

    def __init__(self, path: Path, *, size: int, files: int) -> None:
        """Prepare.

        Args:
            size: how many bytes a file may have; an event that is larger has a file of its own.
            files: how many there may be.

        Raises:
            SettingsError: the file cannot be written.
        """
        super().__init__()
        self._path, self._size, self._files = path, size, files
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked():
                os.close(self._open())
        except OSError as error:
            raise SettingsError(f"EVENTS: {path} cannot be written: {error.strerror}") from None

    def write(self, text: bytes) -> None:
        """See _Written."""
        with self._locked():
            for part in _parts(text, self._size):
                self._append(part)

    def _append(self, text: bytes) -> None:
        """Append lines to the file, all of them or none."""
        file = self._open()
        try:
            size = os.fstat(file).st_size
            if size and size + len(text) > self._size:
                os.close(file)
                self._rotate()
                file, size = self._open(), 0
            torn = size > 0 and os.pread(file, 1, size - 1) != _END
            _write(file, (_END if torn else b"") + text, size)
        finally:
            os.close(file)

    def _open(self) -> int:
        """Return the file, opened; only who runs the gateway may read it."""
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _rotate(self) -> None:
        """Give every file the next number, and forget the last."""
        for number in range(self._files - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        if self._files == 1:
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from writing."""
        lock = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _write(file: int, text: bytes, size: int) -> None:
    """Write everything; if that fails half way, take it back."""
    rest = memoryview(text)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError:
        os.ftruncate(file, size)
        raise


def _parts(text: bytes, size: int) -> Iterator[bytes]:
    """Yield lines together, as many as fit into a size, at least one."""
    start = 0
    while start < len(text):
        end = text.rfind(_END, start, start + size) + 1 or text.find(_END, start) + 1 or len(text)
        yield text[start:end]
        start = end
