"""Prediction events leave the gateway in the background, through one bounded queue that no request ever waits for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Final

from cd4ml.serving.events.event import Events, count
from cd4ml.serving.events.sinks.sink import Sink, Unavailable
from cd4ml.serving.exchange import Exchange
from cd4ml.serving.runtimes import Runtime

_LOG: Final = logging.getLogger("uvicorn.error")
_MOST_AT_ONCE: Final = 100
_BYTES_AT_ONCE: Final = 64 * 1024
_LINGER: Final = 0.02
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_COMPLAINT: Final = 60.0


class Publisher:
    """Observes exchanges and publishes their events.

    An event that cannot be delivered is tried again until it can, or the gateway ends; meanwhile the queue fills, and
    what does not fit is dropped and counted.

    Attributes:
        dropped: events that never reached the sink, by reason; the sink counts its own.
    """

    def __init__(self, events: Events, sink: Sink, *, most_rows: int, most_bytes: int, drain: float) -> None:
        """Prepare.

        Args:
            most_rows, most_bytes: how many rows and bytes, of requests and of what was fetched for them, may wait.
            drain: how many seconds the end may take.
        """
        self.dropped: Counter[str] = Counter()
        self.sink = sink
        self._events, self._drain = events, drain
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._queue: deque[Exchange] = deque()
        self._rows = self._bytes = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complained = -_COMPLAINT
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return self._rows

    @property
    def counts(self) -> Counter[str]:
        """How many events were `delivered`, and `dropped-<reason>`."""
        return self.sink.counts + Counter({f"dropped-{reason}": count for reason, count in self.dropped.items()})

    def know(self, runtime: Runtime) -> None:
        """Take the model's columns, and refuse settings that name others.

        Raises:
            SettingsError: a column is unknown.
        """
        self._events.privacy.know(runtime.columns, runtime.tensors)

    def finished(self, exchange: Exchange) -> None:
        """Take note of an exchange; see Observer."""
        if not self._events.sample.has(exchange.trace_id):
            return
        rows = count(exchange)
        size = _size(exchange)
        if self._rows + rows > self._most_rows or self._bytes + size > self._most_bytes:
            self.dropped["queue-full"] += rows
            return
        self._rows += rows
        self._bytes += size
        self._queue.append(exchange)
        self._wake.set()

    async def start(self) -> None:
        """Begin; see Observer."""
        await self.sink.start()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Deliver what waits, for as long as the drain may take; see Observer."""
        end = time.monotonic() + self._drain
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=self._drain)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.dropped["shutdown"] += self._rows
        self._rows = 0
        await self.sink.close(max(0.0, end - time.monotonic()))
        if lost := {reason: count for reason, count in self.counts.items() if reason != "delivered" and count}:
            _LOG.warning("prediction events were lost: %s", lost)

    async def _run(self) -> None:
        """Publish until the end."""
        while not (self._closing and not self._queue):
            await self._wake.wait()
            self._wake.clear()
            if not self._closing:
                await asyncio.sleep(_LINGER)
            encoded = self._encoded()
            while some := _some(encoded):
                await self._deliver(some)
                await asyncio.sleep(0)

    def _encoded(self) -> Iterator[bytes]:
        """Yield the events of what waits, and take it off the queue."""
        while self._queue:
            exchange = self._queue.popleft()
            self._bytes -= _size(exchange)
            left = count(exchange)
            try:
                for event in self._events.of(exchange):
                    left -= 1
                    yield event
            except (TypeError, ValueError, LookupError, ArithmeticError) as error:
                _LOG.error("an event could not be written: %s", type(error).__name__)
                self.dropped["not-json"] += left
                self._rows -= left

    async def _deliver(self, events: Sequence[bytes]) -> None:
        """Deliver events, however often that has to be tried."""
        pause = _FIRST_PAUSE
        while events:
            try:
                await self.sink.send(events)
            except Unavailable as error:
                self._rows -= len(events) - len(error.left)
                events = error.left
                self._complain(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._rows -= len(events)
                return

    def _complain(self, error: Unavailable) -> None:
        """Say in the log that events wait, once a minute."""
        now = time.monotonic()
        if now - self._complained >= _COMPLAINT:
            self._complained = now
            _LOG.warning("prediction events wait: %s", error)


def _size(exchange: Exchange) -> int:
    """Return how many bytes an exchange counts for while it waits."""
    return exchange.bytes_in + exchange.bytes_fetched


def _some(encoded: Iterator[bytes]) -> list[bytes]:
    """Return the next events: so few that the event loop is not held up while they are made."""
    some: list[bytes] = []
    size = 0
    for event in encoded:
        some.append(event)
        size += len(event)
        if len(some) == _MOST_AT_ONCE or size >= _BYTES_AT_ONCE:
            break
    return some
