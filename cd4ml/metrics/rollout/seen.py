"""Which events were counted already: at-least-once delivery brings some twice, and a replay brings all."""

from __future__ import annotations

import numpy as np
import polars as pl
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


class Seen:
    """Remembers events by 64 bits of their id: 8 bytes a row. Two of ten million ids collide in 3 runs of a million."""

    def __init__(self) -> None:
        # Sorted runs, each at least twice as long as the next.
        self._runs: list[Hashes] = []

    def new(self, ids: pl.Series) -> npt.NDArray[np.bool_]:
        """Return which ids come for the first time, shape (rows,), and remember them."""
        hashes = ids.hash(seed=17).to_numpy()
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, dtype=bool)
        for run in self._runs:
            places = np.searchsorted(run, ordered)
            first &= run[np.minimum(places, len(run) - 1)] != ordered
        self._remember(ordered[first])
        result = np.zeros(len(ids), dtype=bool)
        result[order] = first
        return result

    def _remember(self, hashes: Hashes) -> None:
        """Add sorted hashes, merging runs of similar length."""
        if not len(hashes):
            return
        self._runs.append(hashes)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(np.sort(np.concatenate([before, last]), kind="stable"))
