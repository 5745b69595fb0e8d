"""Writing to Redis in the background: a bounded queue, and no request that waits for it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final

from cd4ml.serving.cache.client import Client
from cd4ml.serving.stores.lookups import FAILURES

_MOST: Final = 10_000
_AT_ONCE: Final = 200
_SECONDS: Final = 1.0
# A server that is full, read-only or gone is left alone for so long.
_PAUSE: Final = 1.0


class Writes:
    """Writes values; what cannot be written is counted and forgotten."""

    def __init__(self, client: Client, *, seconds: int, counts: Counter[str]) -> None:
        """Prepare.

        Args:
            seconds: after how many Redis forgets a value.
        """
        self._client, self._seconds, self._counts = client, seconds, counts
        self._values: dict[bytes, bytes] = {}
        self._writer: asyncio.Task[None] | None = None
        self._paused = 0.0

    def put(self, key: bytes, value: bytes) -> None:
        """Have a value written."""
        if time.monotonic() < self._paused:
            self._counts["not-written-paused"] += 1
        elif len(self._values) >= _MOST:
            self._counts["not-written-queue-full"] += 1
        else:
            self._values[key] = value
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._write())

    async def close(self, seconds: float) -> None:
        """Write what is left, for so long."""
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=seconds)
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        """Write until nothing is left."""
        while self._values:
            some = {key: self._values.pop(key) for key in list(self._values)[:_AT_ONCE]}
            try:
                async with asyncio.timeout(_SECONDS):
                    refused = await self._client.put(some, self._seconds)
            except FAILURES:
                refused = ["unanswered"] * len(some)
            self._counts["written"] += len(some) - len(refused)
            self._counts.update(f"not-written-{reason}" for reason in refused)
            if refused:
                self._paused = time.monotonic() + _PAUSE
                self._counts["not-written-paused"] += len(self._values)
                self._values.clear()
