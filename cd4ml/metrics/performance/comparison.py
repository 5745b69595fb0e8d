"""A metric with its interval, two models compared on the same rows, and training rows against test rows.

Which method: the metrics that are shares of rows get score intervals (Wilson, Tango) and McNemar's test; the other
metrics of decisions a bootstrap of counts; ROC AUC DeLong; means of losses and all else the influences of the rows.
With weights, counts are no counts any more: there all metrics of decisions take the delta method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from cd4ml.metrics.performance import bootstrap, labels
from cd4ml.metrics.performance.estimates import estimate, is_of_labels
from cd4ml.metrics.performance.metric import Metric, Sample
from cd4ml.metrics.performance.ranking import Estimate, Floats
from cd4ml.metrics.statistics import intervals, mcnemar
from cd4ml.metrics.statistics.intervals import (
    ONE_SIDED,
    POWER,
    Bounds,
    normal_quantile,
    student_below,
    student_quantile,
)
from cd4ml.report import Interval

# Two-sided confidence of a single value, and of a difference: each of its bounds is one-sided 95 %.
CONFIDENCE: Final = 0.95
PAIRED_CONFIDENCE: Final = 2 * ONE_SIDED - 1
# More rows than this are no advice.
MOST_ROWS: Final = 1_000_000_000
_METHODS: Final = {
    "roc-auc": "DeLong",
    "roc-auc-macro": "DeLong, each class against the rest",
    "roc-auc-weighted": "DeLong, each class against the rest",
}


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
        if is_of_labels(self.metric, self.sample):
            return _of_labels(self.metric, self.sample, self.value, self.seed)
        if self.metric.function is None:
            return _of_influence(self.metric, self.sample, self.estimate)
        draws = bootstrap.of_rows(self.metric.function, (self.sample,), self.seed)
        return draws.standard_error, _named(draws.bounds(CONFIDENCE), CONFIDENCE, "bootstrap of rows")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The candidate against production on the same rows; differences are candidate minus production.

    Attributes:
        interval: each bound one-sided 95 %.
        p_worse: one-sided p-value of the hypothesis that the candidate is no worse.
        standard_error: of the difference.
    """

    metric: Metric
    candidate: float
    production: float
    difference: float
    standard_error: float
    interval: Interval
    p_worse: float
    n: int

    @property
    def certain(self) -> bool:
        """Whether the rows tell how sure the difference is."""
        return all(math.isfinite(value) for value in (self.interval.lower, self.interval.upper, self.p_worse))

    @property
    def gain(self) -> float:
        """The difference in the direction of better."""
        return self.difference if self.metric.greater_is_better else -self.difference

    @property
    def least_gain(self) -> float:
        """The one-sided 95 % lower bound of the gain."""
        return self.interval.lower if self.metric.greater_is_better else -self.interval.upper

    @property
    def most_gain(self) -> float:
        """The one-sided 95 % upper bound of the gain."""
        return self.interval.upper if self.metric.greater_is_better else -self.interval.lower

    @property
    def detectable(self) -> float | None:
        """The smallest loss that these rows would show with a power of 80 %, in a one-sided test at 5 %."""
        found = (normal_quantile(ONE_SIDED) + normal_quantile(POWER)) * self._spread()
        return found if math.isfinite(found) else None

    def _spread(self) -> float:
        """Return the standard error; where no row differs, what the interval's width stands for."""
        if self.standard_error > 0:
            return self.standard_error
        return (self.interval.upper - self.interval.lower) / (2 * normal_quantile(ONE_SIDED))

    def rows_needed(self, margin: float) -> int | None:
        """Return how many rows would settle with 80 % power whether the loss exceeds the margin.

        It takes the difference to stay as it is. None if no realistic number would: it lies at the margin.
        """
        distance = abs(self.gain + margin)
        share = (normal_quantile(ONE_SIDED) + normal_quantile(POWER)) * self._spread()
        needed = self.n * (share / distance) ** 2 if distance > 0 else math.inf
        return max(math.ceil(needed), self.n + 1) if needed < MOST_ROWS else None


def measure(metric: Metric, sample: Sample, seed: int = 0) -> Measured:
    """Return a metric of a sample.

    Raises:
        UndefinedMetricError: it has no value on these rows.
    """
    return Measured(metric=metric, sample=sample, estimate=estimate(metric, sample), seed=seed)


def _named(bounds: Bounds, confidence: float, method: str) -> Interval:
    """Return bounds with where they come from."""
    return Interval(lower=bounds.lower, upper=bounds.upper, confidence=confidence, method=method)


def _of_labels(metric: Metric, sample: Sample, value: float, seed: int) -> tuple[float, Interval]:
    """Return standard error and interval of a metric of decisions."""
    counted = labels.cells(sample)
    error = bootstrap.standard_error(metric.name, counted, 1)
    part = _share(metric, counted) if sample.weight is None else None
    if part is not None:
        return error, _named(intervals.wilson(*part, CONFIDENCE), CONFIDENCE, "Wilson")
    n = _informative(sample)
    if error == 0:
        return error, _without_spread(value, n)
    if sample.weight is None and len(counted.count) <= bootstrap.MOST_CELLS:
        draws = bootstrap.of_counts(metric.name, counted, 1, seed, n)
        return error, _named(draws.bounds(CONFIDENCE), CONFIDENCE, "bootstrap of counts")
    return error, _symmetric(metric, value, error, n - 1, "delta method")


def _share(metric: Metric, counted: labels.Cells) -> tuple[float, float] | None:
    """Return successes and rows, where the metric is a plain share of rows."""
    matrix = counted.matrix(0)
    rows = {"accuracy": matrix.sum(), "recall": matrix[-1].sum(), "precision": matrix[:, -1].sum()}
    right = {"accuracy": np.trace(matrix), "recall": matrix[-1, -1], "precision": matrix[-1, -1]}
    return (float(right[metric.name]), float(rows[metric.name])) if metric.name in rows else None


def _informative(sample: Sample) -> int:
    """Return the rows that a spread rests on: of two classes, the smaller."""
    n = len(sample.y_true)
    if sample.labels is None and sample.y_true.dtype.kind in "iub":
        positives = int(np.count_nonzero(sample.y_true == 1))
        return max(1, min(positives, n - positives)) if 0 < positives < n else n
    return n


def _without_spread(value: float, n: int) -> Interval:
    """Return the interval of a share-like metric whose rows are all alike: certain it is not."""
    bounds = intervals.wilson(value * n, n, CONFIDENCE)
    return _named(bounds, CONFIDENCE, "Wilson on the smaller class")


def _of_influence(metric: Metric, sample: Sample, found: Estimate) -> tuple[float, Interval]:
    """Return standard error and interval from the rows' influences."""
    assert found.influence is not None
    error = _root_of_squares(found.influence)
    if error == 0 and metric.highest == 1.0 and metric.lowest == 0.0:
        return error, _without_spread(found.value, _informative(sample))
    return error, _symmetric(metric, found.value, error, found.degrees, _METHODS.get(metric.name, "delta method"))


def _root_of_squares(values: Floats) -> float:
    """Return the root of the sum of squares."""
    return float(np.sqrt(values @ values))


def _symmetric(metric: Metric, value: float, error: float, degrees: float, method: str) -> Interval:
    """Return value plus and minus its error, inside the metric's range."""
    half = student_quantile((1 + CONFIDENCE) / 2, degrees) * error if degrees >= 1 else math.inf
    if not math.isfinite(half):
        return _named(Bounds(lower=-math.inf, upper=math.inf), CONFIDENCE, method)
    bounds = Bounds(lower=max(metric.lowest, value - half), upper=min(metric.highest, value + half))
    return _named(bounds, CONFIDENCE, method)


def compare(candidate: Measured, production: Measured) -> Comparison:
    """Compare two models on the same rows, row by row.

    Args:
        candidate, production: the same metric of samples that share their rows.

    Returns:
        A comparison that is not `certain` where the rows tell nothing on how sure the difference is.
    """
    metric = candidate.metric
    if is_of_labels(metric, candidate.sample):
        error, interval, p_worse = _compare_labels(candidate, production)
    elif metric.function is not None:
        error, interval, p_worse = _compare_rows(candidate, production)
    else:
        error, interval, p_worse = _compare_influences(candidate, production)
    return Comparison(
        metric=metric,
        candidate=candidate.value,
        production=production.value,
        difference=candidate.value - production.value,
        standard_error=error,
        interval=_possible(interval, metric),
        p_worse=p_worse,
        n=candidate.n,
    )


def _possible(interval: Interval, metric: Metric) -> Interval:
    """Return the interval of a difference inside what there can be; all of that if it says nothing."""
    largest = metric.highest - metric.lowest
    lower = max(interval.lower, -largest) if interval.lower == interval.lower else -largest
    upper = min(interval.upper, largest) if interval.upper == interval.upper else largest
    return replace(interval, lower=lower, upper=upper, of="difference")


_Compared = tuple[float, Interval, float]


def _compare_labels(candidate: Measured, production: Measured) -> _Compared:
    """Compare metrics of decisions by the joint counts of (true class, candidate, production)."""
    name, sample = candidate.metric.name, candidate.sample
    counted = labels.cells(sample, production.sample)
    error = bootstrap.standard_error(name, counted, 2)
    if sample.weight is None and name in ("accuracy", "recall"):
        return error, *_mcnemar(counted, only_positive=name == "recall")
    n = _informative(sample)
    if error == 0 and candidate.value == production.value:
        return error, _no_row_differs(n), 0.5
    if sample.weight is not None or len(counted.count) > bootstrap.MOST_CELLS:
        difference = candidate.value - production.value
        return error, *_student(candidate.metric, difference, error, n - 1, "delta method, paired")
    draws = bootstrap.of_counts(name, counted, 2, candidate.seed, n)
    interval = _named(draws.bounds(PAIRED_CONFIDENCE), PAIRED_CONFIDENCE, "paired bootstrap of counts")
    return error, interval, draws.below()


def _mcnemar(counted: labels.Cells, *, only_positive: bool) -> tuple[Interval, float]:
    """Compare shares of rows that two models get right."""
    truth, first, second = counted.classes.T
    counts = np.where(truth == len(counted.labels) - 1, counted.count, 0) if only_positive else counted.count
    wins = int(counts[(first == truth) & (second != truth)].sum())
    losses = int(counts[(first != truth) & (second == truth)].sum())
    bounds = intervals.tango(wins, losses, int(counts.sum()), PAIRED_CONFIDENCE)
    return _named(bounds, PAIRED_CONFIDENCE, "Tango; McNemar mid-p"), mcnemar.worse(wins, losses)


def _no_row_differs(n: int) -> Interval:
    """Return the interval of a difference that no row shows."""
    return _named(intervals.tango(0, 0, n, PAIRED_CONFIDENCE), PAIRED_CONFIDENCE, "Tango, no row differs")


def _compare_rows(candidate: Measured, production: Measured) -> _Compared:
    """Compare a user's own metric by drawing the same rows of both models."""
    function = candidate.metric.function
    assert function is not None
    draws = bootstrap.of_rows(function, (candidate.sample, production.sample), candidate.seed)
    signed = draws if candidate.metric.greater_is_better else draws.mirrored()
    interval = _named(draws.bounds(PAIRED_CONFIDENCE), PAIRED_CONFIDENCE, "paired bootstrap of rows")
    return draws.standard_error, interval, signed.below()


def _compare_influences(candidate: Measured, production: Measured) -> _Compared:
    """Compare by the differences of the rows' influences."""
    first, second = candidate.estimate, production.estimate
    assert first.influence is not None and second.influence is not None
    error = _root_of_squares(first.influence - second.influence)
    metric, difference = candidate.metric, first.value - second.value
    if error == 0 and difference == 0 and metric.highest - metric.lowest == 1.0:
        return error, _no_row_differs(_informative(candidate.sample)), 0.5
    method = f"{_METHODS.get(metric.name, 'delta method')}, paired"
    return error, *_student(metric, difference, error, first.degrees, method)


def _student(metric: Metric, difference: float, error: float, degrees: float, method: str) -> tuple[Interval, float]:
    """Return the interval of a difference, and how likely one so bad is if the candidate is no worse."""
    half = student_quantile(ONE_SIDED, degrees) * error
    interval = _named(Bounds(lower=difference - half, upper=difference + half), PAIRED_CONFIDENCE, method)
    gain = difference if metric.greater_is_better else -difference
    if error == 0:
        return interval, 0.0 if gain < 0 else 0.5 if gain == 0 else 1.0
    return interval, student_below(gain / error, degrees)


def gap(train: Measured, test: Measured) -> Interval | None:
    """Return the two-sided interval of train minus test; the two share no row.

    Source:
        Newcombe's interval where the metric is a share of rows; otherwise the errors add in quadrature.
    """
    wilson = [measured.interval for measured in (train, test) if measured.interval]
    if len(wilson) == 2 and all(interval.method.startswith("Wilson") for interval in wilson):
        first, second = (Bounds(lower=interval.lower, upper=interval.upper) for interval in wilson)
        return _named(intervals.square_and_add(train.value, first, test.value, second), CONFIDENCE, "Newcombe")
    half = normal_quantile((1 + CONFIDENCE) / 2) * math.hypot(train.standard_error, test.standard_error)
    if not math.isfinite(half):
        return None
    difference = train.value - test.value
    return _named(Bounds(lower=difference - half, upper=difference + half), CONFIDENCE, "independent samples")
