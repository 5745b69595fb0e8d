"""Two tracks over the same time: stable rows count as if they had come when the canary's did.

Without it, a canary that got its traffic at the hour of most errors would look bad, and a share of traffic that grew
would mix hours differently for each track. Rows are matched in blocks of minutes that hold enough of both tracks. A
stable row counts as many times as its block has canary rows for each stable one; that follows from the traffic alone,
not from what was answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Cell -> rows, by minute.
Minutes = Mapping[int, Mapping[str, float]]
# Rows of each track that a block holds before it ends.
_BLOCK: Final = 50


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Rows of one track by cell.

    Attributes:
        rows: that the bounds rest on.
        cells: rows by cell as they count, shape (cells,); at most `rows` together.
        factor: what a share of `rows` is multiplied with to be a share of the canary's time; 1 for the canary, and for
            a stable track that had the same share of traffic all the time.
    """

    rows: float
    cells: Floats
    factor: float = 1.0

    def times(self, factor: float) -> Counted:
        """Return what so many times as many rows of the same kind would be."""
        return Counted(rows=self.rows * factor, cells=self.cells * factor, factor=self.factor)


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Both tracks over the same time, in the same cells.

    Attributes:
        alone: canary rows at times without a stable row, which are compared with nothing.
        minutes: that hold canary rows.
    """

    labels: tuple[str, ...]
    canary: Counted
    stable: Counted
    alone: int = 0
    minutes: int = 0

    def times(self, factor: float) -> Matched:
        """Return what so many times as many rows of both tracks would be."""
        return Matched(
            labels=self.labels,
            canary=self.canary.times(factor),
            stable=self.stable.times(factor),
            alone=self.alone,
            minutes=self.minutes,
        )


def matched(canary: Minutes, stable: Minutes) -> Matched:
    """Match the tracks by time."""
    labels = tuple(sorted({cell for track in (canary, stable) for cells in track.values() for cell in cells}))
    blocks = _blocks(canary, stable)
    first, second = _table(canary, blocks, labels), _table(stable, blocks, labels)
    rows, others = first.sum(axis=1), second.sum(axis=1)
    both = (rows > 0) & (others > 0)
    alone = int(rows[~both].sum())
    first, second, rows, others = first[both], second[both], rows[both], others[both]
    weights = rows / others
    most = float(weights.max(initial=0.0))
    return Matched(
        labels=labels,
        canary=Counted(rows=float(rows.sum()), cells=first.sum(axis=0)),
        stable=Counted(
            rows=float(others.sum()),
            cells=(second * (weights / most)[:, None]).sum(axis=0) if most else np.zeros(len(labels)),
            factor=float(others.sum() * most / rows.sum()) if most else 1.0,
        ),
        alone=alone,
        minutes=sum(1 for cells in canary.values() if sum(cells.values())),
    )


def unmatched(canary: Minutes) -> Matched:
    """Return rows of the canary that are held against nothing: all count, whenever they came."""
    labels = tuple(sorted({cell for cells in canary.values() for cell in cells}))
    cells = _table(canary, dict.fromkeys(canary, 0), labels).sum(axis=0)
    counted = Counted(rows=float(cells.sum()), cells=cells)
    return Matched(labels=labels, canary=counted, stable=counted, minutes=len(canary))


def _blocks(canary: Minutes, stable: Minutes) -> dict[int, int]:
    """Return the block of each minute; the last takes what is too little for one of its own."""
    found: dict[int, int] = {}
    block, rows, others = 0, 0.0, 0.0
    for minute in sorted({*canary, *stable}):
        found[minute] = block
        rows += sum(canary.get(minute, {}).values())
        others += sum(stable.get(minute, {}).values())
        if rows >= _BLOCK and others >= _BLOCK:
            block, rows, others = block + 1, 0.0, 0.0
    if block and (rows or others):
        found = {minute: min(number, block - 1) for minute, number in found.items()}
    return found


def _table(track: Minutes, blocks: Mapping[int, int], labels: tuple[str, ...]) -> Floats:
    """Return rows by block and cell."""
    places = {label: place for place, label in enumerate(labels)}
    table = np.zeros((max(blocks.values(), default=-1) + 1, len(labels)))
    for minute, cells in track.items():
        for cell, rows in cells.items():
            table[blocks[minute], places[cell]] += rows
    return table
