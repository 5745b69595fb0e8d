"""Signals that tell a run to end: an error on the way out, so that everything is cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cd4ml.errors import Interrupted

_TOLD_TO_END: Final = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


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
delayed: Final = _delay.signals


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
