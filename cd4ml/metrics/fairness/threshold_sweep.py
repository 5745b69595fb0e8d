"""Selection rates of groups as the cut-off of the scores moves, from counts of the rows between cut-offs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from cd4ml.metrics.fairness.rates import SELECTION_RATE, Group, Proportion

if TYPE_CHECKING:
    import pandas as pd

# Cut-offs on either side of the present one within the margin, and those of the whole curve.
STEPS: Final = 10
_CURVE: Final = 19


def cut_offs(present: float, margin: float) -> list[float]:
    """Return the cut-offs that are looked at, increasing: fine ones within the margin, coarse ones from 0 to 1."""
    band = [round(present + margin * step / STEPS, 12) for step in range(-STEPS, STEPS + 1)]
    curve = [round(step / (_CURVE + 1), 12) for step in range(1, _CURVE + 1)]
    return sorted({*band, *(cut for cut in curve if abs(cut - present) > margin)})


def groups_by_cut_off(counts: pd.DataFrame, names: pd.Series[str], cuts: int) -> list[list[Group]]:
    """Return the groups with their selection rates at each cut-off, in the order of the cut-offs.

    Args:
        counts: columns `y_pred` (how many cut-offs select a row), `n`, `weight` and `squares`.
    """
    groups = [_at_each(str(name), part, cuts) for name, part in counts.groupby(names, sort=True)]
    return [list(at) for at in zip(*groups, strict=True)]


def _at_each(name: str, part: pd.DataFrame, cuts: int) -> list[Group]:
    """Return one group at each cut-off."""
    positions = part["y_pred"].to_numpy(dtype=np.int64)
    weight, squares = (
        _selected(positions, part[column].to_numpy(dtype=float), cuts) for column in ("weight", "squares")
    )
    n = int(part["n"].sum())
    return [
        Group(
            name=name,
            n=n,
            rates={
                SELECTION_RATE: Proportion(
                    successes=Fraction(weight[cut]).limit_denominator(10**9),
                    total=Fraction(weight[0]).limit_denominator(10**9),
                    squares=(squares[cut], squares[0] - squares[cut]),
                )
            },
        )
        for cut in range(1, cuts + 1)
    ]


def _selected(positions: np.ndarray[tuple[int], np.dtype[np.int64]], values: object, cuts: int) -> Sequence[float]:
    """Return the sum of the rows that at least so many cut-offs select; first that of all."""
    found = np.bincount(positions, weights=values, minlength=cuts + 1)  # type: ignore[arg-type]
    return [float(one) for one in np.cumsum(found[::-1])[::-1]]
