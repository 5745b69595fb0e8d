"""How many decimals a number needs beside another one, so that the two never look equal when they differ."""

from __future__ import annotations

from typing import Final

_LEAST: Final = 4
# Beyond, two numbers differ by the rounding of binary fractions.
_MOST: Final = 12


def fixed(value: float, *beside: float) -> str:
    """Return a number with four decimals, or as many more as tell it from those that stand beside it."""
    for decimals in range(_LEAST, _MOST + 1):
        shown = f"{value:.{decimals}f}"
        if all(shown != f"{other:.{decimals}f}" for other in beside if other != value):
            return shown
    return f"{value:.{_LEAST}f}"
