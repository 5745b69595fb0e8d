"""What every source gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from cd4ml.observe.events.part import Part, Place

# What lines hold: events, or labels.
Decode = Callable[[Sequence[bytes], Place], Part]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some events.

    Attributes:
        events: of the columns `READ`.
        unreadable: how many could not be read.
        places: of the first of these, with why.
    """

    events: pl.DataFrame
    unreadable: int = 0
    places: Sequence[str] = ()


def batch_of(part: Part, lines: int) -> Batch:
    """Return a part as a batch.

    Args:
        lines: that were read, empty ones left out; what is no event of them was unreadable.
    """
    places = [f"{one.place} {one.reason}" for one in part.unreadable]
    return Batch(events=part.events, unreadable=lines - len(part.events), places=places)


class Source(Protocol):
    """A place that events come from.

    Attributes:
        name: for people, without secrets.
    """

    name: str

    def read(self) -> Batch | None:
        """Return the next events, None if there are none now.

        Raises:
            UnavailableError: the place cannot be read now.
        """

    def position(self) -> Mapping[str, Any]:
        """Return how far was read, as JSON: where a worker that is given it goes on."""

    def committed(self) -> None:
        """Learn that everything read so far is counted in the state."""

    def close(self) -> None:
        """Let go of the place."""
