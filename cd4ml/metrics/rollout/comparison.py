"""What a canary changes: a share, a distribution, a quantile; each with bounds that hold at every look."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cd4ml.metrics.rollout import shares
from cd4ml.metrics.rollout.matching import Counted, Floats, Matched

# Nobody waits for more than this many times the rows that there are.
_MOST: Final = 2.0**20


@dataclass(frozen=True, kw_only=True)
class Levels:
    """How often each bound may be wrong, over all looks together.

    Attributes:
        harm: that the canary is worse than its limit, though it is not; shared by all findings that are judged.
        good: that it is within its limit, though it is not. All findings must be, so each has the whole of it.
    """

    harm: float
    good: float

    @property
    def confidence(self) -> float:
        """How surely both bounds hold."""
        return 1 - self.harm - self.good


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change with its bounds, in the units of what changed.

    Attributes:
        value: canary minus stable, or for a quantile canary divided by stable.
        canary, stable: what it is in each track; None where a distribution changed.
        at: where a distribution changed most.
    """

    value: float
    lower: float
    upper: float
    rows: int
    stable_rows: int
    canary: float | None = None
    stable: float | None = None
    at: str = ""

    def decided(self, limit: float) -> bool:
        """Whether it is certain on which side of the limit it lies."""
        return self.lower > limit or self.upper <= limit


def share(counted: Counted, cells: Sequence[int]) -> float:
    """Return the share of rows in some cells; not a number if there are none."""
    return float(counted.cells[list(cells)].sum() / counted.rows * counted.factor) if counted.rows else math.nan


def cells_of(both: Matched, labels: Collection[str]) -> list[int]:
    """Return the places of cells."""
    return [place for place, label in enumerate(both.labels) if label in labels]


def share_change(both: Matched, cells: Sequence[int], levels: Levels) -> Change:
    """Return the change of the share of rows in some cells, canary minus stable."""
    sums = [np.array([track.cells[list(cells)].sum()]) for track in (both.canary, both.stable)]
    low, _ = _bounds(both, sums[0], sums[1], levels.harm)
    _, high = _bounds(both, sums[0], sums[1], levels.good)
    canary, stable = share(both.canary, cells), share(both.stable, cells)
    return Change(
        value=canary - stable,
        lower=float(low[0]),
        upper=float(high[0]),
        rows=int(both.canary.rows),
        stable_rows=int(both.stable.rows),
        canary=canary,
        stable=stable,
    )


def one_share(counted: Counted, cells: Sequence[int], levels: Levels) -> Change:
    """Return the share of the canary's rows in some cells, held against nothing."""
    inside = np.array([counted.cells[list(cells)].sum()])
    return Change(
        value=share(counted, cells),
        lower=float(shares.lower(inside, counted.rows, levels.harm)[0]),
        upper=float(shares.upper(inside, counted.rows, levels.good)[0]),
        rows=int(counted.rows),
        stable_rows=0,
        canary=share(counted, cells),
    )


def paired_change(counted: Counted, lost: Sequence[int], gained: Sequence[int], levels: Levels) -> Change:
    """Return by how much the share of wrong predictions grew, where both versions predicted the same rows.

    Args:
        lost, gained: cells of the rows that only the stable version gets right, and that only the other one does.
    """
    sums = [np.array([counted.cells[list(cells)].sum()]) for cells in (lost, gained)]
    low, high = (
        shares.lower(sums[0], counted.rows, levels.harm / 2) - shares.upper(sums[1], counted.rows, levels.harm / 2),
        shares.upper(sums[0], counted.rows, levels.good / 2) - shares.lower(sums[1], counted.rows, levels.good / 2),
    )
    return Change(
        value=share(counted, lost) - share(counted, gained),
        lower=float(low[0]),
        upper=float(high[0]),
        rows=int(counted.rows),
        stable_rows=int(counted.rows),
    )


def distance(both: Matched, levels: Levels, *, ordered: bool) -> Change:
    """Return how far the distributions are apart: the largest change of any cell's share or, for ordered cells, of the
    share below any border (Kolmogorov-Smirnov's distance on the cells).
    """
    first, second = both.canary.cells, both.stable.cells
    if ordered:
        first, second = np.cumsum(first), np.cumsum(second)
    if not both.canary.rows or not both.stable.rows or not len(first):
        return Change(value=math.nan, lower=0.0, upper=1.0, rows=int(both.canary.rows), stable_rows=0)
    # Above the limit any cell may be, with either sign; within it all must be, so that none needs a correction.
    more, less = _bounds(both, first, second, levels.harm / 2 / len(first))
    least, most = _bounds(both, first, second, levels.good)
    changes = first / both.canary.rows - second / both.stable.rows * both.stable.factor
    at = int(np.abs(changes).argmax())
    return Change(
        value=float(abs(changes[at])),
        lower=max(0.0, float(more.max()), float(-less.min())),
        upper=min(1.0, max(float(most.max()), float(-least.min()))),
        rows=int(both.canary.rows),
        stable_rows=int(both.stable.rows),
        at=both.labels[at],
    )


def quantile_change(both: Matched, borders: Floats, quantile: float, levels: Levels) -> Change:
    """Return the change of a quantile, canary divided by stable.

    Args:
        borders: lower border of each cell, ascending and above 0, shape (cells + 1,): the last is the upper border of
            the last cell.

    Source:
        Howard & Ramdas (2022), "Sequential estimation of quantiles with applications to A/B testing and best-arm
        identification", Bernoulli 28:1704: the quantile is where the share above crosses 1 - quantile.
    """
    found = [_quantile(track, borders, quantile, levels) for track in (both.canary, both.stable)]
    (value, least, most, low, high), (other, other_least, other_most, other_low, other_high) = found
    return Change(
        value=value / other,
        lower=least / other_most,
        upper=high / other_low if other_low > 0 else math.inf,
        rows=int(both.canary.rows),
        stable_rows=int(both.stable.rows),
        canary=value,
        stable=other,
    )


def _quantile(
    counted: Counted, borders: Floats, quantile: float, levels: Levels
) -> tuple[float, float, float, float, float]:
    """Return a quantile, bounds for the decision that the canary is worse, and bounds for the one that it is not."""
    above = np.concatenate([np.cumsum(counted.cells[::-1])[::-1], [0.0]])
    wanted = min(1.0, (1 - quantile) / counted.factor)
    at = int(np.searchsorted(-above, -wanted * counted.rows, side="left"))
    more = shares.log_evidence(above, counted.rows, wanted, above=True)
    fewer = shares.log_evidence(above, counted.rows, wanted, above=False)
    result = [float(borders[min(at, len(borders) - 1)])]
    for alpha in (levels.harm / 2, levels.good / 2):
        surely_above = np.flatnonzero(more >= math.log(1 / alpha))
        surely_below = np.flatnonzero(fewer >= math.log(1 / alpha))
        result.append(float(borders[surely_above[-1]]) if len(surely_above) else 0.0)
        result.append(float(borders[surely_below[0]]) if len(surely_below) else math.inf)
    return (result[0], result[1], result[2], result[3], result[4])


def _bounds(both: Matched, first: Floats, second: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Return bounds of differences of shares, canary minus stable, each wrong with a chance of at most alpha.

    A half of it is each track's.
    """
    canary, stable = both.canary, both.stable
    low = shares.lower(first, canary.rows, alpha / 2) - stable.factor * shares.upper(second, stable.rows, alpha / 2)
    high = shares.upper(first, canary.rows, alpha / 2) - stable.factor * shares.lower(second, stable.rows, alpha / 2)
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def rows_needed(both: Matched, change: Callable[[Matched], Change], limit: float) -> int | None:
    """Return how many more canary rows decide, if they are like the others; None if hardly any number does."""
    high = 2.0
    while not change(both.times(high)).decided(limit):
        high *= 2
        if high > _MOST:
            return None
    low = high / 2
    for _ in range(7):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if change(both.times(middle)).decided(limit) else (middle, high)
    return math.ceil((high - 1) * both.canary.rows)
