"""The rows of a search for bad slices, summed up by the cells of all columns: every slice is a sum of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.losses import errors
from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.performance.ranking import weights
from cd4ml.metrics.performance.slice_columns import Columns

Floats = npt.NDArray[np.float64]
# Cells that are counted in a table; of more, those that occur are sorted out.
_MOST_CELLS: Final = 5_000_000
_LARGEST_CODE: Final = 2**62


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The combinations of all columns' values that occur.

    Attributes:
        codes: by column, shape (m,).
        sums: by name, shape (m,): rows `n`, and of weights and losses what `means.Sums` holds.
        exact: whether sums of losses are counts of rows.
    """

    codes: Mapping[str, npt.NDArray[np.int16]]
    sums: Mapping[str, Floats]
    exact: bool

    @property
    def total(self) -> dict[str, float]:
        """The sums over all rows."""
        return {name: float(values.sum()) for name, values in self.sums.items()}


def summed_up(columns: Columns, candidate: Sample, production: Sample | None, *, numeric: bool) -> Cells:
    """Sum up rows, weights and losses by the cells of all columns together."""
    place, size, rows = _places(columns)
    loss, weight = _loss(candidate, numeric=numeric), weights(candidate)
    exact = not numeric and weight is None

    def summed(values: npt.NDArray[Any] | None) -> Floats:
        return np.bincount(place, values, minlength=size).astype(float)

    sums = {"n": summed(None), "value": summed(loss if weight is None else loss * weight)}
    if not exact:
        squares = np.ones(len(place)) if weight is None else weight * weight
        sums |= {"weight": sums["n"] if weight is None else summed(weight), "squares": summed(squares)}
        sums |= {"square_value": summed(squares * loss), "square_value_square": summed(squares * loss * loss)}
    if production is not None:
        other = _loss(production, numeric=numeric)
        sums["production"] = summed(other if weight is None else other * weight)
    return Cells(codes={name: codes[rows] for name, codes in columns.codes.items()}, sums=sums, exact=exact)


def _places(columns: Columns) -> tuple[npt.NDArray[np.int64], int, npt.NDArray[np.int64]]:
    """Return each row's cell, the number of cells, and a row of each."""
    n = len(next(iter(columns.codes.values())))
    place, size = np.zeros(n, dtype=np.int64), 1
    for name, codes in columns.codes.items():
        parts = len(columns.names[name])
        if size * parts > _LARGEST_CODE:
            place, size = _occurring(place)
        place *= parts
        place += codes
        size *= parts
    if size > _MOST_CELLS or size > 4 * n:
        place, size = _occurring(place)
    rows = np.full(size, -1)
    rows[place] = np.arange(n)
    # Cells without a row count nothing, whatever their codes.
    return place, size, rows


def _occurring(place: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], int]:
    """Number the cells that occur."""
    found, place = np.unique(place, return_inverse=True)
    return place.astype(np.int64), len(found)


def _loss(sample: Sample, *, numeric: bool) -> npt.NDArray[Any]:
    """Return the loss of each row."""
    return np.abs(errors(sample)) if numeric else np.asarray(sample.y_true != sample.y_pred)
