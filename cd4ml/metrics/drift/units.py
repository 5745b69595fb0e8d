"""Whether numbers came in another unit: after = before * factor + offset, with a factor that people use. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.drift.distance import Distance, ks, ks_test

Numbers = npt.NDArray[np.float64]
# What a unit is worth in the other one; each is looked for in both directions.
CONVERSIONS: Final[dict[str, tuple[float, float]]] = {
    "ten": (10.0, 0.0),
    "twelve, as years in months": (12.0, 0.0),
    "24, as days in hours": (24.0, 0.0),
    "60, as minutes in seconds": (60.0, 0.0),
    "a hundred, as shares in percent": (100.0, 0.0),
    "a thousand, as kilometres in metres": (1e3, 0.0),
    "3,600, as hours in seconds": (3600.0, 0.0),
    "a million": (1e6, 0.0),
    "1.609, as miles in kilometres": (1.609344, 0.0),
    "3.281, as metres in feet": (1 / 0.3048, 0.0),
    "2.54, as inches in centimetres": (2.54, 0.0),
    "2.205, as kilograms in pounds": (1 / 0.45359237, 0.0),
    "57.3, as radians in degrees": (180 / math.pi, 0.0),
    "the other sign": (-1.0, 0.0),
    "degrees Celsius in Fahrenheit": (1.8, 32.0),
    "degrees Celsius in kelvins": (1.0, 273.15),
}
# Once converted, chance must explain the distance that is left, or it is as small as this; and it is at most this share
# of what it was.
_LEVEL: Final = 0.01
_LEFT: Final = 0.03
_OF_BEFORE: Final = 1 / 3


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How numbers changed.

    Attributes:
        factor, offset: after = before * factor + offset.
        name: of the conversion; the other way round, where it is `inverse`.
        left: the Kolmogorov-Smirnov distance that is left once the earlier numbers are converted.
    """

    factor: float
    offset: float
    name: str
    inverse: bool
    left: float


def distance(before: Numbers, after: Numbers) -> float:
    """Return the exact two-sample Kolmogorov-Smirnov distance of numbers, shapes (rows,)."""
    values, places = np.unique(np.concatenate([before, after]), return_inverse=True)
    first = np.bincount(places[: len(before)], minlength=len(values))
    second = np.bincount(places[len(before) :], minlength=len(values))
    return ks(first, second, exact=True).statistic


def noise(n: int, m: int, confidence: float) -> float:
    """Return how far the distance of two samples may lie from that of their sources, at most, with this confidence.

    Source:
        Massart (1990), Annals of Probability 18:1269, for each sample half of what may be missed.
    """
    missed = (1 - confidence) / 2
    return sum(math.sqrt(math.log(2 / missed) / (2 * rows)) for rows in (n, m))


def conversion(before: Numbers, after: Numbers) -> Conversion | None:
    """Return the known conversion after which the later numbers look like the earlier ones; None if none does."""
    was = distance(before, after)
    found = [_converted(before, after, name, inverse=inverse) for name in CONVERSIONS for inverse in (False, True)]
    best = min(found, key=lambda one: one.left)
    by_chance = ks_test(Distance(statistic=best.left, error=0.0), len(before), len(after)).p_value >= _LEVEL
    return best if best.left <= _OF_BEFORE * was and (by_chance or best.left <= _LEFT) else None


def _converted(before: Numbers, after: Numbers, name: str, *, inverse: bool) -> Conversion:
    """Return what is left of the distance after a conversion."""
    factor, offset = CONVERSIONS[name]
    if inverse:
        factor, offset = 1 / factor, -offset / factor
    left = distance(before * factor + offset, after)
    return Conversion(factor=factor, offset=offset, name=name, inverse=inverse, left=left)
