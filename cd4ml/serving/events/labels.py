"""Track and cohort of a request, where a router says them by headers."""

from __future__ import annotations

import re
from typing import Final

from cd4ml.serving.exchange import Exchange, Headers

_LABEL: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Labels:
    """Reads the headers; what is no name of up to 64 letters, digits, dots, dashes and underscores is not taken."""

    def __init__(self, *, track_header: str, cohort_header: str) -> None:
        self._track, self._cohort = track_header.lower().encode(), cohort_header.lower().encode()
        self.read = bool(self._track or self._cohort)

    def put(self, exchange: Exchange, headers: Headers) -> None:
        """Put them into the exchange."""
        for name, value in headers:
            if name == self._track and _LABEL.fullmatch(value):
                exchange.track = value.decode()
            elif name == self._cohort and _LABEL.fullmatch(value):
                exchange.cohort = value.decode()
