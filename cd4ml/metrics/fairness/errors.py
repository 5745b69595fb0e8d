"""Errors of a regression by group: whether some group is predicted too high, too low, or less well than others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from cd4ml.metrics.fairness.quantity import Quantity
from cd4ml.metrics.statistics.means import Mean, Sums, difference, mean, widest
from cd4ml.report import Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class GroupErrors:
    """One group's mean error (above 0: predicted too high) and mean absolute error, in the target's units."""

    group: str
    n: int
    error: Mean
    absolute_error: Mean

    def of(self, quantity: Quantity) -> Mean:
        """Return the mean of the quantity."""
        return self.error if quantity is Quantity.ERROR else self.absolute_error


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far the groups lie apart.

    Attributes:
        value: highest minus lowest mean.
        highest, lowest: the groups.
        interval: of the value, 95 % for all pairs of groups together; None if some group tells nothing on its spread.
    """

    value: float
    highest: str
    lowest: str
    interval: Interval | None


def group_errors(counts: pd.DataFrame, names: pd.Series[str], prefix: str = "") -> list[GroupErrors]:
    """Return the errors of each group.

    Args:
        counts: columns `n`, `weight`, `squares`, and per quantity the sums that `means.Sums` names.
        names: the group of each count.
        prefix: `production_` for the errors of the production model.
    """
    return [
        GroupErrors(
            group=str(name),
            n=int(part["n"].sum()),
            error=_mean(part, f"{prefix}{Quantity.ERROR}"),
            absolute_error=_mean(part, f"{prefix}{Quantity.ABSOLUTE_ERROR}"),
        )
        for name, part in counts.groupby(names, sort=True)
    ]


def gap(groups: Sequence[GroupErrors], quantity: Quantity) -> Gap:
    """Return the largest difference between the means of two groups; at least two groups.

    Source:
        fairlearn.metrics.MetricFrame(...).difference(method="between_groups").
    """
    high, low = widest([group.of(quantity) for group in groups])
    named = {id(group.of(quantity)): group.group for group in groups}
    pairs = sum(1 for _ in combinations(groups, 2))
    known = all(group.of(quantity).standard_error is not None for group in groups)
    return Gap(
        value=high.value - low.value,
        highest=named[id(high)],
        lowest=named[id(low)],
        interval=difference(high, low, pairs) if known else None,
    )


def _mean(part: pd.DataFrame, name: str) -> Mean:
    """Return the mean of a quantity."""
    return mean(
        Sums(
            n=int(part["n"].sum()),
            weight=float(part["weight"].sum()),
            squares=float(part["squares"].sum()),
            value=float(part[name].sum()),
            square_value=float(part[f"square_{name}"].sum()),
            square_value_square=float(part[f"square_{name}_square"].sum()),
        )
    )
