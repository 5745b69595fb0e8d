"""Two models compared by a metric on the same rows, and training rows against test rows.

Which method: shares of rows get Tango's interval and McNemar's test, the other metrics of decisions a paired bootstrap
of counts, all else the differences of the rows' influences, a user's own function a paired bootstrap of rows. With
weights, counts are not counts any more: there all metrics of decisions take the delta method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cd4ml.metrics.performance import bootstrap, labels
from cd4ml.metrics.performance.estimates import is_of_counts
from cd4ml.metrics.performance.measurement import Measured, fewer, informative, root_of_squares
from cd4ml.metrics.performance.metric import DELTA_METHOD, Metric, Share
from cd4ml.metrics.statistics import intervals, mcnemar
from cd4ml.metrics.statistics.intervals import (
    POWER,
    Bounds,
    normal_quantile,
    student_below,
    student_quantile,
)
from cd4ml.metrics.statistics.proportion import CONFIDENCE, ONE_SIDED
from cd4ml.report import Interval

# Two-sided confidence of a difference: each of its bounds is one-sided 95 %.
PAIRED_CONFIDENCE: Final = 2 * ONE_SIDED - 1
# More rows than this are not advice.
MOST_ROWS: Final = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The candidate against production on the same rows; differences are candidate minus production.

    Attributes:
        interval: each bound one-sided 95 %.
        p_worse: one-sided p-value of the hypothesis that the candidate is not worse.
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


def compare(candidate: Measured, production: Measured) -> Comparison:
    """Compare two models on the same rows, row by row.

    Args:
        candidate, production: the same metric of samples that share their rows.

    Returns:
        A comparison that is not `certain` where the rows tell nothing on how sure the difference is.
    """
    metric = candidate.metric
    if is_of_counts(metric, candidate.sample):
        error, interval, p_worse = _compare_counts(candidate, production)
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


def _compare_counts(candidate: Measured, production: Measured) -> _Compared:
    """Compare metrics of decisions by the joint counts of (true class, candidate, production)."""
    metric, sample = candidate.metric, candidate.sample
    assert metric.of_counts is not None
    counted = labels.cells(sample, production.sample)
    effect = sample.design_effect
    error = bootstrap.standard_error(metric.of_counts, counted, 2) * math.sqrt(effect)
    # The rows decided for a class are others for each model; those are not pairs.
    if sample.weight is None and metric.share in (Share.ALL, Share.POSITIVE):
        return error, *_mcnemar(counted, effect, only_positive=metric.share is Share.POSITIVE)
    n = informative(sample)
    if error == 0 and candidate.value == production.value:
        return error, _no_row_differs(metric, n), 0.5
    if sample.weight is not None or len(counted.count) > bootstrap.MOST_CELLS:
        difference = candidate.value - production.value
        return error, *_student(metric, difference, error, n - 1, f"{DELTA_METHOD}, paired")
    draws = bootstrap.of_counts(metric.of_counts, counted, 2, candidate.seed, n, effect)
    interval = draws.bounds(PAIRED_CONFIDENCE).named(PAIRED_CONFIDENCE, "paired bootstrap of counts")
    return error, interval, draws.below()


def _mcnemar(counted: labels.Cells, design_effect: float, *, only_positive: bool) -> tuple[Interval, float]:
    """Compare shares of rows that two models get right."""
    truth, first, second = counted.classes.T
    counts = np.where(truth == len(counted.labels) - 1, counted.count, 0) if only_positive else counted.count
    wins = float(counts[(first == truth) & (second != truth)].sum()) / design_effect
    losses = float(counts[(first != truth) & (second == truth)].sum()) / design_effect
    bounds = intervals.tango(wins, losses, float(counts.sum()) / design_effect, PAIRED_CONFIDENCE)
    return bounds.named(PAIRED_CONFIDENCE, "Tango; McNemar mid-p"), mcnemar.worse(wins, losses)


def _no_row_differs(metric: Metric, n: int) -> Interval:
    """Return the interval of a difference that no row shows, of a metric with a bounded range."""
    bounds, scale = intervals.tango(0, 0, n, PAIRED_CONFIDENCE), metric.highest - metric.lowest
    found = Bounds(lower=scale * bounds.lower, upper=scale * bounds.upper)
    return found.named(PAIRED_CONFIDENCE, "Tango, no row differs")


def _compare_rows(candidate: Measured, production: Measured) -> _Compared:
    """Compare a user's own metric by drawing the same rows of both models."""
    function = candidate.metric.function
    assert function is not None
    draws = bootstrap.of_rows(function, (candidate.sample, production.sample), candidate.seed)
    signed = draws if candidate.metric.greater_is_better else draws.mirrored()
    interval = draws.bounds(PAIRED_CONFIDENCE).named(PAIRED_CONFIDENCE, "paired bootstrap of rows")
    return draws.standard_error, interval, signed.below()


def _compare_influences(candidate: Measured, production: Measured) -> _Compared:
    """Compare by the differences of the rows' influences."""
    first, second = candidate.estimate, production.estimate
    assert first.influence is not None and second.influence is not None
    sample = candidate.sample
    error = root_of_squares(first.influence - second.influence) * math.sqrt(sample.design_effect)
    metric, difference = candidate.metric, first.value - second.value
    if error == 0 and difference == 0 and metric.highest - metric.lowest == 1.0:
        return error, _no_row_differs(metric, informative(sample)), 0.5
    degrees = fewer(first.degrees, sample)
    return error, *_student(metric, difference, error, degrees, f"{metric.method}, paired")


def _student(metric: Metric, difference: float, error: float, degrees: float, method: str) -> tuple[Interval, float]:
    """Return the interval of a difference, and how likely one so bad is if the candidate is not worse."""
    half = student_quantile(ONE_SIDED, degrees) * error
    interval = Bounds(lower=difference - half, upper=difference + half).named(PAIRED_CONFIDENCE, method)
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
        return intervals.square_and_add(train.value, first, test.value, second).named(CONFIDENCE, "Newcombe")
    half = normal_quantile((1 + CONFIDENCE) / 2) * math.hypot(train.standard_error, test.standard_error)
    if not math.isfinite(half):
        return None
    difference = train.value - test.value
    return Bounds(lower=difference - half, upper=difference + half).named(CONFIDENCE, "independent samples")
