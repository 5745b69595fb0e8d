"""Features that give a protected attribute away: a model that has them can treat groups differently without being told.

How much a feature tells is a number from 0 to 1: of categories Cramér's V; of numbers how well they rank one group
against all others, 2 AUC - 1 with either sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.statistics.cramers_v import cramers_v
from cd4ml.metrics.statistics.intervals import Bounds, wilson
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval

if TYPE_CHECKING:
    from cd4ml.data.predictions.crosstabs import Crosstab

# Beyond this a feature tells much: Cohen (1988) calls a V of 0.5 large, and it is an AUC of 0.75.
STRONG: Final = 0.5
# Values of fewer rows are put together: one that occurs once belongs to its group wholly, by chance.
FEWEST_ROWS: Final = 10
# Why such a feature has no number; it tells nothing.
ONE_VALUE: Final = "all rows have the same value"

Counts = npt.NDArray[np.int64]


class Measure(StrEnum):
    """What says how much a feature tells."""

    CRAMERS_V = "cramers-v"
    AUC = "auc"


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """How much a feature tells of an attribute.

    Attributes:
        value: from 0 to 1.
        interval: of the value, 95 %.
        n: rows that have a value and belong to a group of enough rows.
        group: which group numbers tell from all others best, and the area by which they do; None of categories.
        p_value: one-sided, of the hypothesis that it tells no more than the limit; of a family, once it is adjusted.
    """

    attribute: str
    feature: str
    measure: Measure
    value: float
    interval: Interval
    n: int
    group: str | None = None
    area: float | None = None
    p_value: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """What was found of one attribute.

    Attributes:
        limit: beyond which a feature tells too much, or much.
        found: of each feature, the strongest first.
        unmeasured: why nothing can be said of a feature, by its name.
        groups: those of enough rows, and the names of the others in `left_out`.
    """

    attribute: str
    limit: float
    found: Sequence[Proxy]
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ()
    left_out: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A crosstab without groups of too few rows."""

    attribute: str
    feature: str
    counts: Counts
    groups: Sequence[str]


def proxies(tables: Iterable[Crosstab], limits: Mapping[str, float], *, minimum_group_size: int) -> list[Proxies]:
    """Return how much each feature tells of each attribute; p-values hold for all of them together (Holm).

    Args:
        tables: of every feature and attribute.
        limits: of what a feature may tell, by attribute.
        minimum_group_size: rows below which a group is left out.
    """
    measured: dict[str, list[Proxy]] = {name: [] for name in limits}
    unmeasured: dict[str, dict[str, str]] = {name: {} for name in limits}
    groups: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in limits}
    for table in tables:
        sizes = table.counts.sum(axis=0)
        kept = [name for name, n in zip(table.groups, sizes, strict=True) if n >= minimum_group_size]
        if len(kept) >= len(groups[table.attribute][0]):
            groups[table.attribute] = (kept, [name for name in table.groups if name not in kept])
        found = _measured(table, sizes >= minimum_group_size, limits[table.attribute])
        if isinstance(found, str):
            unmeasured[table.attribute][table.feature] = found
        else:
            measured[table.attribute].append(found)
    adjusted = iter(holm([one.p_value for found in measured.values() for one in found]))
    together = {
        name: sorted((replace(one, p_value=next(adjusted)) for one in found), key=lambda one: -one.value)
        for name, found in measured.items()
    }
    return [
        Proxies(
            attribute=name,
            limit=limits[name],
            found=together[name],
            unmeasured=unmeasured[name],
            groups=groups[name][0],
            left_out=groups[name][1],
        )
        for name in limits
    ]


def _measured(table: Crosstab, large: npt.NDArray[np.bool_], limit: float) -> Proxy | str:
    """Return how much a feature tells, or why nothing can be said."""
    counts = table.counts[:, large]
    kept = _Table(
        attribute=table.attribute,
        feature=table.feature,
        counts=counts[counts.sum(axis=1) > 0],
        groups=[name for name, enough in zip(table.groups, large, strict=True) if enough],
    )
    if len(kept.groups) < 2:
        return "fewer than two groups have enough rows with a value"
    if len(kept.counts) < 2:
        return ONE_VALUE
    return _of_numbers(kept, limit) if table.ordered else _of_categories(kept, limit)


def _of_categories(table: _Table, limit: float) -> Proxy | str:
    """Return Cramér's V of a feature of categories."""
    rare = table.counts.sum(axis=1) < FEWEST_ROWS
    together = table.counts[rare].sum(axis=0, keepdims=True) if rare.any() else table.counts[rare]
    counts = np.concatenate([table.counts[~rare], together])
    found = cramers_v(counts) if len(counts) > 1 else None
    if found is None:
        return f"no value occurs in {FEWEST_ROWS} rows"
    return Proxy(
        attribute=table.attribute,
        feature=table.feature,
        measure=Measure.CRAMERS_V,
        value=found.value,
        interval=found.interval(CONFIDENCE).named(CONFIDENCE, "delta method of Cramér's V, bias-corrected"),
        n=int(counts.sum()),
        p_value=found.shown_above(limit),
    )


def _of_numbers(table: _Table, limit: float) -> Proxy:
    """Return how well numbers rank the group that they tell from all others best."""
    total = table.counts.sum(axis=1)
    # Of two groups one against the other says all.
    several = table.groups if len(table.groups) > 2 else table.groups[:1]
    areas = [area(table.counts[:, place], total - table.counts[:, place]) for place in range(len(several))]
    best = max(range(len(several)), key=lambda place: abs(areas[place].value - 0.5))
    found, tests = areas[best], len(several)
    bounds = found.interval(1 - (1 - CONFIDENCE) / tests)
    corrected = f", Bonferroni for {tests} groups" if tests > 1 else ""
    # A rank below one half tells as much as one above.
    p_value = min(1.0, 2 * tests * found.shown_beyond(limit))
    ends = sorted(abs(2 * end - 1) for end in (bounds.lower, bounds.upper))
    crosses = bounds.lower < 0.5 < bounds.upper
    return Proxy(
        attribute=table.attribute,
        feature=table.feature,
        measure=Measure.AUC,
        value=abs(2 * found.value - 1),
        interval=Bounds(lower=0.0 if crosses else ends[0], upper=ends[1]).named(
            CONFIDENCE, f"DeLong, Wilson{corrected}"
        ),
        n=int(total.sum()),
        group=table.groups[best],
        area=found.value,
        p_value=p_value,
    )


@dataclass(frozen=True, kw_only=True)
class Area:
    """The area under the ROC curve.

    Attributes:
        n: rows of the share that would be as uncertain.
    """

    value: float
    n: float

    def interval(self, confidence: float) -> Bounds:
        """Return the two-sided interval."""
        return wilson(self.value * self.n, self.n, confidence)

    def shown_beyond(self, limit: float) -> float:
        """Return the one-sided p-value of the hypothesis that the area lies within (1 +- limit) / 2."""
        edge = (1 + limit) / 2
        above = max(self.value, 1 - self.value) - edge
        error = math.sqrt(edge * (1 - edge) / self.n)
        return float(special.ndtr(-above / error)) if error > 0 else 1.0


def area(positive: Counts, negative: Counts) -> Area:
    """Return the area by which positive rows rank above negative ones, ties counting half.

    Args:
        positive, negative: rows by value, from the lowest to the highest, shape (m,); each has some.

    Source:
        The variance is that of DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837. It is 0 where no row is
        misplaced; the interval is that of a share of as many rows as have that variance, of the smaller sample at
        least, which is the largest variance that an area can have (Birnbaum & Klose 1957, Annals of Mathematical
        Statistics 28:933).
    """
    m, n = int(positive.sum()), int(negative.sum())
    below = (np.cumsum(negative) - negative / 2) / n
    above = 1 - (np.cumsum(positive) - positive / 2) / m
    value = float(positive @ below / m)
    spread = [float(counts @ (placed - value) ** 2) for counts, placed in ((positive, below), (negative, above))]
    variance = sum(of / max(1, size - 1) / size for of, size in zip(spread, (m, n), strict=True))
    smallest, evenly = float(min(m, n)), value * (1 - value)
    return Area(value=value, n=max(smallest, evenly / variance) if variance > 0 and evenly > 0 else smallest)
