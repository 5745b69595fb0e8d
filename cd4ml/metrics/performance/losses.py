"""Metrics that are means of a loss of each row, or simple functions of such means, with their influences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.metric import Estimate, Sample, UndefinedMetricError
from cd4ml.metrics.performance.ranking import weights

Floats = npt.NDArray[np.float64]


def log_loss(sample: Sample) -> Floats:
    """Return minus the logarithm of the probability of what happened; 0 is taken as the smallest step above it."""
    score = np.asarray(sample.y_score)
    step = np.finfo(score.dtype if score.dtype.kind == "f" else np.float64).eps
    clipped = np.clip(score.astype(float), step, 1 - step)
    return np.asarray(-np.log(np.where(sample.y_true == 1, clipped, 1 - clipped)))


def squared_distance(sample: Sample) -> Floats:
    """Return the squared distance of the probability from what happened."""
    return np.asarray(np.square(np.asarray(sample.y_score, dtype=float) - np.asarray(sample.y_true == 1)))


def errors(sample: Sample) -> Floats:
    """Return y_true - y_pred."""
    return np.asarray(np.asarray(sample.y_true, dtype=float) - np.asarray(sample.y_pred, dtype=float))


def absolute_error(sample: Sample) -> Floats:
    """Return the absolute error."""
    return np.asarray(np.abs(errors(sample)))


def percentage_error(sample: Sample) -> Floats:
    """Return the absolute error as a share of the true value."""
    if (sample.y_true == 0).any():
        raise UndefinedMetricError("some true values are 0, where a percentage error is infinite")
    return np.asarray(np.abs(errors(sample)) / np.abs(np.asarray(sample.y_true, dtype=float)))


def poisson_deviance(sample: Sample) -> Floats:
    """Return each row's unit deviance of the Poisson distribution, for counts and rates (with exposure as weight).

    Source:
        McCullagh & Nelder (1989), Generalized Linear Models, 2nd edition, section 2.3.
    """
    true, mean_ = _of_deviance(sample, least=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(true > 0, true * np.log(true / mean_), 0.0)
    return np.asarray(2 * (logs - true + mean_))


def gamma_deviance(sample: Sample) -> Floats:
    """Return each row's unit deviance of the gamma distribution, for amounts above 0. Source: as `poisson_deviance`."""
    true, mean_ = _of_deviance(sample, least=np.nextafter(0.0, 1.0))
    return np.asarray(2 * (np.log(mean_ / true) + true / mean_ - 1))


def _of_deviance(sample: Sample, *, least: float) -> tuple[Floats, Floats]:
    """Return true and predicted values.

    Raises:
        UndefinedMetricError: the distribution has no such values.
    """
    true, predicted = np.asarray(sample.y_true, dtype=float), np.asarray(sample.y_pred, dtype=float)
    if (true < least).any():
        raise UndefinedMetricError(f"some true values are {'below 0' if least == 0 else '0 or less'}")
    if (predicted <= 0).any():
        raise UndefinedMetricError("some predictions are 0 or less")
    return true, predicted


def pinball(sample: Sample) -> Floats:
    """Return the loss that the quantile minimises (Koenker & Bassett 1978, Econometrica 46:33)."""
    error = errors(sample)
    return np.asarray(np.maximum(sample.quantile * error, (sample.quantile - 1) * error))


def mean(loss: Floats, sample: Sample) -> Estimate:
    """Return the (weighted) mean of a loss of each row.

    Source:
        The standard error of a mean; with weights, of the ratio of two sums (Cochran 1977, Sampling Techniques, 6.4).
    """
    weight, n = weights(sample), len(loss)
    value = float(loss.mean() if weight is None else loss @ weight / weight.sum())
    influence = (loss - value) / n if weight is None else (loss - value) * weight / weight.sum()
    unbiased = np.sqrt(n / (n - 1)) if n > 1 else np.nan
    return Estimate(value=value, influence=influence * unbiased, degrees=n - 1)


def mean_of(loss: Callable[[Sample], Floats]) -> Callable[[Sample], Estimate]:
    """Return the metric that is the mean of a loss of each row."""

    def compute(sample: Sample) -> Estimate:
        return mean(loss(sample), sample)

    return compute


def root_mean_squared_error(sample: Sample) -> Estimate:
    """Return the root of the mean squared error; its influence is that of the mean, over twice the root."""
    squared = mean(np.square(errors(sample)), sample)
    value = float(np.sqrt(squared.value))
    assert squared.influence is not None
    influence = squared.influence / (2 * value) if value > 0 else np.zeros_like(squared.influence)
    return Estimate(value=value, influence=influence, degrees=squared.degrees)


def r_squared(sample: Sample) -> Estimate:
    """Return the share of the variance explained, a ratio of two means.

    Raises:
        UndefinedMetricError: the true values are all equal.
    """
    y_true, weight = np.asarray(sample.y_true, dtype=float), weights(sample)
    if (y_true == y_true[0]).all():
        raise UndefinedMetricError("the true values are all equal")
    squared, spread = np.square(errors(sample)), np.square(y_true - np.average(y_true, weights=weight))
    above, below = mean(squared, sample), mean(spread, sample)
    assert above.influence is not None and below.influence is not None
    ratio = above.value / below.value
    influence = (ratio * below.influence - above.influence) / below.value
    return Estimate(value=1 - ratio, influence=influence, degrees=above.degrees)
