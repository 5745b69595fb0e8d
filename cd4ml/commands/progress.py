"""What is said while a stage works: a line that lives on a terminal, and few lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from cd4ml.commands.door import Lasting, Stream
from cd4ml.commands.look import animated, look_of
from cd4ml.errors import Cd4mlError
from cd4ml.render.columns import cut
from cd4ml.wording import Redactor, safe

_SECONDS_ON_A_TERMINAL: Final = 1.0
_SECONDS_IN_A_LOG: Final = 30.0
_SECONDS_TO_END: Final = 1.0
_CLEARED: Final = "\r\x1b[K"


class Progress:
    """Says what a stage does, while it does it.

    A terminal gets one line with the time that has passed, written again every second and gone at the end. Everything
    else gets a line for each phase, and one every half minute of a long phase. A thread of its own keeps it moving
    while the stage is in native code; it takes no lock, so that nothing that interrupts the stage can block it.
    """

    def __init__(
        self, stage: str, stream: Stream, environ: Mapping[str, str], redactor: Redactor, *, quiet: bool = False
    ) -> None:
        """Say nothing yet."""
        self._stage = stage
        self._stream = stream
        self._redactor = redactor
        self._quiet = quiet
        self._alive = animated(stream, environ)
        self._look = look_of(stream, environ)
        self._message = ""
        self._began = self._since = self._said = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._began = time.monotonic()
        if not self._quiet:
            self._thread = threading.Thread(target=self._keep_moving, name="cd4ml-progress", daemon=True)
            self._thread.start()
            if self._alive:
                self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and leave nothing of it on a terminal."""
        self._ended.set()
        if self._thread is None:
            return
        self._thread.join(_SECONDS_TO_END)
        self._thread = None
        if self._alive:
            self._write(_CLEARED)

    def say(self, message: str) -> None:
        """Say what is done from now on, in one sentence; the same once more says nothing."""
        shown = safe(self._redactor.text(message))
        if self._quiet or shown == self._message:
            return
        self._message, self._since = shown, time.monotonic()
        self._said = self._since
        if self._alive and self._thread is not None:
            self._draw()
        else:
            self._write(f"{self._look.spelled(shown)}\n")

    def _keep_moving(self) -> None:
        """Say again what is done, until the end."""
        try:
            while not self._ended.wait(_SECONDS_ON_A_TERMINAL):
                if self._alive:
                    self._draw()
                elif time.monotonic() - self._said >= _SECONDS_IN_A_LOG:
                    self._said = time.monotonic()
                    shown = self._message or f"Running {self._stage}"
                    self._write(self._look.spelled(f"{shown} … {_told(self._said - self._since)}\n"))
        except (Cd4mlError, OSError, ValueError):  # nobody listens any more: that is no reason to end
            return

    def _draw(self) -> None:
        """Write the line again."""
        passed = _told(time.monotonic() - self._began)
        told = f"{self._stage} · {passed}" + (f" · {self._message}" if self._message else "")
        columns = self._stream.columns if isinstance(self._stream, Lasting) else None
        self._write(_CLEARED + cut(self._look.spelled(told), (columns or 80) - 1))

    def _write(self, text: str) -> None:
        """Write in one piece: two threads may speak at once."""
        self._stream.write(text)
        self._stream.flush()


def _told(seconds: float) -> str:
    """Return a time in whole seconds."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
