"""The circuit breaker: whether a store is asked at all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final

_LATE: Final = 5
_RECENT: Final = 20
_SHORTEST: Final = 0.5
_LONGEST: Final = 16.0
_CALM: Final = 60.0


class Circuit(StrEnum):
    """What the breaker lets through: everything, what must show itself at once, nothing."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


class Breaker:
    """Opens without an answer, after five late ones among the last twenty, and while half open after one late one.

    It is half open once the probe in the background was answered in time, and closed after twenty good answers. Each
    time that it opens again within a minute, it stays open twice as long before it is probed.

    Attributes:
        reason: why it opened last.
        opened: how often.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = Circuit.CLOSED
        self.reason = ""
        self.opened = 0
        self.pause = _SHORTEST
        self._clock = clock
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._good = 0
        self._last_opened = -_CALM

    def good(self) -> None:
        """An answer came in time."""
        self._recent.append(False)
        if self.state is Circuit.HALF_OPEN:
            self._good += 1
            if self._good >= _RECENT:
                self.state = Circuit.CLOSED

    def late(self) -> bool:
        """An answer came late; return whether that has opened the breaker."""
        self._recent.append(True)
        enough = self.state is Circuit.HALF_OPEN or sum(self._recent) >= _LATE
        return enough and self.failed("slow answers")

    def failed(self, reason: str) -> bool:
        """No answer came; return whether that has opened the breaker."""
        if self.state is Circuit.OPEN:
            return False
        now = self._clock()
        self.pause = min(self.pause * 2, _LONGEST) if now - self._last_opened < _CALM else _SHORTEST
        self.state, self.reason, self._last_opened = Circuit.OPEN, reason, now
        self.opened += 1
        return True

    def probed(self) -> None:
        """A probe was answered in time."""
        self.state = Circuit.HALF_OPEN
        self._good = 0
        self._recent.clear()
