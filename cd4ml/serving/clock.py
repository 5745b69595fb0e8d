"""Times as log and events write them."""

from __future__ import annotations

import time


class Clock:
    """Writes times in ISO 8601, in UTC and milliseconds; the text of a second is made once."""

    def __init__(self) -> None:
        self._second, self._text = -1, ""

    def text(self, time_ns: int) -> str:
        """Return a time as text."""
        second, rest = divmod(time_ns // 1_000_000, 1000)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._text}{rest:03d}Z"
