"""Grids of ordered cells that numbers are counted in.

A grid need not fit: values outside are counted as well, and what a coarse cell hides is part of the error that the
distance states. So where a grid comes from (the footer of a Parquet file, a scan, a saved profile) decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CELLS: Final = 8192
# Integers that span no more than this have a cell for each value.
MOST_INTEGERS: Final = 1 << 14


class Work:
    """Buffers that are used again: without them the system hands out fresh memory for each block, which takes longer
    than the counting."""

    def __init__(self, size: int) -> None:
        import numpy as np

        self.floats = np.empty(size, dtype=np.float64)
        self.narrow = np.empty(size, dtype=np.int32)
        self.wide = np.empty(size, dtype=np.int64)


class Spacing(StrEnum):
    """How cells lie on the line of numbers."""

    EXACT = "exact"
    LINEAR = "linear"
    ASINH = "asinh"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Ordered cells between two numbers, and one more on either side.

    Attributes:
        spacing: `exact` has a cell for each whole number from low to high; `linear` cells of equal width; `asinh`
            cells of equal width of asinh((x - center) / scale), for long tails.
        low, high: ends of the cells, on the scale of the spacing.
    """

    spacing: Spacing
    low: float
    high: float
    cells: int
    center: float = 0.0
    scale: float = 1.0

    @classmethod
    def of_integers(cls, low: int, high: int) -> Grid:
        """Return the grid with a cell for each value, or cells of equal width where those would be too many."""
        if high - low < MOST_INTEGERS and max(abs(low), abs(high)) < 2**52:
            return cls(spacing=Spacing.EXACT, low=low, high=high, cells=high - low + 1)
        return cls.linear(low, high)

    @classmethod
    def linear(cls, low: float, high: float) -> Grid:
        """Return cells of equal width; for a single value, one cell."""
        if not math.isfinite(high - low):
            low, high = low / 2, high / 2
        return cls(spacing=Spacing.LINEAR, low=float(low), high=float(high), cells=CELLS if high > low else 1)

    def fullest(self, values: npt.NDArray[Any]) -> float:
        """Return the largest share of some finite values in any cell that holds more than one value."""
        import numpy as np

        counts = np.bincount(self.positions(values), minlength=self.cells + 2)
        return float(np.where(self.exact, 0, counts).max() / len(values)) if len(values) else 0.0

    @property
    def exact(self) -> npt.NDArray[np.bool_]:
        """Whether each cell, those on either side included, holds one value only; shape (cells + 2,)."""
        import numpy as np

        one_value = self.spacing is Spacing.EXACT or self.low == self.high
        return np.array([False, *[one_value] * self.cells, False])

    def positions(self, values: npt.NDArray[Any], work: Work | None = None) -> npt.NDArray[np.int64]:
        """Return the cell of each finite value, shape (n,): 0 lies below the grid, `cells + 1` above it."""
        import numpy as np

        work = work or Work(len(values))
        n = len(values)
        steps, narrow, wide = work.floats[:n], work.narrow[:n], work.wide[:n]
        if self.spacing is Spacing.EXACT and values.dtype.kind == "i":  # less work than by way of floats
            below = int(self.low) - 1
            np.clip(values.astype(np.int64, copy=False), below, int(self.high) + 1, out=wide)
            return np.subtract(wide, below, out=wide)
        with np.errstate(over="ignore"):
            scaled = self._scaled(values, steps)
            if self.low == self.high and self.spacing is not Spacing.EXACT:
                np.sign(np.subtract(scaled, self.low, out=steps), out=steps)
                np.add(steps, 1, out=steps)
            else:
                np.subtract(scaled, self._start, out=steps)
                np.multiply(steps, self._cells_a_unit, out=steps)
        np.clip(steps, 0, self.cells + 1, out=steps)
        # By way of 32 bits: that is what processors convert many at once to.
        np.copyto(narrow, steps, casting="unsafe")
        np.copyto(wide, narrow)
        return wide

    def lower_end(self, cell: int) -> float:
        """Return the least value of a cell; 1 is the first of the grid, 0 what lies below it."""
        if self.spacing is Spacing.EXACT:
            return self.low + cell - 1
        place = self.low + (cell - 1) * (self.high - self.low) / self.cells
        if self.spacing is Spacing.ASINH:
            return self.center + self.scale * math.sinh(place)
        return place

    def _scaled(self, values: npt.NDArray[Any], out: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the values on the scale of the spacing, as 64-bit numbers; they may be written to `out`."""
        import numpy as np

        if self.spacing is Spacing.ASINH:
            np.subtract(values, self.center, out=out, dtype=np.float64)
            np.divide(out, self.scale, out=out)
            return np.arcsinh(out, out=out)
        if values.dtype == np.float64:
            return values
        np.copyto(out, values)
        return out

    @property
    def _cells_a_unit(self) -> float:
        """Cells for each unit; a little fewer than fit, so that the highest value lies in the last cell."""
        if self.spacing is Spacing.EXACT:
            return 1.0
        span = self.high - self.low
        return min(self.cells / span * (1 - 2**-40), 1e300)

    @property
    def _start(self) -> float:
        """Where the cell below the first one would begin."""
        return self.low - 1 / self._cells_a_unit


def fit(values: npt.NDArray[np.float64]) -> Grid:
    """Return the grid that spreads a sample best: over its bulk, or drawn together for long tails."""
    import numpy as np

    low, first, middle, third, high = (
        float(value) for value in np.quantile(values, [0.0005, 0.25, 0.5, 0.75, 0.9995], method="lower")
    )
    grids = [Grid.linear(low, high)] if math.isfinite(high - low) else []
    spread = third - first
    if spread > 0 and math.isfinite(spread):
        shape = Grid(spacing=Spacing.ASINH, low=0.0, high=0.0, cells=CELLS, center=middle, scale=spread / 4)
        with np.errstate(over="ignore"):
            drawn = shape._scaled(np.array([values.min(), values.max()]), np.empty(2))
        if np.isfinite(drawn).all():
            grids.append(replace(shape, low=float(drawn[0]), high=float(drawn[1])))
    tried = {grid: np.bincount(grid.positions(values), minlength=grid.cells + 2).max() for grid in grids}
    return min(tried, key=lambda grid: tried[grid]) if tried else Grid.linear(0.0, 0.0)
