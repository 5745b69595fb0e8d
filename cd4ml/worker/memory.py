"""Which events were seen, by their ids: the newest of them, in bounded memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]


class Memory:
    """The ids of at least `size` events, and of at most twice as many, as hashes of 64 bits.

    An event passes for a duplicate if its hash is by chance that of another: with 200,000 remembered, one in 10^13.
    """

    def __init__(self, size: int, older: Hashes | None = None, newer: Hashes | None = None) -> None:
        """Remember what an earlier worker remembered.

        Args:
            older, newer: sorted.
        """
        self._size = size
        self.older = _none() if older is None else older
        self.newer = _none() if newer is None else newer

    def fresh(self, events: pl.DataFrame) -> pl.DataFrame:
        """Return the events that are not remembered, each id once."""
        hashes = events["id"].hash().to_numpy()
        _, first = np.unique(hashes, return_index=True)
        known = _is_in(hashes, self.older) | _is_in(hashes, self.newer)
        mask = np.zeros(len(hashes), dtype=bool)
        mask[first] = True
        mask &= ~known
        return events if mask.all() else events.filter(pl.Series(mask))

    def remember(self, events: pl.DataFrame) -> None:
        """Take note of events."""
        if not len(events):
            return
        self.newer = np.union1d(self.newer, events["id"].hash().to_numpy())
        if len(self.newer) >= self._size:
            self.older, self.newer = self.newer, _none()


def _none() -> Hashes:
    """Return no hash."""
    return np.empty(0, dtype=np.uint64)


def _is_in(hashes: Hashes, known: Hashes) -> npt.NDArray[Any]:
    """Return which hashes are among sorted ones."""
    if not len(known):
        return np.zeros(len(hashes), dtype=bool)
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    found: npt.NDArray[Any] = known[places] == hashes
    return found
