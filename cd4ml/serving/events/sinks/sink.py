"""What every sink is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol


class Unavailable(Exception):
    """The place cannot take events now.

    Attributes:
        left: the events to be tried again.
    """

    def __init__(self, why: str, left: Sequence[bytes]) -> None:
        super().__init__(why)
        self.left = left


class Sink(Protocol):
    """A place for events.

    Attributes:
        counts: `delivered`, and `dropped-<reason>` for events that the place will never take.
    """

    counts: Counter[str]

    async def start(self) -> None:
        """Begin. That it can never work was said when it was made."""

    async def send(self, events: Sequence[bytes]) -> None:
        """Deliver events, each counted; raises Unavailable for those that are to be tried again."""

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, for so long; what is then not delivered is counted as dropped."""
