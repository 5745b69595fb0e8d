"""How sure the rates of groups are, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from cd4ml.metrics.fairness.rates import Group, Proportion
from cd4ml.metrics.statistics.intervals import Bounds, newcombe, wilson
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval


def widest_interval(groups: Sequence[Group], rate: str, families: int = 1) -> Interval | None:
    """Return the interval of the highest minus the lowest rate; None where the rate is undefined for a group.

    The two groups are chosen by the data, and the largest of many differences is large by chance. The interval is one
    of a set that holds for all pairs of groups together.

    Args:
        families: number of rates of which this one is the widest.

    Source:
        Newcombe (1998), Statistics in Medicine 17:873, with Bonferroni's correction for the pairs.
    """
    if any(group.rates[rate].value is None for group in groups) or len(groups) < 2:
        return None
    ordered = sorted(groups, key=lambda group: group.rates[rate].value or 0)
    pairs = families * sum(1 for _ in combinations(groups, 2))
    bounds = newcombe(ordered[-1].rates[rate].counts, ordered[0].rates[rate].counts, 1 - (1 - CONFIDENCE) / pairs)
    corrected = f", Bonferroni for {pairs} comparisons" if pairs > 1 else ""
    lower, upper = max(0.0, bounds.lower), min(1.0, bounds.upper)
    return Interval(lower=lower, upper=upper, confidence=CONFIDENCE, method=f"Newcombe{corrected}")


def rate_intervals(groups: Sequence[Group]) -> dict[str, dict[str, Bounds | None]]:
    """Return the interval of each rate by group, of 95 % by Wilson; None where a group has no rows for a rate."""
    return {group.name: {name: _interval(rate) for name, rate in group.rates.items()} for group in groups}


def _interval(rate: Proportion) -> Bounds | None:
    """Return the interval of a rate, of the unweighted sample that would be as uncertain."""
    return None if rate.value is None else wilson(*rate.counts)
