"""Boundaries for looks that are declared beforehand: each look spends a part of the level.

The statistic at a share t of the planned observations is that of a Brownian motion: its value times the root
of t has independent increments. What is left of the paths that no look has stopped is integrated from look to look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.statistics.intervals import normal_quantile
from cd4ml.metrics.statistics.spending import Spending as Spending

Floats = npt.NDArray[np.float64]
# Beyond so many standard deviations there is nothing left to integrate.
_FAR: Final = 9.0
# Points of Gauss and Legendre for each standard deviation of a step, and how many at least and at most.
_DENSITY: Final = 8
_FEWEST: Final = 64
_MOST: Final = 3000
_HIGHEST: Final = 12.0


def spent(spending: Spending, fraction: float, alpha: float) -> float:
    """Return the part of a one-sided level that is spent up to a look.

    Args:
        fraction: observations up to the look over those planned; from 1 on all is spent.

    Source:
        Lan & DeMets (1983), Biometrika 70:659: the functions of O'Brien and Fleming's type and of Pocock's.
    """
    if fraction >= 1:
        return alpha
    if spending is Spending.POCOCK:
        return alpha * math.log1p((math.e - 1) * fraction)
    return 2 * float(special.ndtr(normal_quantile(alpha / 2) / math.sqrt(fraction)))


def boundaries(
    fractions: Sequence[float], alpha: float, spending: Spending = Spending.OBRIEN_FLEMING, *, two_sided: bool = True
) -> list[float]:
    """Return the boundary of the statistic at each look, at most 12: what exceeds it, stops with a decision.

    Args:
        fractions: observations at the looks over those planned, rising, above 0; the last one need not be 1.
        alpha: the level of all looks together. Two-sided, each side spends half of it.

    Source:
        Armitage, McPherson & Rowe (1969), JRSS A 132:235; chapter 19 of Jennison & Turnbull (2000), Group Sequential
        Methods.
    """
    side, paths, found = alpha / 2 if two_sided else alpha, _Paths(), list[float]()
    before = 0.0
    for fraction in fractions:
        now = spent(spending, fraction, side)
        found.append(paths.boundary(fraction, now - before))
        paths.stop(found[-1], fraction, two_sided=two_sided)
        before = now
    return found


class _Paths:
    """The paths that no look has stopped: their density at the points of the last look."""

    def __init__(self) -> None:
        """Begin at 0, with all paths."""
        self._at = 0.0
        self._points, self._masses = np.zeros(1), np.ones(1)

    def above(self, limit: float, fraction: float) -> float:
        """Return the probability of a statistic above the limit at the next look."""
        root, step = math.sqrt(fraction), math.sqrt(fraction - self._at)
        return float(self._masses @ special.ndtr((self._points - limit * root) / step))

    def boundary(self, fraction: float, probability: float) -> float:
        """Return the limit that the statistic exceeds at the next look with this probability."""
        low, high = -_HIGHEST, _HIGHEST
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.above(middle, fraction) > probability else (low, middle)
        return high

    def stop(self, limit: float, fraction: float, *, two_sided: bool) -> None:
        """Go on to the next look, with the paths that do not exceed the limit there."""
        root, step = math.sqrt(fraction), math.sqrt(fraction - self._at)
        upper = min(limit, _FAR) * root
        lower = -upper if two_sided else -_FAR * root
        points, weights = _grid(lower, upper, step)
        density = np.exp(-0.5 * ((points[:, None] - self._points[None, :]) / step) ** 2) @ self._masses
        self._points, self._masses = points, weights * density / (step * math.sqrt(2 * math.pi))
        self._at = fraction


def _grid(lower: float, upper: float, step: float) -> tuple[Floats, Floats]:
    """Return points and weights for an integral of functions that vary over `step`."""
    if upper <= lower:
        return np.zeros(1), np.zeros(1)
    points, weights = special.roots_legendre(min(_MOST, max(_FEWEST, math.ceil(_DENSITY * (upper - lower) / step))))
    half = (upper - lower) / 2
    return lower + half * (points + 1), half * weights
