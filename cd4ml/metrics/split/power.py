"""How well one score predicts the target: the area under the ROC curve for labels, R² for numbers, each with its error.

Both are 1 for a score that never errs, so that one limit holds for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.performance.ranking import rank
from cd4ml.metrics.statistics.intervals import Bounds, normal_quantile, student_below, student_quantile

Floats = npt.NDArray[np.float64]
# Of the rows with the lowest and with the highest targets, which R² must do without: a few outliers can make it alone.
_OUTLIERS: Final = 0.01
_ROWS_FOR_OUTLIERS: Final = 100


@dataclass(frozen=True, kw_only=True)
class Area:
    """The area under the ROC curve, of several classes the mean of one against the others.

    Attributes:
        classes: rows with and without each class.
    """

    value: float
    n: int
    classes: Sequence[tuple[int, int]]

    def chance(self, floor: float) -> float:
        """Return the one-sided p-value of an area that truly is `floor` or less."""
        return float(special.ndtr((floor - self.value) / self.spread(floor)))

    def interval(self, confidence: float) -> Bounds:
        """Return the two-sided interval: the areas that the test does not refuse."""
        z = normal_quantile((1 + confidence) / 2)
        return Bounds(lower=self._solve(0.0, self.value, z), upper=self._solve(self.value, 1.0, z))

    def _solve(self, low: float, high: float, z: float) -> float:
        """Return the end of the interval between two areas, one of which is the value."""
        within, beyond = (high, low) if high == self.value else (low, high)
        for _ in range(50):
            middle = (within + beyond) / 2
            if abs(self.value - middle) <= z * self.spread(middle):
                within = middle
            else:
                beyond = middle
        return within

    def spread(self, area: float) -> float:
        """Return the standard error under a true area; of a mean the largest that any dependence allows."""
        return sum(_spread_of_area(area, *sizes) for sizes in self.classes) / len(self.classes)


def _spread_of_area(area: float, positives: int, negatives: int) -> float:
    """Return the standard error of an area.

    Source:
        Method 5 of Newcombe (2006), Statistics in Medicine 25:559: Hanley & McNeil (1982), Radiology 143:29, with both
        sample sizes in the bracket replaced by their mean. It has a width where no row is misplaced.
    """
    mean = (positives + negatives) / 2 - 1
    bracket = 1 + mean * ((1 - area) / (2 - area) + area / (1 + area))
    return math.sqrt(max(area * (1 - area), 1e-12) * bracket / (positives * negatives))


@dataclass(frozen=True, kw_only=True)
class Explained:
    """R² of a prediction that was fitted on other rows; it may be negative."""

    value: float
    n: int
    standard_error: float

    def chance(self, floor: float) -> float:
        """Return the one-sided p-value of an R² that truly is `floor` or less."""
        if self.standard_error == 0:
            return 0.0 if self.value > floor else 1.0
        return student_below((floor - self.value) / self.standard_error, self.n - 1)

    def interval(self, confidence: float) -> Bounds:
        """Return the two-sided interval, by the influence of each row."""
        half = student_quantile((1 + confidence) / 2, self.n - 1) * self.standard_error
        return Bounds(lower=self.value - half, upper=min(1.0, self.value + half))


Power = Area | Explained


def area(scores: Floats, truth: npt.NDArray[np.bool_]) -> Area | None:
    """Return the mean area of scores, shape (n, K), for classes, shape (n, K); None if a class has all rows or none.

    A class that no row has is left out.
    """
    found, sizes = [], []
    for score, positive in zip(scores.T, truth.T, strict=True):
        ranking = rank(Sample(y_true=positive.astype(np.int8), y_pred=positive, y_score=score))
        one = area_of_counts(np.asarray(ranking.positive, dtype=float), np.asarray(ranking.negative, dtype=float))
        if one is not None:
            found.append(one)
            sizes.append((int(positive.sum()), int((~positive).sum())))
    return Area(value=float(np.mean(found)), n=len(truth), classes=sizes) if found else None


def area_of_counts(positive: Floats, negative: Floats) -> float | None:
    """Return the area from rows with and without a class at each score, ascending; ties count half."""
    pairs = positive.sum() * negative.sum()
    return float(positive @ (np.cumsum(negative) - negative / 2) / pairs) if pairs else None


def explained(predicted: Floats, target: Floats) -> Explained | None:
    """Return R² of predictions, None if the target never changes.

    The rows with the lowest and the highest targets are left out if R² is smaller without them.

    Source:
        Standard error by the influence function of 1 - E(e²) / Var(y) (van der Vaart 1998, Asymptotic Statistics,
        chapter 20).
    """
    whole = _explained(predicted, target)
    if whole is None or len(target) < _ROWS_FOR_OUTLIERS:
        return whole
    low, high = np.quantile(target, [_OUTLIERS, 1 - _OUTLIERS])
    inner = (target >= low) & (target <= high)
    rest = _explained(predicted[inner], target[inner])
    return rest if rest is not None and rest.value < whole.value else whole


def _explained(predicted: Floats, target: Floats) -> Explained | None:
    """Return R² on these rows."""
    if len(target) < 3:
        return None
    distance = (target - target.mean()) ** 2
    total = float(distance.sum())
    if not total > 0:
        return None
    error = (target - predicted) ** 2
    lost = float(error.sum()) / total
    influence = (error - lost * distance) / total
    return Explained(value=1 - lost, n=len(target), standard_error=float(np.sqrt(influence @ influence)))
