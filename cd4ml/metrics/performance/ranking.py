"""Metrics of how scores rank rows: the areas under the ROC and the precision-recall curve, with their influences.

Rows are aggregated to distinct scores first, so that ties count exactly and the curves need no second pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.metric import Estimate, Sample

Floats = npt.NDArray[np.float64]
# Counts without weights: half the size of sums of weights.
Summed = npt.NDArray[np.int32] | Floats
_BINS: Final = 4_096
_PART: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Rows by distinct score, ascending.

    Attributes:
        positive, negative: shape (m,); sums of weights of each class at a score.
        place: shape (n,), the index of each row's score.
    """

    positive: Summed
    negative: Summed
    place: npt.NDArray[np.int32]


def rank(sample: Sample) -> Ranking:
    """Aggregate rows to distinct scores. O(n log n) time; at most 32 bytes a row beside the arrays given."""
    score, weight = np.asarray(sample.y_score, dtype=float), weights(sample)
    order = np.argsort(score)
    ordered = score[order]
    new = np.empty(len(score), dtype=bool)
    new[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    del ordered
    place = np.empty(len(score), dtype=np.int32)
    place[order] = np.cumsum(new, dtype=np.int32) - 1
    truth = np.asarray(sample.y_true == 1)[order]
    ordered_weight = None if weight is None else weight[order]
    del order
    new[:-1], new[-1] = new[1:], True
    last = np.flatnonzero(new)
    return Ranking(
        positive=_at_each(truth, ordered_weight, last), negative=_at_each(~truth, ordered_weight, last), place=place
    )


def _at_each(chosen: npt.NDArray[np.bool_], weight: Floats | None, last: npt.NDArray[np.int64]) -> Summed:
    """Return the rows chosen, or their weight, at each score, given the last row of each."""
    if weight is None:
        return np.diff(np.cumsum(chosen, dtype=np.int32)[last], prepend=np.int32(0))
    return np.diff(np.cumsum(np.where(chosen, weight, 0.0))[last], prepend=0.0)


def weights(sample: Sample) -> Floats | None:
    """Return the weights as floats, None for equal ones."""
    return None if sample.weight is None else np.asarray(sample.weight, dtype=float)


def roc_auc(sample: Sample) -> Estimate:
    """Return the area under the ROC curve and its influences, ties counting half.

    Source:
        DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44:837, in the mid-rank form of Sun & Xu (2014), IEEE Signal
        Processing Letters 21:1389: O(n log n). With weights, shares of rows become shares of weight.
    """
    ranking = rank(sample)
    place, positive, negative = ranking.place, ranking.positive, ranking.negative
    positives, negatives = positive.sum(), negative.sum()
    below = _middle(negative)
    below /= negatives
    value = float(positive @ below / positives)
    above = _middle(positive)
    # These arrays are as long as there are different scores: none is kept that is not needed.
    del ranking, positive, negative
    truth, weight = np.asarray(sample.y_true == 1), weights(sample)
    m = int(np.count_nonzero(truth))
    below -= value
    below *= _unbiased(m) / positives
    above *= -1 / positives
    above += 1 - value
    above *= _unbiased(len(truth) - m) / negatives
    return Estimate(value=value, influence=_of_rows(below, above, place, truth, weight))


def _middle(values: Summed) -> Floats:
    """Return the sum below each score, with half of that at it."""
    result = np.cumsum(values, dtype=float)
    # In parts: the halves of all scores at once would be the largest array of the whole evaluation.
    for start in range(0, len(values), _PART):
        result[start : start + _PART] -= values[start : start + _PART] / 2
    return result


def _of_rows(
    of_positive: Floats,
    of_negative: Floats,
    place: npt.NDArray[np.int32],
    truth: npt.NDArray[np.bool_],
    weight: Floats | None,
) -> Floats:
    """Return each row's influence, from that of its class at its score."""
    result = of_negative[place]
    result[truth] = of_positive[place[truth]]
    return result if weight is None else result * weight


def _unbiased(n: int) -> float:
    """Return what makes a sum of squared deviations over n unbiased; a single row says nothing on its spread."""
    return float(np.sqrt(n / (n - 1))) if n > 1 else float("nan")


def average_precision(sample: Sample) -> Estimate:
    """Return the area under the precision-recall curve in steps (average precision), and its influences.

    Source:
        The functional mean over positives of T(s) / Q(s), T and Q the shares of positives and of all rows at or above
        s; its influence function by von Mises' calculus (van der Vaart 1998, Asymptotic Statistics, chapter 20).
    """
    ranking = rank(sample)
    positives = ranking.positive.sum()
    precision = np.cumsum(ranking.positive[::-1], dtype=float)[::-1]
    all_reached = np.cumsum((ranking.positive + ranking.negative)[::-1], dtype=float)[::-1]
    precision /= all_reached
    value = float(ranking.positive @ precision / positives)
    share = np.divide(ranking.positive, all_reached, out=all_reached)
    of_positive = np.cumsum(share)
    share *= precision
    as_row = np.cumsum(share)
    of_positive += precision
    of_positive -= as_row
    of_positive -= value
    of_positive /= positives
    as_row /= -positives
    truth, weight = np.asarray(sample.y_true == 1), weights(sample)
    return Estimate(value=value, influence=_of_rows(of_positive, as_row, ranking.place, truth, weight))


def scores_reversed(sample: Sample) -> bool:
    """Whether scores fall where decisions rise: they are of the other class. False if nothing can be said.

    That is an area under the ROC curve of the decisions below 0.5. A histogram settles it in one pass over the rows;
    only if that is too coarse are they sorted.
    """
    decided = np.asarray(sample.y_pred == 1)
    if sample.y_score is None or decided.all() or not decided.any():
        return False
    score = np.asarray(sample.y_score, dtype=float)
    low, high = float(score.min()), float(score.max())
    if low == high:
        return False
    edges = (low, high)
    chosen = np.histogram(score[decided], bins=_BINS, range=edges)[0].astype(float)
    others = np.histogram(score[~decided], bins=_BINS, range=edges)[0].astype(float)
    pairs = chosen.sum() * others.sum()
    area, unknown = chosen @ _middle(others) / pairs, chosen @ others / 2 / pairs
    if abs(area - 0.5) > unknown:
        return bool(area < 0.5)
    return roc_auc(Sample(y_true=decided, y_pred=decided, y_score=sample.y_score)).value < 0.5
