"""Two tracks over the same time: stable rows count as if they had come when the canary's did.

Without it, a canary that got its traffic at the hour of most errors would look bad, and a share of traffic that grew
would mix hours differently for each track. Rows are matched in blocks of minutes that hold enough of both tracks. A
stable row counts as many times as its block has canary rows for each stable one; that follows from the traffic alone,
not from what was answered. Rows of either track that came further than a few minutes from any of the other's are
compared with nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# Cell -> rows, by minute.
Minutes = Mapping[int, Mapping[str, float]]
# Rows of each track that a block holds before it ends.
_BLOCK: Final = 50
# Minutes between rows of both tracks that still count as of the same time.
_NEAR: Final = 5


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
        alone: canary rows at times without a stable row near, which are compared with nothing.
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
    total, minutes = _rows(canary), sum(1 for cells in canary.values() if sum(cells.values()))
    canary, stable = _near(canary, stable), _near(stable, canary)
    blocks = _blocks(canary, stable)
    rows, others = _by_block(canary, blocks), _by_block(stable, blocks)
    both = (rows > 0) & (others > 0)
    weights = np.divide(rows, others, out=np.zeros(len(rows)), where=both)
    rows, others = rows[both], others[both]
    most = float(weights.max(initial=0.0))
    compared = {minute: float(both[block]) for minute, block in blocks.items()}
    return Matched(
        labels=labels,
        canary=Counted(rows=float(rows.sum()), cells=_cells(canary, labels, compared)),
        stable=Counted(
            rows=float(others.sum()),
            cells=_cells(stable, labels, {minute: weights[block] / (most or 1.0) for minute, block in blocks.items()}),
            factor=float(others.sum() * most / rows.sum()) if most else 1.0,
        ),
        alone=round(total - float(rows.sum())),
        minutes=minutes,
    )


def unmatched(canary: Minutes) -> Matched:
    """Return rows of the canary that are held against nothing: all count, whenever they came."""
    labels = tuple(sorted({cell for cells in canary.values() for cell in cells}))
    cells = _cells(canary, labels, dict.fromkeys(canary, 1.0))
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


def _by_block(track: Minutes, blocks: Mapping[int, int]) -> Floats:
    """Return rows by block."""
    found = np.zeros(max(blocks.values(), default=-1) + 1)
    for minute, cells in track.items():
        found[blocks[minute]] += sum(cells.values())
    return found


def _cells(track: Minutes, labels: Sequence[str], weights: Mapping[int, float]) -> Floats:
    """Return rows by cell, each minute's with its weight."""
    places = {label: place for place, label in enumerate(labels)}
    found = np.zeros(len(labels))
    for minute, cells in track.items():
        for cell, rows in cells.items():
            found[places[cell]] += rows * weights[minute]
    return found


def _near(track: Minutes, other: Minutes) -> Minutes:
    """Return the minutes of a track that rows of the other one are near."""
    held = {minute for minute, cells in other.items() if sum(cells.values())}
    near = {minute + by for minute in held for by in range(-_NEAR, _NEAR + 1)}
    return {minute: cells for minute, cells in track.items() if minute in near}


def _rows(track: Minutes) -> float:
    """Return all rows of a track."""
    return sum(sum(cells.values()) for cells in track.values())
