"""How sentences write numbers: with so many decimals that two that differ never look equal, shares in percent."""

from __future__ import annotations

import math
from typing import Final

_LEAST: Final = 4
# Beyond, two numbers differ by the rounding of binary fractions.
_MOST: Final = 12
# From here on the fourth decimal is no longer what people read, unless it tells two numbers apart.
_LARGE: Final = 1000
_LEAST_OF_LARGE: Final = 1
_LEAST_CHANCE: Final = 0.001


def fixed(value: float, *beside: float) -> str:
    """Return a number with four decimals (a large one with one), or as many more as tell it from those beside it."""
    least = _LEAST_OF_LARGE if max(map(abs, (value, *beside))) >= _LARGE else _LEAST
    for decimals in range(least, _MOST + 1):
        shown = f"{value:,.{decimals}f}"
        if all(shown != f"{other:,.{decimals}f}" for other in beside if other != value):
            return shown
    return f"{value:,.{least}f}"


def as_set(limit: float, *beside: float) -> str:
    """Return a limit as precisely as somebody set it, with the decimals of the numbers that it stands beside."""
    least = len(fixed(limit, *beside).partition(".")[2])
    for decimals in range(least, _MOST + 1):
        if round(limit, decimals) == limit:
            return f"{limit:,.{decimals}f}"
    return f"{limit:g}"


def percent(share: float, decimals: int = 1) -> str:
    """Return a share in percent."""
    return f"{100 * share:,.{decimals}f} %"


def floored(percentage: float) -> str:
    """Return a percentage rounded down: 79.96 % is not the 80.0 % that it would be shown as."""
    return f"{math.floor(round(10 * percentage, 6)) / 10:.1f} %"


def chance(p_value: float) -> str:
    """Return a p-value for people, who need two digits of it."""
    if p_value < _LEAST_CHANCE:
        return f"p < {_LEAST_CHANCE:g}"
    return f"p = {p_value:.3f}" if p_value < 0.1 else f"p = {p_value:.2f}"
