"""Metrics of the scores that a model gives each of several classes; one class against the rest where that is meant.

They take samples with `scores` of shape (n, K), a column for each of `labels`, that `check_scores` has let through.

Source:
    scikit-learn's `roc_auc_score` (multi_class="ovr"), `log_loss` and `brier_score_loss` (a sum over the classes, from
    0 to 2; Brier 1950, Monthly Weather Review 78:1). The calibration error is that of the greatest score (Guo et al.
    2017, ICML 1321), in bins of equal mass.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance import calibration, ranking
from cd4ml.metrics.performance.losses import mean
from cd4ml.metrics.performance.metric import Estimate, Sample, UndefinedMetricError
from cd4ml.metrics.performance.ranking import weights

Floats = npt.NDArray[np.float64]
# Probabilities of single precision sum up to 1 only about so.
_SUM: Final = 1e-3


def scores_of_others(sample: Sample) -> bool:
    """Whether most decisions are not for the class with the greatest score: the scores are of other classes, or models.

    False if there are no scores.
    """
    if sample.scores is None:
        return False
    greatest, chosen = sample.scores.max(axis=1), _own(sample.scores, sample.y_pred)
    return bool(np.count_nonzero(chosen == greatest) < len(greatest) / 2)


def check_scores(sample: Sample, *, probabilities: bool) -> None:
    """Refuse what lacks scores of all classes or, where they must be probabilities, scores that are none."""
    scores = sample.scores
    if scores is None:
        raise UndefinedMetricError("the predictions table has no column y_score_<class> for each class")
    if not probabilities:
        return
    if not (scores.min() >= 0 and scores.max() <= 1):
        raise UndefinedMetricError("some scores lie outside 0 to 1: these are not probabilities")
    if not (np.abs(scores.sum(axis=1) - 1) <= _SUM).all():
        raise UndefinedMetricError("the scores of some rows do not sum to 1: these are not probabilities")


def _own(scores: Floats, classes: npt.NDArray[Any]) -> Floats:
    """Return each row's score of its own class."""
    return np.asarray(scores[np.arange(len(scores)), classes.astype(np.intp)])


def _against_rest(sample: Sample) -> list[Estimate]:
    """Return the area under the ROC curve of each class against all others."""
    assert sample.scores is not None and sample.labels is not None
    found = []
    for index, label in enumerate(sample.labels):
        truth = sample.y_true == index
        if not truth.any():
            raise UndefinedMetricError(f"no row is of the class {label!r}, which has a score")
        alone = Sample(y_true=truth, y_pred=truth, y_score=sample.scores[:, index], weight=sample.weight)
        found.append(ranking.roc_auc(alone))
    return found


def roc_auc_macro(sample: Sample) -> Estimate:
    """Return the plain mean of the classes' areas; so is its influence."""
    found = _against_rest(sample)
    value = sum(one.value for one in found) / len(found)
    return Estimate(value=value, influence=_mean_influence(found, np.full(len(found), 1 / len(found))))


def roc_auc_weighted(sample: Sample) -> Estimate:
    """Return the mean of the classes' areas by their rows; its shares move with the rows as well."""
    found, weight = _against_rest(sample), weights(sample)
    each = np.ones(len(sample.y_true)) if weight is None else weight
    true = sample.y_true.astype(np.intp)
    share = np.bincount(true, each, minlength=len(found)) / each.sum()
    areas = np.array([one.value for one in found])
    value = float(share @ areas)
    influence = _mean_influence(found, share) + (areas[true] - value) * each / each.sum()
    return Estimate(value=value, influence=influence)


def _mean_influence(found: list[Estimate], share: Floats) -> Floats:
    """Return the rows' influences on a mean of estimates."""
    result: Floats = np.zeros(0)
    for one, part in zip(found, share.tolist(), strict=True):
        assert one.influence is not None
        result = one.influence * part if not len(result) else result + one.influence * part
    return result


def log_loss(sample: Sample) -> Estimate:
    """Return the mean of minus the logarithm of the probability of what happened."""
    assert sample.scores is not None
    own = _own(sample.scores, sample.y_true)
    step = np.finfo(sample.scores.dtype).eps
    return mean(-np.log(np.clip(own, step, 1 - step)), sample)


def brier(sample: Sample) -> Estimate:
    """Return the mean squared distance of the probabilities from what happened."""
    assert sample.scores is not None
    own = _own(sample.scores, sample.y_true)
    return mean(np.square(sample.scores).sum(axis=1) - 2 * own + 1, sample)


def calibration_error(sample: Sample) -> Estimate:
    """Return how far the greatest scores lie from the share of rows in which they are right."""
    assert sample.scores is not None
    greatest = sample.scores.argmax(axis=1)
    right = greatest == sample.y_true
    score = np.clip(_own(sample.scores, greatest), 0.0, 1.0)
    alone = replace(sample, y_true=right, y_pred=right, y_score=score, scores=None, labels=None)
    return calibration.calibration_error(alone)
