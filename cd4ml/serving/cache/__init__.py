"""Predictions kept in Redis: a row that was answered before is answered without the model.

Redis is never trusted and never waited for long: what it returns is checked, and slow, full, read-only or gone it costs
a request nothing but the prediction that it would have spared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from cd4ml.serving.exchange import Answers, Batch

Ask = Callable[[Batch], Awaitable[Answers]]


class Cache(Protocol):
    """What the gateway needs of a cache."""

    async def start(self) -> None:
        """Begin, before the first request."""

    async def close(self) -> None:
        """End, within the time of the drain."""

    def ready(self) -> str | None:
        """Return why the gateway is not ready without it, None if it is."""

    async def answers(self, batch: Batch, ask: Ask, *, probabilities: bool = False) -> tuple[Answers, int]:
        """Return the answers to all rows, and how many of them came from the cache."""
