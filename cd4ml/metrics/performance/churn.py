"""Decision churn: on which rows the candidate decides otherwise than production, and whether it is right there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.statistics import intervals, means
from cd4ml.metrics.statistics.means import Sums
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Interval


@dataclass(frozen=True, kw_only=True)
class ShareOfRows:
    """Rows of a kind.

    Attributes:
        rows: how many.
        share: of all rows, by weight where there are weights.
        interval: of the share, two-sided 95 %; None if the rows tell nothing on it.
    """

    rows: int
    share: float
    interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class Churn:
    """How the candidate's decisions differ from production's, on the same rows.

    Attributes:
        changed: rows that are decided otherwise.
        fixes: of these, rows that the candidate gets right and production does not.
        breaks: of these, rows that production gets right and the candidate does not. What is left of `changed` is
            wrong both times, in another way.
    """

    n: int
    changed: ShareOfRows
    fixes: ShareOfRows
    breaks: ShareOfRows


def churn(candidate: Sample, production: Sample, rows: npt.NDArray[np.int64] | None = None) -> Churn:
    """Count the decisions that change.

    Args:
        candidate, production: samples of the same rows, n > 0.
        rows: indices of the rows to look at, all if None.

    Source:
        Milani Fard, Cormier, Canini & Gupta (2016), Launch and Iterate: Reducing Prediction Churn, NeurIPS 29: churn
        is the share of rows that two classifiers decide differently, wins and losses are the fixes and breaks.
    """
    chosen = slice(None) if rows is None else rows
    truth, new, old = candidate.y_true[chosen], candidate.y_pred[chosen], production.y_pred[chosen]
    weight = None if candidate.weight is None else candidate.weight[chosen].astype(np.float64)
    changed = new != old
    return Churn(
        n=len(truth),
        changed=_share(changed, weight, candidate.design_effect),
        fixes=_share(changed & (new == truth), weight, candidate.design_effect),
        breaks=_share(changed & (old == truth), weight, candidate.design_effect),
    )


def _share(marked: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64] | None, design_effect: float) -> ShareOfRows:
    """Return how many rows are marked."""
    n, count = len(marked), int(np.count_nonzero(marked))
    if weight is None:
        return ShareOfRows(rows=count, share=count / n, interval=_wilson(count / design_effect, n / design_effect))
    found = means.mean(_sums(marked, weight).counted(design_effect))
    interval = found.interval
    if interval is not None:
        interval = replace(interval, lower=max(0.0, interval.lower), upper=min(1.0, interval.upper))
    elif count in (0, n):
        # No spread is not certainty: what so many equal rows of these weights can say.
        effective = math.fsum(weight) ** 2 / math.fsum(weight * weight) / design_effect
        interval = _wilson(effective * count / n, effective)
    return ShareOfRows(rows=count, share=found.value, interval=interval)


def _sums(marked: npt.NDArray[np.bool_], weight: npt.NDArray[np.float64]) -> Sums:
    """Return the sums of an indicator, whose square is itself."""
    inside = weight[marked]
    value, squares = float(inside.sum()), float(inside @ inside)
    return Sums(
        n=len(weight),
        weight=float(weight.sum()),
        squares=float(weight @ weight),
        value=value,
        square_value=squares,
        square_value_square=squares,
    )


def _wilson(successes: float, n: float) -> Interval:
    """Return the score interval of a share."""
    return intervals.wilson(successes, n, CONFIDENCE).named(CONFIDENCE, "Wilson")
