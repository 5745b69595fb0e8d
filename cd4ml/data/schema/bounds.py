"""Bounds for numbers that a reviewer could have written: a calendar's, those of codes, or wider than what was seen."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final

from cd4ml.data.schema.scalars import scalar
from cd4ml.data.schema.seen import Seen

# Fewer rows for each value have not shown which values there are.
FEWEST_ROWS: Final = 10
_LARGEST: Final = 2**53
_WIDEST: Final = 1e300
# Whole numbers in a range as small as this have not shown how far they reach.
_FEW: Final = 20
# What a calendar allows, by what people call such columns.
_CALENDAR: Final = (
    (re.compile(r"(?:.*_)?(?:month|mnth)"), 1, 12),
    (re.compile(r"(?:.*_)?(?:hour|hr)(?:_?of_?day)?"), 0, 23),
    (re.compile(r"(?:.*_)?minute"), 0, 59),
    (re.compile(r"(?:.*_)?(?:quarter|qtr)"), 1, 4),
    *((re.compile(r"(?:.*_)?(?:week_?day|day_?of_?week|dow)"), first, last) for first, last in ((0, 6), (1, 7))),
    (re.compile(r"(?:.*_)?day(?:_?of_?month)?"), 1, 31),
    (re.compile(r"(?:.*_)?week(?:_?of_?year)?"), 0, 53),
)
# Whole numbers are codes, of seasons for example, if so many follow one another and none is much rarer than the others.
_FEWEST_CODES: Final = 4
_RAREST_CODE: Final = 0.25
# Numbers between 0 and 1 are shares if they reach beyond this.
_SHARE: Final = 0.5


def natural(name: str, found: Seen) -> list[str]:
    """Return the bounds of shares, of a calendar, or of codes that were all seen; none for other numbers."""
    if found.stored.is_float() and 0 <= found.lower and _SHARE < found.upper <= 1:
        return _range(0.0, 1.0, f"from {scalar(found.lower)} to {scalar(found.upper)} were seen: shares?")
    if not found.stored.is_integer() or found.missing:
        return []
    for called, low, high in _CALENDAR:
        if called.fullmatch(name.lower()) and low <= found.lower and found.upper <= high:
            return _range(low, high, f"by its name and its values, from {found.lower} to {found.upper}.")
    counts = found.counts or {}
    codes = found.upper - found.lower + 1
    even = found.filled / codes
    enough = _FEWEST_CODES <= codes == len(counts) and even >= FEWEST_ROWS
    if not enough or min(counts.values()) < _RAREST_CODE * even:
        return []
    why = f"every whole number from {found.lower} to {found.upper} is about as frequent: codes?"
    return _range(found.lower, found.upper, why)


def _range(low: float, high: float, why: str) -> list[str]:
    """Return the lines of bounds."""
    shown = f"min_value: {scalar(low)}, max_value: {scalar(high)}"
    return [
        "    checks:",
        f"      # Review: {why}",
        f"      in_range: {{{shown}, include_min: true, include_max: true}}",
    ]


def wider(found: Seen, slack: float) -> Iterator[str]:
    """Yield bounds of numbers, wider than what was seen by the slack; what never was negative does not become so."""
    lower, upper, whole = found.lower, found.upper, found.stored.is_integer()
    room = slack * (upper - lower)
    if whole and upper - lower <= _FEW:  # counts, grades: the next value is not a fault of the data
        room = max(room, upper - lower, 1)
    low, high = _outward(lower - room, -1), _outward(upper + room, 1)
    low = 0.0 if lower >= 0 > low else low
    # Whole numbers that large are not compared as they are written; floats that wide have no bounds.
    if max(abs(low), abs(high)) > (_LARGEST if whole else _WIDEST):
        return
    low, high = (math.floor(low), math.ceil(high)) if whole else (low, high)
    yield from _range(low, high, f"from {scalar(lower)} to {scalar(upper)} were seen.")


def _outward(value: float, direction: int) -> float:
    """Return a number of three significant digits beyond a value, or the value if there is none."""
    if value == 0 or not 1e-290 < abs(value) < _WIDEST:
        return value
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    rounded = float(f"{(math.floor if direction < 0 else math.ceil)(value / step) * step:.4g}")
    return rounded if (rounded - value) * direction >= 0 else value
