"""A metric of one sample with its interval.

Which method: the metrics that are shares of rows get score intervals (Wilson), the other metrics of decisions a
bootstrap of counts, all else the influences of the rows (ROC AUC: DeLong), a user's own function a bootstrap of rows.
With weights, counts are not counts any more: there all metrics of decisions take the delta method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cd4ml.metrics.performance import bootstrap, labels
from cd4ml.metrics.performance.estimates import estimate, is_of_counts
from cd4ml.metrics.performance.metric import DELTA_METHOD, Estimate, Metric, Sample, Share
from cd4ml.metrics.performance.ranking import Floats
from cd4ml.metrics.statistics import intervals
from cd4ml.metrics.statistics.intervals import Bounds, student_quantile
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval

# Two-sided confidence of a single value.


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric of one sample; how sure it is, is computed when somebody asks."""

    metric: Metric
    sample: Sample
    estimate: Estimate
    seed: int

    @property
    def value(self) -> float:
        """The metric's value."""
        return self.estimate.value

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.sample.y_true)

    @property
    def interval(self) -> Interval | None:
        """The two-sided interval, None if the rows tell nothing on the spread."""
        found = self._spread[1]
        return found if math.isfinite(found.lower) and math.isfinite(found.upper) else None

    @property
    def standard_error(self) -> float:
        """The standard error; not finite if the rows tell nothing on it."""
        return self._spread[0]

    @cached_property
    def _spread(self) -> tuple[float, Interval]:
        """Return standard error and interval by the method for the kind of metric."""
        if is_of_counts(self.metric, self.sample):
            return _of_counts(self.metric, self.sample, self.value, self.seed)
        if self.metric.function is None:
            return _of_influence(self.metric, self.sample, self.estimate)
        draws = bootstrap.of_rows(self.metric.function, (self.sample,), self.seed)
        return draws.standard_error, draws.bounds(CONFIDENCE).named(CONFIDENCE, "bootstrap of rows")


def measure(metric: Metric, sample: Sample, seed: int = 0) -> Measured:
    """Return a metric of a sample.

    Raises:
        UndefinedMetricError: it has no value on these rows.
    """
    return Measured(metric=metric, sample=sample, estimate=estimate(metric, sample), seed=seed)


def _of_counts(metric: Metric, sample: Sample, value: float, seed: int) -> tuple[float, Interval]:
    """Return standard error and interval of a metric of decisions."""
    assert metric.of_counts is not None
    counted = labels.cells(sample)
    effect = sample.design_effect
    error = bootstrap.standard_error(metric.of_counts, counted, 1) * math.sqrt(effect)
    part = _share(metric, counted) if sample.weight is None else None
    if part is not None:
        successes, rows = part
        return error, intervals.wilson(successes / effect, rows / effect, CONFIDENCE).named(CONFIDENCE, "Wilson")
    n = informative(sample)
    if error == 0:
        return error, _without_spread(metric, value, n)
    if sample.weight is None and len(counted.count) <= bootstrap.MOST_CELLS:
        draws = bootstrap.of_counts(metric.of_counts, counted, 1, seed, n, effect)
        return error, draws.bounds(CONFIDENCE).named(CONFIDENCE, "bootstrap of counts")
    return error, _symmetric(metric, value, error, n - 1, DELTA_METHOD)


def _share(metric: Metric, counted: labels.Cells) -> tuple[float, float] | None:
    """Return successes and rows, where the metric is a plain share of rows."""
    if metric.share is None:
        return None
    matrix = counted.matrix(0)
    if metric.share is Share.ALL:
        return float(np.trace(matrix)), float(matrix.sum())
    rows = matrix[-1] if metric.share is Share.POSITIVE else matrix[:, -1]
    return float(matrix[-1, -1]), float(rows.sum())


def informative(sample: Sample) -> int:
    """Return the rows that a spread rests on, as many as they count for: of two classes, the smaller."""
    n = len(sample.y_true)
    if sample.labels is None and sample.y_true.dtype.kind in "iub":
        positives = int(np.count_nonzero(sample.y_true == 1))
        n = min(positives, n - positives) if 0 < positives < n else n
    return max(1, int(n / sample.design_effect))


def _without_spread(metric: Metric, value: float, n: int) -> Interval:
    """Return the interval of a metric of a bounded range whose rows are all alike: certain it is not."""
    scale = metric.highest - metric.lowest
    bounds = intervals.wilson((value - metric.lowest) / scale * n, n, CONFIDENCE)
    found = Bounds(lower=metric.lowest + scale * bounds.lower, upper=metric.lowest + scale * bounds.upper)
    return found.named(CONFIDENCE, "Wilson on the smaller class")


def _of_influence(metric: Metric, sample: Sample, found: Estimate) -> tuple[float, Interval]:
    """Return standard error and interval from the rows' influences."""
    assert found.influence is not None
    error = root_of_squares(found.influence) * math.sqrt(sample.design_effect)
    if error == 0 and metric.highest == 1.0 and metric.lowest == 0.0:
        return error, _without_spread(metric, found.value, informative(sample))
    return error, _symmetric(metric, found.value, error, fewer(found.degrees, sample), metric.method)


def fewer(degrees: float, sample: Sample) -> float:
    """Return the degrees of freedom of as many rows as those of the sample count for."""
    return (degrees + 1) / sample.design_effect - 1


def root_of_squares(values: Floats) -> float:
    """Return the root of the sum of squares."""
    return float(np.sqrt(values @ values))


def _symmetric(metric: Metric, value: float, error: float, degrees: float, method: str) -> Interval:
    """Return value plus and minus its error, inside the metric's range."""
    half = student_quantile((1 + CONFIDENCE) / 2, degrees) * error if degrees >= 1 else math.inf
    if not math.isfinite(half):
        return Bounds(lower=-math.inf, upper=math.inf).named(CONFIDENCE, method)
    bounds = Bounds(lower=max(metric.lowest, value - half), upper=min(metric.highest, value + half))
    return bounds.named(CONFIDENCE, method)
