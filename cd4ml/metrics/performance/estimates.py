"""One metric of one sample: its value, and where there is one the influence of each row on it."""

from __future__ import annotations

import math

import numpy as np

from cd4ml.metrics.performance import class_scores, labels
from cd4ml.metrics.performance.metric import Estimate, Metric, Needs, Sample, UndefinedMetricError

_SINGLE_CLASS = "the true values all have one class"


def estimate(metric: Metric, sample: Sample) -> Estimate:
    """Return a metric's value and influences.

    Raises:
        UndefinedMetricError: it has none: one class only, nothing predicted positive, no scores.

    Source:
        The definitions of sklearn.metrics (1.9); see tests/reference for published values.
    """
    if metric.needs is not Needs.DECISIONS:
        _check_scores(metric, sample)
    found = _estimate(metric, sample)
    if not math.isfinite(found.value):
        raise UndefinedMetricError(metric.why_undefined)
    return found


def is_of_counts(metric: Metric, sample: Sample) -> bool:
    """Whether the metric is one of decisions, which counts alone determine."""
    return metric.of_counts is not None and not (sample.sets and metric.of_sets is not None)


def _estimate(metric: Metric, sample: Sample) -> Estimate:
    """Compute the metric in the way that is of this kind of sample."""
    if metric.function is not None:
        return Estimate(value=float(metric.function(sample)))
    if sample.sets and metric.of_sets is not None:
        check_classes(sample)
        return metric.of_sets(sample)
    if metric.of_counts is not None:
        check_classes(sample)
        return Estimate(value=float(metric.of_counts(labels.cells(sample).matrix(0)).value))
    of_rows = metric.of_classes if sample.labels is not None else metric.of_rows
    assert of_rows is not None, f"{metric.name} is not defined for this kind of sample"
    return of_rows(sample)


def check_classes(sample: Sample) -> None:
    """Refuse true values of one class: every metric of decisions is blind to the other then."""
    if bool(np.all(sample.y_true == sample.y_true[0])):
        raise UndefinedMetricError(_SINGLE_CLASS)


def _check_scores(metric: Metric, sample: Sample) -> None:
    """Refuse what scores cannot be computed from."""
    check_classes(sample)
    probabilities = metric.needs is Needs.PROBABILITIES
    if sample.labels is not None:
        class_scores.check_scores(sample, probabilities=probabilities)
        return
    if sample.y_score is None:
        raise UndefinedMetricError("the predictions table has no scores")
    score = np.asarray(sample.y_score, dtype=float)
    if probabilities and not (score.min() >= 0 and score.max() <= 1):
        raise UndefinedMetricError("some scores lie outside 0 to 1: these are not probabilities")
