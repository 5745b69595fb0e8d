"""Whether probabilities keep their word: of the rows scored 0.8, are 80 % positive?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.metric import Estimate, Sample
from cd4ml.metrics.performance.ranking import weights

Floats = npt.NDArray[np.float64]
BINS: Final = 15


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Rows in bins of about equal weight by score, ascending; all but `place` of shape (k,), k <= BINS.

    Attributes:
        mean_score: mean score of the bin's rows.
        share: share of positives among them.
        weight: their weight.
        place: the bin of each row, shape (n,).
    """

    mean_score: Floats
    share: Floats
    weight: Floats
    place: npt.NDArray[np.int8]


def equal_mass_bins(sample: Sample, count: int = BINS) -> Bins:
    """Put the rows into bins of equal mass; equal scores stay together, so a bin may be larger, or be missing.

    Args:
        count: number of bins, at most 100.
    """
    score, truth, weight = np.asarray(sample.y_score, dtype=float), np.asarray(sample.y_true == 1), weights(sample)
    edges = np.unique(_edges(score, weight, count))
    place = np.searchsorted(edges, score, side="right").astype(np.int8)
    mass = np.bincount(place, weight, minlength=len(edges) + 1).astype(float)
    full = np.flatnonzero(mass)
    hits = np.bincount(place, truth if weight is None else truth * weight, minlength=len(mass))
    sums = np.bincount(place, score if weight is None else score * weight, minlength=len(mass))
    number = np.zeros(len(mass), dtype=np.int8)
    number[full] = np.arange(len(full))
    mean_score, share = sums[full] / mass[full], hits[full] / mass[full]
    return Bins(mean_score=mean_score, share=share, weight=mass[full], place=number[place])


def _edges(score: Floats, weight: Floats | None, count: int) -> Floats:
    """Return the scores at which bins begin: equal scores lie on one side of them."""
    if weight is None:
        at = np.unique(np.arange(1, count) * len(score) // count)
        return np.asarray(np.partition(score, at)[at])
    order = np.argsort(score)
    reached = np.cumsum(weight[order])
    at = np.searchsorted(reached, np.arange(1, count) * (reached[-1] / count), side="right")
    return np.asarray(score[order[np.minimum(at, len(score) - 1)]])


def calibration_error(sample: Sample) -> Estimate:
    """Return the expected calibration error: the mean distance of score and share over bins of equal mass.

    It is an absolute value: chance alone makes it greater than 0, the more so the fewer the rows. Two models on the
    same rows share most of that; a single value is best read beside its curve.

    Source:
        Naeini, Cooper & Hauskrecht (2015), AAAI 29:2901, with the equal-mass bins of Nguyen & O'Connor (2015), EMNLP
        1587. The influence holds the bins and the signs of their distances.
    """
    bins = equal_mass_bins(sample)
    distance = bins.mean_score - bins.share
    value = float(np.abs(distance) @ bins.weight / bins.weight.sum())
    truth, score = np.asarray(sample.y_true == 1), np.asarray(sample.y_score, dtype=float)
    weight, n = weights(sample), len(truth)
    influence = (np.sign(distance)[bins.place] * (score - truth) - value) / n
    if weight is not None:
        influence *= weight * (n / weight.sum())
    return Estimate(value=value, influence=influence, degrees=n - 1)
