"""Categories whose rows all have one label: found among the training rows, confirmed by the test rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cd4ml.metrics.split.columns import Column, Kind, Target, cells
from cd4ml.metrics.statistics.intervals import Bounds, wilson

# Chance of any category with one label among the training rows, if labels fell at random.
_ALPHA: Final = 0.05
# A number with more different values is a measurement.
_FEW: Final = 50


@dataclass(frozen=True, kw_only=True)
class OneLabel:
    """Categories of a column that occur with one label only, taken together.

    Attributes:
        categories: their number.
        gap: whether one of them is the missing value.
        rows: of the test rows, those that lie in them.
        share: of the label in the test rows.
        chance: p-value of none of these rows having another label.
    """

    name: str
    label: str
    categories: int
    gap: bool
    rows: int
    n: int
    share: float
    chance: float

    @property
    def explained(self) -> float:
        """How much of the label (R²) is known from whether a row lies in them: 1 if all its rows do."""
        return self._explained(self.rows / self.n)

    def interval(self, confidence: float) -> Bounds:
        """Return the interval of `explained`, by that of the share of rows."""
        found = wilson(self.rows, self.n, confidence)
        return Bounds(lower=self._explained(found.lower), upper=self._explained(found.upper))

    def _explained(self, covered: float) -> float:
        """Return the squared phi coefficient of a part of the rows that have the label."""
        covered = min(covered, self.share)
        return covered / (1 - covered) * (1 - self.share) / self.share


def one_label(column: Column, target: Target) -> list[OneLabel]:
    """Return, for each label, the categories that have no other one, if they hold in the test rows as well.

    Categories are texts, booleans, numbers with few different values, and in any column the missing and the infinite
    values. One counts if it has more training rows with one label than chance explains, all categories of the column
    taken together.
    """
    inside = cells(column)
    eligible = np.full(inside.number, inside.by_value and (column.kind is Kind.CATEGORY or inside.number <= _FEW))
    eligible[inside.missing] = eligible[inside.infinite] = True
    count = np.bincount(inside.train, minlength=inside.number)
    eligible &= count > 0
    if not eligible.any():
        return []
    found = []
    for label, train, test in target.sides():
        base, share = float(train.mean()), float(test.mean())
        if not (0 < base < 1 and 0 < share < 1):
            continue
        hits = np.bincount(inside.train, weights=train, minlength=inside.number)
        pure = eligible & (hits == count) & (count * np.log(base) <= np.log(_ALPHA / eligible.sum()))
        rows = pure[inside.test]
        if rows.any() and test[rows].all():
            found.append(
                OneLabel(
                    name=column.name,
                    label=label,
                    categories=int(pure.sum()),
                    gap=bool(pure[inside.missing]),
                    rows=int(rows.sum()),
                    n=len(test),
                    share=share,
                    chance=float(share ** rows.sum()),
                )
            )
    return found
