"""The candidate's ratio for each group against production's on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.fairness.disparity import Disparity
from cd4ml.metrics.statistics.intervals import normal_quantile
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval

if TYPE_CHECKING:
    import pandas as pd

METHOD = "delta method, paired"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One group's disparate impact ratio under two models.

    Attributes:
        candidate, production: the ratios, exact.
        drop: production minus candidate, exact; above 0 where the candidate is worse.
        interval: of the drop, two-sided 95 %; None if no row differs.
        standard_error: of the drop.
    """

    group: str
    n: int
    candidate: Fraction
    production: Fraction
    drop: Fraction
    interval: Interval | None
    standard_error: float

    def shown_above(self, limit: float) -> float:
        """Return the one-sided p-value of the hypothesis that the drop is at most `limit`."""
        above = float(self.drop) - limit
        if self.standard_error == 0:
            return 0.0 if above > 0 else 1.0
        return float(special.ndtr(-above / self.standard_error))


def ratio_changes(
    counts: pd.DataFrame, names: pd.Series[str], candidate: Sequence[Disparity], production: Sequence[Disparity]
) -> dict[str, Change]:
    """Compare the ratios of two models, row by row, for every group where both are defined.

    Args:
        counts: joint counts with columns `y_pred`, `production_y_pred` (0 or 1), `weight` and `squares`.
        names: the group of each count.
        candidate, production: the comparisons of the groups by each model.

    Source:
        The variance is that of the rows' influences on the two ratios: a row counts for both models at once, so that
        decisions that do not change cancel out.
    """
    groups = names.to_numpy()
    by_group = {one.group.name: one for one in production}
    result = {}
    for one in candidate:
        other = by_group[one.group.name]
        if one.ratio is None or other.ratio is None:
            continue
        first = _influence(counts, groups, one, counts["y_pred"].to_numpy())
        influence = first - _influence(counts, groups, other, counts["production_y_pred"].to_numpy())
        error = float(np.sqrt(counts["squares"].to_numpy(dtype=float) @ np.square(influence)))
        result[one.group.name] = _change(one, other.ratio, error)
    return result


def _influence(
    counts: pd.DataFrame, groups: npt.NDArray[Any], found: Disparity, decided: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Return what a row of each count adds to the group's ratio; 0 for the reference, whose ratio is 1."""
    influence: npt.NDArray[np.float64] = np.zeros(len(counts))
    if found.is_reference:
        return influence
    rate, best = float(found.group.selection_rate), float(found.reference.selection_rate)
    inside, against = groups == found.group.name, groups == found.reference.name
    influence[inside] = (decided[inside] - rate) / best / float(found.group.total)
    influence[against] = -rate / best**2 * (decided[against] - best) / float(found.reference.total)
    return influence


def _change(found: Disparity, production: Fraction, error: float) -> Change:
    """Return the change of one group's ratio."""
    assert found.ratio is not None
    drop, half = production - found.ratio, normal_quantile((1 + CONFIDENCE) / 2) * error
    interval = None
    if error > 0 and math.isfinite(half):
        lower, upper = float(drop) - half, float(drop) + half
        interval = Interval(lower=lower, upper=upper, confidence=CONFIDENCE, method=METHOD)
    return Change(
        group=found.group.name,
        n=found.group.n,
        candidate=found.ratio,
        production=production,
        drop=drop,
        interval=interval,
        standard_error=error,
    )
