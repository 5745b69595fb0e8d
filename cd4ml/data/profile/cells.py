"""Counting the values of columns in cells, in one pass and in little memory: what drift is computed from.

Numbers fall into a fixed grid: one cell for each value where integers span a small range, else cells of equal width
with one for what lies below them and one for what lies above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.profile.grids import Grid, Spacing, Work, fit
from cd4ml.data.tables.columns import as_array, as_label, as_numpy, bounds, parts, sample
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Counts = npt.NDArray[np.int64]

MOST_CATEGORIES: Final = 10_000
# From this share of different values on a column of categories names rows.
IDENTIFIER: Final = 0.9
# A grid whose fullest cell holds more than this is made again from the values.
_FULLEST: Final = 0.01
# Rows that are worked on at once: few enough for the processor's cache.
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, kw_only=True)
class NumberCells:
    """The values of a column of numbers.

    Attributes:
        counts: rows by cell of the grid, those on either side included, shape (cells + 2,).
        nulls, nans, infinite: rows without a usable value, by kind; part of no cell.
        fractional: whether a value was no whole number, where the grid has a cell for each whole number.
    """

    grid: Grid
    counts: Counts
    nulls: int = 0
    nans: int = 0
    infinite: int = 0
    fractional: bool = False

    @property
    def n(self) -> int:
        """Rows with a usable value."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Rows without one."""
        return self.nulls + self.nans + self.infinite

    @property
    def fullest(self) -> float:
        """The largest share of any cell that holds more than one value."""
        import numpy as np

        shared = np.where(self.grid.exact, 0, self.counts)
        return float(shared.max() / self.n) if self.n else 0.0


@dataclass(frozen=True, kw_only=True)
class CategoryCells:
    """The values of a column of categories: rows by category, and rows without one, by kind.

    Attributes:
        identifiers: rows of a column whose values are too many to count and nearly all different; then no value is
            kept, and `counts` is empty.
    """

    counts: Mapping[str, int]
    identifiers: int = 0
    nulls: int = 0
    nans: int = 0
    infinite: int = 0

    @property
    def n(self) -> int:
        """Rows with a category."""
        return sum(self.counts.values()) + self.identifiers

    @property
    def distinct(self) -> int:
        """Different values; of identifiers all are taken to be."""
        return len(self.counts) + self.identifiers

    @property
    def missing(self) -> int:
        """Rows without one."""
        return self.nulls + self.nans + self.infinite


Cells = NumberCells | CategoryCells
# Column -> its grid, or None for a column of categories.
Layout = Mapping[str, Grid | None]


def count(source: Source, layout: Layout, *, every: int = 1) -> dict[str, Cells]:
    """Count the values of columns in one pass over the table.

    Args:
        every: look at each n-th row only; 1 looks at all.

    Raises:
        OptionsError: a column of categories with too many of them, or a damaged table.
    """
    counters = Counters(layout)
    passed = dict.fromkeys(layout, 0)
    with refused(source.name):
        for name, values in parts(source, list(layout)):
            counters.add(name, values if every == 1 else _every(values, every, passed[name]))
            passed[name] += len(values)
    return counters.cells()


class Counters:
    """Counts the values of columns, which come in parts and in any order of the columns."""

    def __init__(self, layout: Layout) -> None:
        work = Work(_BLOCK)
        self._counters: dict[str, _Numbers | _Categories] = {
            name: _Categories(name) if grid is None else _Numbers(grid, work) for name, grid in layout.items()
        }

    def add(self, name: str, values: pa.Array) -> None:
        """Count a part of a column.

        Raises:
            OptionsError: a column of categories with too many of them.
        """
        self._counters[name].add(values)

    def cells(self) -> dict[str, Cells]:
        """Return what was counted of each column."""
        return {name: counter.cells() for name, counter in self._counters.items()}


def _every(values: pa.Array, every: int, passed: int) -> pa.Array:
    """Return each n-th value of a column of which so many have passed."""
    import numpy as np
    import pyarrow as pa

    return values.take(pa.array(np.arange(-passed % every, len(values), every)))


def layout_of(source: Source, numbers: Sequence[str], categories: Sequence[str]) -> dict[str, Grid | None]:
    """Return a grid for each column of numbers, from what the files say of them or from a scan."""
    found = bounds(source, numbers)
    layout: dict[str, Grid | None] = dict.fromkeys(categories)
    for name in numbers:
        low, high = found[name] or (0, 0)
        whole = source.schema[name].is_integer() or source.schema[name].is_temporal()
        layout[name] = Grid.of_integers(int(low), int(high)) if whole else Grid.linear(float(low), float(high))
    return layout


def count_and_fit(
    source: Source, numbers: Sequence[str], categories: Sequence[str], *, every: int = 1
) -> dict[str, Cells]:
    """Count the columns in grids of their own; a grid that turns out too coarse is made again from the values."""
    layout = refined_layout(source, numbers, categories)
    counted = count(source, layout, every=every)
    coarse = [name for name, cells in counted.items() if isinstance(cells, NumberCells) and cells.fullest > _FULLEST]
    if coarse:
        fitted = {name: fit(values) for name, values in sample(source, coarse).items() if len(values)}
        for name, cells in count(source, fitted, every=every).items():
            before = counted[name]
            if isinstance(cells, NumberCells) and isinstance(before, NumberCells) and cells.fullest < before.fullest:
                counted[name] = cells
    return counted


def refined_layout(source: Source, numbers: Sequence[str], categories: Sequence[str]) -> dict[str, Grid | None]:
    """Return the layout with better grids where a cheap sample shows them too coarse: counting twice is dear."""
    with refused(source.name):
        return _refined(source, layout_of(source, numbers, categories))


def _refined(source: Source, layout: dict[str, Grid | None]) -> dict[str, Grid | None]:
    """Return better grids for those that a cheap sample shows too coarse."""
    grids = {name: grid for name, grid in layout.items() if grid is not None and grid.spacing is not Spacing.EXACT}
    for name, values in sample(source, list(grids), cheap=True).items():
        if grids[name].fullest(values) > _FULLEST:
            layout[name] = min(fit(values), grids[name], key=lambda grid: grid.fullest(values))
    return layout


class _Numbers:
    """Counts numbers in a grid."""

    def __init__(self, grid: Grid, work: Work) -> None:
        import numpy as np

        self.grid, self.work = grid, work
        self.counts: Counts = np.zeros(grid.cells + 2, dtype=np.int64)
        self.nulls = self.nans = self.infinite = 0
        self.fractional = False

    def add(self, values: pa.Array) -> None:
        """Count a part of the column."""
        self.nulls += values.null_count
        numbers = as_numpy(values)
        for start in range(0, len(numbers), _BLOCK):
            self._add(numbers[start : start + _BLOCK])

    def _add(self, values: npt.NDArray[Any]) -> None:
        """Count a block."""
        import numpy as np

        if values.dtype.kind == "f":
            with np.errstate(over="ignore", invalid="ignore"):
                finite = math.isfinite(values.sum())
            if not finite:
                self.nans += int(np.isnan(values).sum())
                self.infinite += int(np.isinf(values).sum())
                values = values[np.isfinite(values)]
            if self.grid.spacing is Spacing.EXACT and not self.fractional:
                self.fractional = bool(np.any(values != np.floor(values)))
        self.counts += np.bincount(self.grid.positions(values, self.work), minlength=self.grid.cells + 2)

    def cells(self) -> NumberCells:
        """Return what was counted."""
        return NumberCells(
            grid=self.grid,
            counts=self.counts,
            nulls=self.nulls,
            nans=self.nans,
            infinite=self.infinite,
            fractional=self.fractional,
        )


class _Categories:
    """Counts categories."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[str, int] = {}
        self.nulls = self.nans = self.infinite = self.identifiers = 0

    def add(self, values: pa.Array) -> None:
        """Count a part of the column."""
        import numpy as np
        import pyarrow as pa

        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        self.nulls += encoded.null_count
        indices = as_array(encoded.indices.drop_null())
        rows = np.bincount(indices, minlength=len(encoded.dictionary))
        if self.identifiers:
            self._add_identifiers(len(indices), int(np.count_nonzero(rows)))
            return
        for value, n in zip(encoded.dictionary.to_pylist(), rows.tolist(), strict=True):
            self._add(value, n)
        if len(self.counts) > MOST_CATEGORIES:
            counted, distinct = sum(self.counts.values()), len(self.counts)
            self.counts = {}
            self._add_identifiers(counted, distinct)

    def _add_identifiers(self, rows: int, distinct: int) -> None:
        """Count rows of values that are too many to keep, if nearly all of them are different ones."""
        if distinct < IDENTIFIER * rows:
            raise OptionsError(
                f"column `{self.name}` has more than {MOST_CATEGORIES} different values: not a category",
                advice="Leave it out with `exclude`, put its values into fewer categories, or name the columns by "
                "`features`.",
            )
        self.identifiers += rows

    def _add(self, value: object, n: int) -> None:
        """Count the rows of a value."""
        if not n:
            return
        if value is None:
            self.nulls += n
        elif isinstance(value, float) and math.isnan(value):
            self.nans += n
        elif isinstance(value, float) and math.isinf(value):
            self.infinite += n
        else:
            label = as_label(value)
            self.counts[label] = self.counts.get(label, 0) + n

    def cells(self) -> CategoryCells:
        """Return what was counted."""
        return CategoryCells(
            counts=self.counts,
            identifiers=self.identifiers,
            nulls=self.nulls,
            nans=self.nans,
            infinite=self.infinite,
        )
