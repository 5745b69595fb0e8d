"""Metrics of requests: how many, how answered, how fast, how large."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from cd4ml.serving.exchange import Exchange
from cd4ml.serving.telemetry.metrics.board import Page
from cd4ml.serving.telemetry.metrics.families import BATCH, BYTES, CACHED_ROWS, DURATION, REQUESTS

_SECONDS: Final = DURATION.buckets
_SUM: Final = len(DURATION.buckets) + 1
_ROWS: Final = BATCH.buckets
_ROWS_SUM: Final = len(BATCH.buckets) + 1
# Kinds of answers that are told apart; there are fewer codes than that.
_MOST_KINDS: Final = 200


class Traffic:
    """Counts requests."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._numbers = page.numbers
        self._kinds: dict[tuple[str, int, str | None], int] = {}
        self._protocols: dict[str, tuple[int, int, int]] = {}
        self._cached = page.place(CACHED_ROWS)

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        numbers, protocol, seconds = self._numbers, exchange.protocol, exchange.seconds
        kind = protocol, exchange.status, exchange.error
        numbers[self._kinds.get(kind) or self._kind(kind)] += 1.0
        places = self._protocols.get(protocol) or self._protocol(protocol)
        duration, rows, size = places
        numbers[duration + bisect_left(_SECONDS, seconds)] += 1.0
        numbers[duration + _SUM] += seconds
        numbers[size] += exchange.bytes_in
        if exchange.status == 200 and exchange.batch is not None:
            count = exchange.batch.rows
            numbers[rows + bisect_left(_ROWS, count)] += 1.0
            numbers[rows + _ROWS_SUM] += count
            if exchange.cached:
                numbers[self._cached] += exchange.cached

    def _kind(self, kind: tuple[str, int, str | None]) -> int:
        """Return the place of a kind of answers."""
        if len(self._kinds) >= _MOST_KINDS:
            return self._page.place(REQUESTS, ("other", "", "other"))
        protocol, status, code = kind
        place = self._kinds[kind] = self._page.place(REQUESTS, (protocol, str(status), code or ""))
        return place

    def _protocol(self, protocol: str) -> tuple[int, int, int]:
        """Return the places of a protocol's series."""
        name = (protocol,)
        places = self._page.place(DURATION, name), self._page.place(BATCH, name), self._page.place(BYTES, name)
        self._protocols[protocol] = places
        return places
