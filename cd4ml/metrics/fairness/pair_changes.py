"""How far the rates of every two groups lie apart, against production on the same rows: who pays for a change.

The ratio of a pair is the lower rate over the higher one, by each model for itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from cd4ml.metrics.statistics.intervals import normal_quantile
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval

if TYPE_CHECKING:
    import pandas as pd

METHOD: Final = "delta method, paired"
# Rows of a pair of groups that the models decide differently, below which the normal distribution is no guide.
FEWEST_CHANGED: Final = 10


@dataclass(frozen=True, kw_only=True)
class PairChange:
    """The ratio of two groups under two models.

    Attributes:
        lower, higher: the groups with the lower and with the higher rate under the candidate.
        n: rows of the smaller group.
        changed: rows of both groups that the models decide differently.
        candidate, production: the ratios, lower over higher rate by the model itself, in [0, 1].
        standard_error: of the difference of the ratios.
        p_value: one-sided, of the hypothesis that the ratio did not fall; of a family, once it is adjusted.
    """

    lower: str
    higher: str
    n: int
    changed: int
    candidate: float
    production: float
    standard_error: float
    p_value: float = 1.0

    @property
    def drop(self) -> float:
        """By how much the ratio fell; below 0 where the groups came closer."""
        return self.production - self.candidate

    @property
    def interval(self) -> Interval | None:
        """Return the interval of candidate minus production, two-sided 95 %; None if no decision differs."""
        half = normal_quantile((1 + CONFIDENCE) / 2) * self.standard_error
        if half == 0 or self.changed < FEWEST_CHANGED:
            return None
        ends = (-self.drop - half, -self.drop + half)
        return Interval(lower=ends[0], upper=ends[1], confidence=CONFIDENCE, method=METHOD, of="difference")

    def shown_above(self, limit: float) -> float:
        """Return the one-sided p-value of the hypothesis that the drop is at most `limit`."""
        if self.standard_error == 0 or self.changed < FEWEST_CHANGED:
            return 1.0
        return float(special.ndtr(-(self.drop - limit) / self.standard_error))


@dataclass(frozen=True, kw_only=True)
class _Decided:
    """One group's decisions by both models.

    Attributes:
        rates: selection rates of the candidate and of production.
        covariance: of the two rates, shape (2, 2).
    """

    name: str
    n: int
    changed: int
    rates: tuple[float, float]
    covariance: tuple[tuple[float, float], tuple[float, float]]


def pair_changes(counts: pd.DataFrame, names: pd.Series[str]) -> list[PairChange]:
    """Compare the ratio of every two groups under two models; pairs whose ratio is undefined for a model are left out.

    Args:
        counts: joint counts with columns `y_pred`, `production_y_pred` (0 or 1), `n`, `weight` and `squares`.
        names: the group of each count.

    Source:
        The variance is that of the rows' influences on the two ratios (delta method). A row counts for both models at
        once, so that decisions that do not change cancel out.
    """
    groups = [_decided(str(name), part) for name, part in counts.groupby(names, sort=True)]
    pairs = [_compared(*pair) for pair in combinations(groups, 2)]
    return [replace(pair, p_value=pair.shown_above(0.0)) for pair in pairs if pair is not None]


def adjusted(families: Sequence[Sequence[PairChange]]) -> list[list[PairChange]]:
    """Return the pairs of several features with p-values that hold for all of them together (Holm)."""
    p_values = iter(holm([pair.p_value for family in families for pair in family]))
    return [[replace(pair, p_value=next(p_values)) for pair in family] for family in families]


def _decided(name: str, part: pd.DataFrame) -> _Decided:
    """Return what the two models decide of a group."""
    weight, squares = part["weight"].to_numpy(dtype=float), part["squares"].to_numpy(dtype=float)
    decided = part[["y_pred", "production_y_pred"]].to_numpy(dtype=float)
    rates = weight @ decided / weight.sum()
    away = decided - rates
    covariance = (away.T * squares) @ away / weight.sum() ** 2
    differ = part["y_pred"].to_numpy() != part["production_y_pred"].to_numpy()
    (own, both), (_, other) = covariance.tolist()
    return _Decided(
        name=name,
        n=int(part["n"].sum()),
        changed=int(part["n"].to_numpy()[differ].sum()),
        rates=(float(rates[0]), float(rates[1])),
        covariance=((own, both), (both, other)),
    )


def _compared(first: _Decided, second: _Decided) -> PairChange | None:
    """Compare the ratio of two groups; None if a model selects nobody from both."""
    if any(max(first.rates[model], second.rates[model]) == 0 for model in (0, 1)):
        return None
    ratios, slopes = [], {first.name: [0.0, 0.0], second.name: [0.0, 0.0]}
    for model, sign in ((0, 1.0), (1, -1.0)):
        low, high = sorted((first, second), key=lambda group: group.rates[model])
        ratio = low.rates[model] / high.rates[model]
        ratios.append(ratio)
        slopes[low.name][model] = sign / high.rates[model]
        slopes[high.name][model] = -sign * ratio / high.rates[model]
    variance = sum(float(np.array(slopes[one.name]) @ one.covariance @ slopes[one.name]) for one in (first, second))
    lower, higher = sorted((first, second), key=lambda group: group.rates[0])
    return PairChange(
        lower=lower.name,
        higher=higher.name,
        n=min(first.n, second.n),
        changed=first.changed + second.changed,
        candidate=ratios[0],
        production=ratios[1],
        standard_error=math.sqrt(max(0.0, variance)),
    )
