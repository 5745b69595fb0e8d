"""Paired bootstraps: of counts where the rows enter only through their cell, of rows where they do not.

Drawing the counts of the cells is the same as drawing the rows, for any number of rows (Efron 1979, Annals of
Statistics 7:1): thousands of draws of ten million rows take milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.performance.labels import Cells
from cd4ml.metrics.performance.metric import CellEstimate, Sample, UndefinedMetricError
from cd4ml.metrics.statistics.intervals import Bounds, student_below, student_quantile

Floats = npt.NDArray[np.float64]
OfCounts = Callable[[Floats], CellEstimate]
REPLICATES: Final = 5_000
ROW_REPLICATES: Final = 1_000
# More cells than this cost more to draw than they tell; the delta method takes over.
MOST_CELLS: Final = 5_000
# Numbers in memory at a time: eight bytes each.
_AT_ONCE: Final = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What a metric, or a difference of two, is on the draws.

    Attributes:
        values: ascending, shape (B,); without the draws that have no value.
        without_value: number of those. They stand at both ends, against whatever is to be shown.
        n: rows that the spread rests on, the smaller class of a binary task.
    """

    values: Floats
    without_value: int
    n: int

    @property
    def total(self) -> int:
        """Number of draws."""
        return len(self.values) + self.without_value

    @property
    def standard_error(self) -> float:
        """Standard deviation of the draws; infinite if some have no value."""
        return math.inf if self.without_value or len(self.values) < 2 else float(self.values.std(ddof=1))

    def bounds(self, confidence: float) -> Bounds:
        """Return the expanded percentile interval.

        Source:
            Hesterberg (2015), The American Statistician 69:371: percentiles as far out as Student's quantile makes up
            for the narrowness of plain percentiles in small samples.
        """
        scale = math.sqrt(self.n / (self.n - 1)) if self.n > 1 else math.inf
        tail = float(special.ndtr(scale * student_quantile((1 - confidence) / 2, max(self.n - 1, 1))))
        return Bounds(lower=self._at(tail, -math.inf), upper=-self.mirrored()._at(tail, -math.inf))

    def mirrored(self) -> Draws:
        """Return the draws of the opposite difference."""
        return Draws(values=-self.values[::-1], without_value=self.without_value, n=self.n)

    def _at(self, tail: float, beyond: float) -> float:
        """Return the value that a share of the draws lies below."""
        index = math.floor(tail * (self.total + 1)) - 1 - self.without_value
        return float(self.values[index]) if 0 <= index < len(self.values) else beyond

    def below(self) -> float:
        """Return the p-value of the hypothesis that the true difference is at least 0: small if it is less."""
        under = np.searchsorted(self.values, 0.0, side="left")
        at_least = self.total - under - (np.searchsorted(self.values, 0.0, side="right") - under) / 2
        share = (at_least + 0.5) / (self.total + 1)
        scale = math.sqrt((self.n - 1) / self.n) if self.n > 1 else 0.0
        return student_below(scale * float(special.ndtri(share)), max(self.n - 1, 1))


def of_counts(metric: OfCounts, cells: Cells, models: int, seed: int, n: int, design_effect: float = 1.0) -> Draws:
    """Draw the cells' counts and compute the metric (of one model), or its difference (first minus second).

    Args:
        metric: computed from confusion matrices.
        models: 1 or 2, as many as the cells were counted for.
        n: rows that the spread rests on.
        design_effect: so many times fewer rows are drawn.
    """
    drawn = _drawn(cells, seed, design_effect)
    found = np.concatenate([_metric(metric, cells, models, counts) for counts in drawn])
    known = np.isfinite(found)
    return Draws(values=np.sort(found[known]), without_value=int((~known).sum()), n=n)


def _drawn(cells: Cells, seed: int, design_effect: float) -> Iterator[Floats]:
    """Yield counts of the cells, shape (b, R), as many at once as fit the memory."""
    generator = np.random.default_rng(seed)
    total, size = int(cells.count.sum()), max(len(cells.count), len(cells.labels) ** 2)
    step = max(1, min(REPLICATES, _AT_ONCE // size))
    rows = max(1, int(total / design_effect))
    for start in range(0, REPLICATES, step):
        drawn = generator.multinomial(rows, cells.count / total, size=min(step, REPLICATES - start))
        yield drawn.astype(float)


def _metric(metric: OfCounts, cells: Cells, models: int, counts: Floats) -> Floats:
    """Return the metric, or the difference of two models, on drawn counts of shape (b, R)."""
    values = [metric(cells.matrix(model, counts)).value for model in range(models)]
    return values[0] - values[1] if models == 2 else values[0]


def standard_error(metric: OfCounts, cells: Cells, models: int) -> float:
    """Return the standard error of the metric, or of the difference, by the delta method; weights may be any."""
    influence: Floats = np.zeros(len(cells.count))
    for model, sign in zip(range(models), (1.0, -1.0), strict=False):
        gradient = metric(cells.matrix(model)).gradient
        influence = influence + sign * cells.of_rows(gradient, model)
    return float(np.sqrt(cells.squares @ np.square(influence)))


def of_rows(function: Callable[[Sample], float], samples: tuple[Sample, ...], seed: int) -> Draws:
    """Draw rows, the same of each sample, and compute a function of one sample, or its difference of two."""
    generator = np.random.default_rng(seed)
    n = len(samples[0].y_true)
    drawn_rows = max(1, int(n / samples[0].design_effect))
    found = []
    for _ in range(ROW_REPLICATES):
        chosen = generator.integers(0, n, drawn_rows)
        try:
            drawn = [function(sample.rows(chosen)) for sample in samples]
        except UndefinedMetricError:
            drawn = [math.nan]
        found.append(drawn[0] - drawn[1] if len(drawn) == 2 else drawn[0])
    values = np.array(found, dtype=float)
    known = np.isfinite(values)
    return Draws(values=np.sort(values[known]), without_value=int((~known).sum()), n=drawn_rows)
