"""ROC, precision-recall and calibration curves as a bounded number of points, for the report."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from cd4ml.metrics.calibration import BINS, equal_mass_bins
from cd4ml.metrics.performance import Sample
from cd4ml.metrics.ranking import Floats, Ranking, curve_points, rank

MOST_POINTS: Final = 200


def curves(sample: Sample) -> dict[str, Any]:
    """Return the curves of a binary sample with scores, from one sorting of its rows.

    Returns:
        `roc` (false_positive_rate, true_positive_rate, threshold), `pr` (recall, precision, threshold), each of at most
        200 points, and `calibration` (mean_score, share_of_positives, rows) of at most 15 bins of equal mass; the last
        only if the scores are probabilities.
    """
    ranking = rank(sample)
    found = {"roc": _roc(ranking), "pr": _pr(ranking)}
    if ranking.score[0] >= 0 and ranking.score[-1] <= 1:
        bins = equal_mass_bins(ranking, BINS)
        columns = (bins.mean_score, bins.share, bins.weight)
        found["calibration"] = _columns(("mean_score", "share_of_positives", "weight"), *columns)
    return found


def _columns(names: tuple[str, ...], *values: Floats) -> dict[str, list[float]]:
    """Return named columns of plain numbers; six digits draw any curve."""
    return {name: [float(f"{value:.6g}") for value in column] for name, column in zip(names, values, strict=True)}


def _reached(ranking: Ranking) -> tuple[Floats, Floats]:
    """Return the weight of positives and negatives at or above each score, highest score first."""
    return np.cumsum(ranking.positive[::-1]), np.cumsum(ranking.negative[::-1])


def _roc(ranking: Ranking) -> dict[str, list[float]]:
    """Return points of the ROC curve, spread evenly along it, without its corner (0, 0)."""
    true, false = _reached(ranking)
    rates = true / true[-1], false / false[-1]
    kept = curve_points(rates[0] + rates[1], MOST_POINTS)
    names = ("false_positive_rate", "true_positive_rate", "threshold")
    return _columns(names, rates[1][kept], rates[0][kept], ranking.score[::-1][kept])


def _pr(ranking: Ranking) -> dict[str, list[float]]:
    """Return points of the precision-recall curve, spread evenly over recall."""
    true, false = _reached(ranking)
    recall, precision = true / true[-1], true / (true + false)
    kept = curve_points(recall, MOST_POINTS)
    return _columns(("recall", "precision", "threshold"), recall[kept], precision[kept], ranking.score[::-1][kept])
