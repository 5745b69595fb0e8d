"""A column that is the target under another name: a copy of it, the same values in other words, or on another scale.

It is found row by row and in one pass: a column is dropped at the first rows that contradict it, which for nearly all
columns are the first ones.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from scipy import special

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

    Floats = npt.NDArray[np.float64]

# Beyond so many different values two columns are compared value by value, and no longer by which goes with which.
MOST_VALUES: Final = 1_000
_HEAD: Final = 2_048
# What the rounding of a change of scale leaves, as a share of the numbers.
_ROUNDING: Final = 1e-9


class Kind(StrEnum):
    """In which way a column is the target."""

    COPY = "copy"
    RECODING = "recoding"
    LINEAR = "linear"


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A column that is the target.

    Attributes:
        values: different values of the target, at least.
        p_value: chance that a column of these values that has nothing to do with the target would match it as well.
    """

    kind: Kind
    n: int
    values: int
    p_value: float


class Recoding:
    """Compares a column with the target, rows by rows."""

    def __init__(self) -> None:
        self._alive = set(Kind)
        self._pairs: dict[tuple[object, object], int] = {}
        self._line: tuple[float, float, float] | None = None
        self._n = 0

    @property
    def possible(self) -> bool:
        """Whether the column may still be the target."""
        return bool(self._alive)

    def add(self, values: pl.Series, target: pl.Series) -> None:
        """Compare some rows more; both of one length."""
        if not len(values) or not self._alive:
            return
        values, target = _plain(values), _plain(target)
        if not self._n:  # most columns end here
            self._compare(values.head(_HEAD), target.head(_HEAD))
            self._pairs.clear()
        self._n += len(values)
        self._compare(values, target)

    def _compare(self, values: pl.Series, target: pl.Series) -> None:
        """Drop the kinds that rows contradict."""
        if Kind.COPY in self._alive and not _equal(values, target):
            self._alive.discard(Kind.COPY)
        if Kind.LINEAR in self._alive and not self._on_a_line(values, target):
            self._alive.discard(Kind.LINEAR)
        if Kind.RECODING in self._alive and not self._one_to_one(values, target):
            self._alive.discard(Kind.RECODING)
            self._pairs.clear()

    def _one_to_one(self, values: pl.Series, target: pl.Series) -> bool:
        """Whether each value still goes with one of the target, and the other way round."""
        import polars as pl

        if not self._pairs and values.head(_HEAD).n_unique() != target.head(_HEAD).n_unique():
            return False
        rows = pl.DataFrame([values.alias("x"), target.alias("y")])
        counted = rows.group_by("x", "y").len()
        if counted.height > MOST_VALUES:
            return False
        for value, wanted, n in counted.iter_rows():
            key = (_key(value), _key(wanted))
            self._pairs[key] = self._pairs.get(key, 0) + n
        here, there = {key for key, _ in self._pairs}, {key for _, key in self._pairs}
        return len(self._pairs) <= MOST_VALUES and len(here) == len(there) == len(self._pairs)

    def _on_a_line(self, values: pl.Series, target: pl.Series) -> bool:
        """Whether the target is a number of times the column, plus a number."""
        import polars as pl

        if not (values.dtype.is_numeric() and target.dtype.is_numeric()):
            return False
        if not (values.is_null() == target.is_null()).all():
            return False
        x, y = (column.drop_nulls().cast(pl.Float64).to_numpy() for column in (values, target))
        if self._line is None:
            self._line = _line(x, y)
        if self._line is None:
            return not len(x)
        start, slope, base = self._line
        expected = base + slope * (x - start)
        allowed = _ROUNDING * (abs(y) + abs(slope * x) + abs(slope * start) + abs(base))
        return bool((abs(y - expected) <= allowed).all())

    def found(self) -> Copied | None:
        """Return in which way the column is the target, None if it is not, or if the target has one value only."""
        if not self._n or not self._alive:
            return None
        kind = next(kind for kind in Kind if kind in self._alive)
        if Kind.RECODING not in self._alive:  # more values than were counted: no chance explains that
            return Copied(kind=kind, n=self._n, values=MOST_VALUES, p_value=0.0)
        counts = list(self._pairs.values())
        if len(counts) < 2:
            return None
        return Copied(
            kind=kind, n=self._n, values=len(counts), p_value=match_by_chance(counts, exact=kind is Kind.COPY)
        )


def match_by_chance(counts: list[int], *, exact: bool) -> float:
    """Return the chance that a column matches the target if its values are dealt out at random.

    Of all orders of the rows, those in which every value of the column goes with one of the target again.

    Args:
        counts: rows of each value.
        exact: whether each value must go with its own, and not with one that as many rows have.

    Source:
        Fisher (1935), The Design of Experiments, chapter 3 (permutation).
    """
    orders = sum(float(special.gammaln(n + 1)) for n in counts) - float(special.gammaln(sum(counts) + 1))
    swaps = 0.0 if exact else sum(float(special.gammaln(n + 1)) for n in Counter(counts).values())
    return math.exp(min(0.0, orders + swaps))


def _plain(values: pl.Series) -> pl.Series:
    """Return categories as texts: those of two columns are numbered each in its own way."""
    import polars as pl

    return values.cast(pl.String) if values.dtype in (pl.Categorical, pl.Enum) else values


def _equal(values: pl.Series, target: pl.Series) -> bool:
    """Whether two columns hold the same, gaps in the same rows."""
    numbers = values.dtype.is_numeric() and target.dtype.is_numeric()
    if not numbers and values.dtype != target.dtype:
        return False
    return bool(values.eq_missing(target).all())


def _line(x: Floats, y: Floats) -> tuple[float, float, float] | None:
    """Return the line through the rows with the least and the greatest value: where it starts, slope and height."""
    if len(x) < 2:
        return None
    low, high = int(x.argmin()), int(x.argmax())
    if not x[high] > x[low] or not math.isfinite(x[high] - x[low]):
        return None
    slope = float((y[high] - y[low]) / (x[high] - x[low]))
    return (float(x[low]), slope, float(y[low])) if math.isfinite(slope) and slope else None


def _key(value: object) -> object:
    """Return a value that equals itself: not-a-number does not."""
    return "not a number" if isinstance(value, float) and math.isnan(value) else value
