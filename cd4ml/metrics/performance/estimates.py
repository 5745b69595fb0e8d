"""One metric of one sample: its value, and where there is one the influence of each row on it."""

from __future__ import annotations

import math

import numpy as np

from cd4ml.metrics.performance import calibration, class_scores, labels, losses, multilabel, ranking
from cd4ml.metrics.performance.metric import Metric, Sample, UndefinedMetricError
from cd4ml.metrics.performance.ranking import Estimate

_SINGLE_CLASS = "the true values are all of one class"


def estimate(metric: Metric, sample: Sample) -> Estimate:
    """Return a metric's value and influences.

    Raises:
        UndefinedMetricError: it has none: one class only, nothing predicted positive, no scores.

    Source:
        The definitions of sklearn.metrics (1.9); see tests/reference for published values.
    """
    if metric.needs_score:
        _check_scores(metric.name, sample)
    several = sample.labels is not None and metric.name in class_scores.NAMES
    found = class_scores.compute(metric.name, sample) if several else _estimate(metric, sample)
    if not math.isfinite(found.value):
        raise UndefinedMetricError(_why_not(metric.name))
    return found


def is_of_labels(metric: Metric, sample: Sample) -> bool:
    """Whether the metric is one of decisions, which counts alone determine."""
    return metric.function is None and metric.name in labels.NAMES and not _is_of_sets(metric, sample)


def _is_of_sets(metric: Metric, sample: Sample) -> bool:
    """Whether the metric looks into sets of labels."""
    return sample.sets and metric.name in multilabel.NAMES


def _estimate(metric: Metric, sample: Sample) -> Estimate:
    """Dispatch on the kind of metric."""
    if metric.function is not None:
        return Estimate(value=float(metric.function(sample)))
    if _is_of_sets(metric, sample):
        check_classes(sample)
        return multilabel.compute(metric.name, sample)
    if metric.name in labels.NAMES:
        check_classes(sample)
        counted = labels.cells(sample)
        return Estimate(value=float(labels.label_metric(metric.name, counted.matrix(0)).value))
    if metric.name in losses.MEANS:
        return losses.mean_loss(metric.name, sample)
    others = {
        "roc-auc": ranking.roc_auc,
        "pr-auc": ranking.average_precision,
        "calibration-error": calibration.calibration_error,
        "rmse": losses.root_mean_squared_error,
        "r2": losses.r_squared,
    }
    return others[metric.name](sample)


def check_classes(sample: Sample) -> None:
    """Refuse true values of one class: every metric of decisions is blind to the other then."""
    if bool(np.all(sample.y_true == sample.y_true[0])):
        raise UndefinedMetricError(_SINGLE_CLASS)


def _check_scores(name: str, sample: Sample) -> None:
    """Refuse what scores cannot be computed from."""
    check_classes(sample)
    if sample.labels is not None:
        return
    if sample.y_score is None:
        raise UndefinedMetricError("the predictions table has no scores")
    score = np.asarray(sample.y_score, dtype=float)
    if name in ("log-loss", "brier", "calibration-error") and not (score.min() >= 0 and score.max() <= 1):
        raise UndefinedMetricError("some scores lie outside 0 to 1: these are no probabilities")


def _why_not(name: str) -> str:
    """Say why a metric has no finite value."""
    if name.endswith(("-macro", "-weighted")) or name == "balanced-accuracy":
        return "some class is never predicted, or occurs among the predictions alone"
    return "it divides by zero here: no row has the class or the prediction it is about"
