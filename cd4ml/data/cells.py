"""Counting the values of columns in cells, in one pass and in little memory: what drift is computed from.

Numbers fall into a fixed grid: one cell for each value where integers span a small range, else cells of equal width
with one for what lies below them and one for what lies above. A grid need not fit: values outside are counted as well,
and what a coarse cell hides is part of the error that the distance states. So where the grid comes from (the footer of
a Parquet file, a scan, a saved profile) decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.sources import Source, refused
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl
    import pyarrow as pa

    Counts = npt.NDArray[np.int64]

CELLS: Final = 8192
# Integers that span no more than this have a cell for each value.
MOST_INTEGERS: Final = 1 << 14
MOST_CATEGORIES: Final = 10_000
# A grid whose fullest cell holds more than this is made again from the values.
_FULLEST: Final = 0.01
_SAMPLE: Final = 100_000
# Rows that are worked on at once: few enough for the processor's cache.
_BLOCK: Final = 1 << 15
# A row group larger than this is read in parts; smaller ones are read whole, which is five times as quick.
_LARGEST_GROUP: Final = 1 << 22


class Family(StrEnum):
    """What a column's type allows to be compared."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIME = "time"
    EMPTY = "empty"
    OTHER = "other"


def family(dtype: pl.DataType) -> Family:
    """Return the family of a Polars type."""
    import polars as pl

    if dtype.is_numeric():
        return Family.NUMBER
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Family.TEXT
    if dtype == pl.Boolean:
        return Family.BOOLEAN
    if dtype.is_temporal():
        return Family.TIME
    return Family.EMPTY if dtype == pl.Null else Family.OTHER


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
        with np.errstate(over="ignore"):
            self._scale(values, steps)
            if self.low == self.high and self.spacing is not Spacing.EXACT:
                np.sign(np.subtract(steps, self.low, out=steps), out=steps)
                np.add(steps, 1, out=steps)
            else:
                np.subtract(steps, self._start, out=steps)
                np.multiply(steps, self._cells_a_unit, out=steps)
        np.clip(steps, 0, self.cells + 1, out=steps)
        # By way of 32 bits: that is what processors convert many at once to.
        np.copyto(narrow, steps, casting="unsafe")
        np.copyto(wide, narrow)
        return wide

    def _scale(self, values: npt.NDArray[Any], out: npt.NDArray[np.float64]) -> None:
        """Write the values on the scale of the spacing."""
        import numpy as np

        np.copyto(out, values)
        if self.spacing is Spacing.ASINH:
            np.subtract(out, self.center, out=out)
            np.divide(out, self.scale, out=out)
            np.arcsinh(out, out=out)

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
    """The values of a column of categories: rows by category, and rows without one, by kind."""

    counts: Mapping[str, int]
    nulls: int = 0
    nans: int = 0
    infinite: int = 0

    @property
    def n(self) -> int:
        """Rows with a category."""
        return sum(self.counts.values())

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
    work = Work(_BLOCK)
    counters: dict[str, _Numbers | _Categories] = {
        name: _Categories(name) if grid is None else _Numbers(grid, work) for name, grid in layout.items()
    }
    passed = dict.fromkeys(layout, 0)
    with refused(source.path):
        for name, values in _columns(source, list(layout)):
            counters[name].add(values if every == 1 else _every(values, every, passed[name]))
            passed[name] += len(values)
    return {name: counter.cells() for name, counter in counters.items()}


def _every(values: pa.Array, every: int, passed: int) -> pa.Array:
    """Return each n-th value of a column of which so many have passed."""
    import numpy as np
    import pyarrow as pa

    return values.take(pa.array(np.arange(-passed % every, len(values), every)))


def layout_of(source: Source, numbers: Sequence[str], categories: Sequence[str]) -> dict[str, Grid | None]:
    """Return a grid for each column of numbers, from what the files say of them or from a scan."""
    bounds = _bounds(source, numbers)
    layout: dict[str, Grid | None] = dict.fromkeys(categories)
    for name in numbers:
        low, high = bounds[name] or (0, 0)
        whole = source.schema[name].is_integer() or source.schema[name].is_temporal()
        layout[name] = Grid.of_integers(int(low), int(high)) if whole else Grid.linear(float(low), float(high))
    return layout


def count_and_fit(
    source: Source, numbers: Sequence[str], categories: Sequence[str], *, every: int = 1
) -> dict[str, Cells]:
    """Count the columns in grids of their own; a grid that turns out too coarse is made again from the values."""
    counted = count(source, layout_of(source, numbers, categories), every=every)
    coarse = [name for name, cells in counted.items() if isinstance(cells, NumberCells) and cells.fullest > _FULLEST]
    if coarse:
        fitted = {name: _fit(values) for name, values in _sample(source, coarse).items() if len(values)}
        for name, cells in count(source, fitted, every=every).items():
            before = counted[name]
            if isinstance(cells, NumberCells) and isinstance(before, NumberCells) and cells.fullest < before.fullest:
                counted[name] = cells
    return counted


def _fit(values: npt.NDArray[np.float64]) -> Grid:
    """Return the grid that spreads a sample best: over its bulk, or drawn together for long tails."""
    import numpy as np

    low, first, middle, third, high = (
        float(value) for value in np.quantile(values, [0.0005, 0.25, 0.5, 0.75, 0.9995], method="lower")
    )
    grids = [Grid.linear(low, high)] if math.isfinite(high - low) else []
    spread = third - first
    if spread > 0 and math.isfinite(spread):
        shape = Grid(spacing=Spacing.ASINH, low=0.0, high=0.0, cells=CELLS, center=middle, scale=spread / 4)
        drawn = np.empty(2)
        with np.errstate(over="ignore"):
            shape._scale(np.array([values.min(), values.max()]), drawn)
        if np.isfinite(drawn).all():
            grids.append(replace(shape, low=float(drawn[0]), high=float(drawn[1])))
    tried = {grid: np.bincount(grid.positions(values), minlength=grid.cells + 2).max() for grid in grids}
    return min(tried, key=lambda grid: tried[grid]) if tried else Grid.linear(0.0, 0.0)


def _columns(source: Source, names: Sequence[str]) -> Iterator[tuple[str, pa.Array]]:
    """Yield the parts of columns, each value once."""
    import pyarrow.parquet as pq

    if not names:
        return
    inside = source.kind == "parquet" and set(names) <= set(pq.read_schema(source.files[0]).names)
    if not inside:
        for frame in source.lazy().select(names).collect_batches(chunk_size=1 << 17, maintain_order=True):
            for name in names:
                yield name, frame[name].to_arrow()
        return
    for path in source.files:
        texts = [name for name in names if family(source.schema[name]) is Family.TEXT]
        # Row groups are read column by column: little memory, and no buffer of what lies ahead.
        with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                for name in names:
                    yield from ((name, part) for part in _parts(file, group, name))


def _parts(file: Any, group: int, name: str) -> Iterator[pa.Array]:
    """Yield a column of a row group, in parts if it is large."""
    if file.metadata.row_group(group).num_rows > _LARGEST_GROUP:
        for batch in file.iter_batches(batch_size=1 << 20, row_groups=[group], columns=[name], use_threads=False):
            yield batch.column(0)
        return
    yield from file.read_row_group(group, columns=[name], use_threads=False).column(0).chunks


def _bounds(source: Source, names: Sequence[str]) -> dict[str, tuple[Any, Any] | None]:
    """Return the lowest and highest finite value of columns of numbers, None for a column without any."""
    found = _footers(source, names) if source.kind == "parquet" else {}
    unknown = [name for name in names if name not in found]
    if unknown:
        finite = {name: _finite(name, source.schema[name]) for name in unknown}
        wanted = [
            expression
            for index, name in enumerate(unknown)
            for expression in (finite[name].min().alias(f"low{index}"), finite[name].max().alias(f"high{index}"))
        ]
        with refused(source.path):
            row = source.lazy().select(wanted).collect(engine="streaming").row(0, named=True)
        for index, name in enumerate(unknown):
            low, high = row[f"low{index}"], row[f"high{index}"]
            found[name] = None if low is None or high is None else (low, high)
    return found


def _finite(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the finite values of a column, as `_as_numpy` has them."""
    import polars as pl

    column = pl.col(name)
    if dtype.is_float():
        return column.filter(column.is_finite())
    if dtype == pl.Duration:
        return column.dt.total_microseconds()
    if dtype == pl.Time:
        return column.to_physical() // 1000
    if dtype.is_temporal():
        return column.dt.epoch("us")
    return column if dtype.is_integer() else column.cast(pl.Float64)


def _footers(source: Source, names: Sequence[str]) -> dict[str, tuple[Any, Any] | None]:
    """Return the bounds of columns of which all row groups state finite ones."""
    import pyarrow.parquet as pq

    plain = [name for name in names if source.schema[name].is_float() or source.schema[name].is_integer()]
    lows: dict[str, list[Any]] = {name: [] for name in plain}
    highs: dict[str, list[Any]] = {name: [] for name in plain}
    silent: set[str] = set()
    for path in source.files:
        metadata = pq.read_metadata(path)
        for group in (metadata.row_group(index) for index in range(metadata.num_row_groups)):
            for column in (group.column(index) for index in range(group.num_columns)):
                name, statistics = column.path_in_schema, column.statistics
                if name not in lows or (statistics and statistics.null_count == column.num_values == group.num_rows):
                    continue
                if statistics is None or not statistics.has_min_max:
                    silent.add(name)
                    continue
                lows[name].append(statistics.min)
                highs[name].append(statistics.max)
    return {
        name: (min(lows[name]), max(highs[name]))
        for name in plain
        if lows[name] and name not in silent and all(map(math.isfinite, (*lows[name], *highs[name])))
    }


def _sample(source: Source, names: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """Return finite values of columns from all over the table: for laying out a grid, never for a verdict."""
    import numpy as np

    step = max(1, source.rows // _SAMPLE)
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for name, values in _columns(source, names):
        numbers = _as_numpy(values)[::step].astype(np.float64)
        parts[name].append(numbers[np.isfinite(numbers)])
    return {name: np.concatenate([np.empty(0), *found]) for name, found in parts.items()}


def _as_numpy(values: pa.Array) -> npt.NDArray[Any]:
    """Return the values of a column of numbers or times (in microseconds) without its nulls."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(values.type):
        return np.empty(0)
    kept = values.drop_null() if values.null_count else values
    if pa.types.is_decimal(kept.type):
        kept = kept.cast(pa.float64())
    elif pa.types.is_time(kept.type):
        kept = kept.cast(pa.time64("us"), safe=False).cast(pa.int64())
    elif pa.types.is_duration(kept.type):
        kept = kept.cast(pa.duration("us"), safe=False).cast(pa.int64())
    elif pa.types.is_temporal(kept.type):
        kept = kept.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    elif pa.types.is_dictionary(kept.type):
        kept = pc.cast(kept, kept.type.value_type)
    numbers: npt.NDArray[Any] = kept.to_numpy()
    return numbers


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
        numbers = _as_numpy(values)
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
        self.nulls = self.nans = self.infinite = 0

    def add(self, values: pa.Array) -> None:
        """Count a part of the column."""
        import numpy as np
        import pyarrow as pa

        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        self.nulls += encoded.null_count
        indices = encoded.indices.drop_null().to_numpy()
        rows = np.bincount(indices, minlength=len(encoded.dictionary))
        for value, n in zip(encoded.dictionary.to_pylist(), rows.tolist(), strict=True):
            self._add(value, n)
        if len(self.counts) > MOST_CATEGORIES:
            raise OptionsError(
                f"column `{self.name}` has more than {MOST_CATEGORIES} different values: no category",
                advice="An identifier does not drift: leave it out by `exclude`, or name the columns by `features`.",
            )

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
        return CategoryCells(counts=self.counts, nulls=self.nulls, nans=self.nans, infinite=self.infinite)


def as_label(value: object) -> str:
    """Return a category as people write it: 1 of one table is the 1.0 of another."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
