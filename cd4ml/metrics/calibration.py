"""Whether probabilities keep their word: of the rows scored 0.8, are 80 % positive?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance import Sample
from cd4ml.metrics.ranking import Estimate, Ranking, rank, weights

Floats = npt.NDArray[np.float64]
BINS: Final = 15


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Rows in bins of about equal weight by score, ascending; all of shape (k,), k <= BINS.

    Attributes:
        mean_score: mean score of the bin's rows.
        share: share of positives among them.
        weight: their weight.
        of_score: the bin of each distinct score of the ranking, shape (m,).
    """

    mean_score: Floats
    share: Floats
    weight: Floats
    of_score: npt.NDArray[np.int64]


def equal_mass_bins(ranking: Ranking, count: int = BINS) -> Bins:
    """Put the rows into bins of equal mass; equal scores stay together, so a bin may be larger, or be missing."""
    both = ranking.positive + ranking.negative
    middle = (np.cumsum(both) - both / 2) / both.sum()
    _, place = np.unique(np.minimum((middle * count).astype(np.int64), count - 1), return_inverse=True)
    weight = np.bincount(place, both).astype(float)
    return Bins(
        mean_score=np.bincount(place, both * ranking.score) / weight,
        share=np.bincount(place, ranking.positive) / weight,
        weight=weight,
        of_score=place,
    )


def calibration_error(sample: Sample) -> Estimate:
    """Return the expected calibration error: the mean distance of score and share over bins of equal mass.

    It is an absolute value: chance alone makes it greater than 0, the more so the fewer the rows. Two models on the
    same rows share most of that; a single value is best read beside its curve.

    Source:
        Naeini, Cooper & Hauskrecht (2015), AAAI 29:2901, with the equal-mass bins of Nguyen & O'Connor (2015), EMNLP
        1587. The influence holds the bins and the signs of their distances.
    """
    ranking = rank(sample)
    bins = equal_mass_bins(ranking)
    distance = bins.mean_score - bins.share
    value = float(np.abs(distance) @ bins.weight / bins.weight.sum())
    truth, score = np.asarray(sample.y_true == 1), np.asarray(sample.y_score, dtype=float)
    sign = np.sign(distance)[bins.of_score][ranking.place]
    weight, n = weights(sample), len(truth)
    influence = (sign * (score - truth) - value) / n
    if weight is not None:
        influence *= weight * (n / weight.sum())
    return Estimate(value=value, influence=influence, degrees=n - 1)
