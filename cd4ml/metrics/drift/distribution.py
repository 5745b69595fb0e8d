"""How the values of a feature are spread, in few enough bins to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells
from cd4ml.data.profile.grids import Grid
from cd4ml.metrics.drift.distance import quantile_bins

MOST_BINS: Final = 20
MOST_CATEGORIES: Final = 12
OTHERS: Final = "others"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Shares of the rows with a usable value, by bin.

    Attributes:
        labels: the bins' values, of numbers from low to high, of categories the most frequent first; places alone
            where values may not be shown.
    """

    kind: str
    labels: Sequence[str]
    reference: Sequence[float]
    current: Sequence[float]


def distribution(reference: Cells, current: Cells, *, bins: int, values: bool) -> Distribution:
    """Return how the values are spread in the reference and now.

    Args:
        reference, current: counted in the same cells, with usable values both.
        bins: quantile bins of the reference, for numbers.
        values: whether labels may name values of the data.

    Raises:
        ValueError: samples of different kinds.
    """
    if isinstance(reference, NumberCells) and isinstance(current, NumberCells):
        starts = quantile_bins(reference.counts, min(bins, MOST_BINS))
        counts = [np.add.reduceat(cells.counts, starts).tolist() for cells in (reference, current)]
        labels = _ranges(reference.grid, starts.tolist()) if values else _places(len(starts))
        return _shares("quantiles", labels, counts[0], counts[1])
    if isinstance(reference, CategoryCells) and isinstance(current, CategoryCells):
        return _categories(reference, current, values=values)
    raise ValueError("numbers cannot be compared with categories")


def _categories(reference: CategoryCells, current: CategoryCells, *, values: bool) -> Distribution:
    """Return the most frequent categories of both samples, and all others as one."""
    names = {*reference.counts, *current.counts}
    both = {name: (reference.counts.get(name, 0), current.counts.get(name, 0)) for name in names}
    # The reference decides the order, then the name: two runs on the same data draw the same picture.
    order = sorted(both, key=lambda name: (-both[name][0], -both[name][1], name))
    shown = sorted(order, key=lambda name: -max(both[name]))[:MOST_CATEGORIES]
    kept = [name for name in order if name in shown]
    labels = kept if values else _places(len(kept))
    counts = [[both[name][side] for name in kept] for side in (0, 1)]
    if len(kept) < len(order):
        labels = [*labels, OTHERS]
        counts = [[*own, sample.n - sum(own)] for own, sample in zip(counts, (reference, current), strict=True)]
    return _shares("categories", labels, counts[0], counts[1])


def _shares(kind: str, labels: Sequence[str], reference: Sequence[int], current: Sequence[int]) -> Distribution:
    """Return counts as shares, in as many digits as a picture shows."""
    shares = [[round(count / max(1, sum(counts)), 6) for count in counts] for counts in (reference, current)]
    return Distribution(kind=kind, labels=labels, reference=shares[0], current=shares[1])


def _places(bins: int) -> list[str]:
    """Return labels that say nothing of values."""
    return [str(place) for place in range(1, bins + 1)]


def _ranges(grid: Grid, starts: Sequence[int]) -> list[str]:
    """Return the values that bins begin and end with; the first and the last are open."""
    edges = [f"{grid.lower_end(start):.4g}" for start in starts[1:]]
    if not edges:
        return ["all"]
    between = [f"{low} to {high}" for low, high in zip(edges, edges[1:], strict=False)]
    return [f"under {edges[0]}", *between, f"{edges[-1]} or more"]
