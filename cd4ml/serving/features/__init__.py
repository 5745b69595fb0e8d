"""Features by key: a request names entities, and their features are taken from an online store.

Unlike the cache the store is needed: a row whose features cannot be had is refused, and never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cd4ml.serving.exchange import Exchange
from cd4ml.serving.features.entities import Entity
from cd4ml.serving.protocols import Body, Dialect, Question


class Features(Protocol):
    """What the gateway needs of an online store."""

    @property
    def entities(self) -> Sequence[Entity]:
        """What requests may name."""

    async def start(self) -> None:
        """Begin, before the first request."""

    async def close(self) -> None:
        """End, within the time of the drain."""

    def ready(self) -> str | None:
        """Return why the gateway is not ready without it, None if it is."""

    async def question(self, dialect: Dialect, body: Body, exchange: Exchange) -> Question:
        """Return what a request asks for, with the features of the entities that it names.

        Raises:
            Refused: it is no request, or features cannot be had.
        """
