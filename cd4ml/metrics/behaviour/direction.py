"""The score along one column: where it moves the wrong way, and its mean over the rows (partial dependence)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from cd4ml.metrics.behaviour.answers import Floats
from cd4ml.metrics.behaviour.flips import Rate
from cd4ml.metrics.statistics.proportion import CONFIDENCE, quantile

# Of the largest of a row's scores: what rounding moves them by.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Partial dependence: the mean score at each of k values of the column.

    Attributes:
        lower, upper: the normal interval of each mean, two-sided 95 %.

    Source:
        Friedman (2001), Greedy function approximation: a gradient boosting machine, Annals of Statistics 29:1189,
        section 8.2, over all rows of the sample.
    """

    mean: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A row whose score moves the wrong way: most, between two points of the grid."""

    row: int
    start: int
    end: int
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Direction:
    """How the scores of n rows run along a grid.

    Attributes:
        rate: rows whose score moves the wrong way by more than the tolerance.
        worst: the row among them that does so most, None if there is none.
    """

    rate: Rate
    worst: Violation | None
    curve: Curve


def direction(scores: Floats, sign: Literal[1, -1], tolerance: float | None = None) -> Direction:
    """Look for scores that move the wrong way.

    Each row is looked at by itself (individual conditional expectation: Goldstein, Kapelner, Bleich & Pitkin 2015,
    Journal of Computational and Graphical Statistics 24:44): a mean that rises can hide rows whose score falls.

    Args:
        scores: shape (k, n), one row for each point of the grid, ascending.
        sign: 1 if the score must never fall along the grid, -1 if it must never rise.
        tolerance: how far it may; by default what rounding does to the scores of its row.
    """
    signed = sign * scores
    drops = np.maximum.accumulate(signed, axis=0) - signed
    allowed = _ROUNDING * np.abs(scores).max(axis=0) if tolerance is None else tolerance
    wrong = drops > allowed
    n = scores.shape[1]
    end, row = divmod(int(np.argmax(np.where(wrong, drops, 0.0))), n)
    worst = None
    if wrong[end, row]:
        start = int(np.argmax(signed[: end + 1, row]))
        before, after = float(scores[start, row]), float(scores[end, row])
        worst = Violation(row=row, start=start, end=end, before=before, after=after)
    rate = Rate(count=int(wrong.any(axis=0).sum()), n=n)
    return Direction(rate=rate, worst=worst, curve=partial_dependence(scores))


def partial_dependence(scores: Floats) -> Curve:
    """Return the mean of each point of the grid over the rows; shape (k, n) -> k. See `Curve`."""
    n = scores.shape[1]
    mean = scores.mean(axis=1)
    half = np.full(len(mean), np.nan)
    if n > 1:
        half = quantile(CONFIDENCE) * scores.std(axis=1, ddof=1) / np.sqrt(n)
    return Curve(mean=mean, lower=mean - half, upper=mean + half)
