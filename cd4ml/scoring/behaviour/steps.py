"""The step by which a column's numbers are moved where none is declared."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

# The steps of a decade in which people measure.
_OF_A_DECADE: Final = (5.0, 2.5, 1.0)
# This share of the numbers are multiples of the step in which they were measured; the others are slips of a pen.
_MULTIPLES: Final = 0.99
# A unit that is finer than this share of the spread moves nothing.
_FINEST: Final = 0.001
_OF_SPREAD: Final = 0.01
_ROUNDING: Final = 1e-6

Numbers = npt.NDArray[Any]


def step_of(numbers: Numbers, *, whole_numbers: bool) -> tuple[float, str]:
    """Return a step for a column's numbers, and what it is, as words behind it.

    It is the largest step (1, 2.5 or 5 times a power of ten) of which 99 % of the numbers are multiples. Where there is
    none, or where it is finer than a thousandth of their spread, it is a hundredth of their spread: of the
    interquartile range, or of the standard deviation where that is 0. It is 0 if all are the same.

    Args:
        numbers: finite, at least one.
        whole_numbers: whether the step must be a whole number.
    """
    values = numbers.astype(np.float64)
    spread, name = _spread(values)
    if np.ptp(values) == 0:
        return 0.0, ""
    unit = _unit(values, spread, float(np.finfo(numbers.dtype).eps) if numbers.dtype.kind == "f" else 0.0)
    if unit is not None and not (whole_numbers and unit != int(unit)):
        return unit, " (its unit of measurement)"
    part = _OF_SPREAD * spread
    return (float(max(1, round(part))) if whole_numbers else part), f" ({_OF_SPREAD:.0%} of its {name})"


def _spread(values: Numbers) -> tuple[float, str]:
    """Return how far numbers lie apart, and the name of that measure."""
    lower, upper = np.quantile(values, (0.25, 0.75))
    if upper > lower:
        return float(upper - lower), "interquartile range"
    return float(values.std()), "standard deviation"


def _unit(values: Numbers, spread: float, precision: float) -> float | None:
    """Return the largest step, neither beyond the range nor far below the spread, of which nearly all are multiples.

    Args:
        precision: relative, of the type in which the values are kept.
    """
    most, finest = float(np.ptp(values)), _FINEST * spread
    others = np.abs(values[values != 0])
    decade = math.floor(math.log10(most))
    while (scale := 10.0**decade) * max(_OF_A_DECADE) >= finest > 0:
        for step in (scale * one for one in _OF_A_DECADE):
            if finest <= step <= most * (1 + _ROUNDING) and _share_of_multiples(others, step, precision) >= _MULTIPLES:
                return float(f"{step:.6g}")
        decade -= 1
    return None


def _share_of_multiples(values: Numbers, step: float, precision: float) -> float:
    """Return the share of the values that are multiples of the step, but for rounding."""
    times = values / step
    return float((np.abs(times - np.round(times)) <= np.clip(precision * times, _ROUNDING, 0.001)).mean())
