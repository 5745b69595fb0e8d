"""Whether numbers that differ are the same ones in another unit: metres against kilometres, say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

# Fewer pairs, or fewer different values, can lie on a line by chance.
_PAIRS: Final = 10
_VALUES: Final = 5
# So many of the pairs must lie on the line, and so close to it.
_SHARE: Final = 0.9
_CLOSE: Final = 1e-6
# The larger number is in the first unit. Factors as in NIST Special Publication 811 (2008), appendix B.
_UNITS: Final = (
    (1_000.0, "metres", "kilometres (or another thousandth)"),
    (100.0, "percent", "shares (or another hundredth)"),
    (60.0, "minutes", "hours, or seconds for minutes"),
    (3_600.0, "seconds", "hours"),
    (86_400.0, "seconds", "days"),
    (24.0, "hours", "days"),
    (1_609.344, "metres", "miles"),
    (1.609344, "kilometres", "miles"),
    (1 / 0.3048, "feet", "metres"),
    (1 / 0.45359237, "pounds", "kilograms"),
    (1_000_000.0, "millionths", "whole units"),
    (1_000_000_000.0, "billionths", "whole units"),
)
_LINES: Final = (
    (1.8, 32.0, "degrees Fahrenheit for Celsius"),
    (1 / 1.8, -32 / 1.8, "degrees Celsius for Fahrenheit"),
    (1.0, 273.15, "kelvins for degrees Celsius"),
    (1.0, -273.15, "degrees Celsius for kelvins"),
)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """`online = factor * offline + offset`.

    Attributes:
        share: of the pairs that lie on this line.
    """

    factor: float
    offset: float
    share: float

    @property
    def told(self) -> str:
        """What it may be, for people."""
        line = f"online = {self.factor:.6g} x offline"
        if self.offset:
            line += f" {'+' if self.offset > 0 else '-'} {abs(self.offset):.6g}"
        name = self._name()
        return f"{line}: {name}" if name else line

    def _name(self) -> str:
        """Return the units that lie so apart, empty if none are known."""
        if not self.offset:
            for factor, larger, smaller in _UNITS:
                if math.isclose(self.factor, factor, rel_tol=_CLOSE):
                    return f"{larger} for {smaller}"
                if math.isclose(self.factor, 1 / factor, rel_tol=_CLOSE):
                    return f"the reverse of {larger} for {smaller}"
            return "the other sign" if self.factor == -1 else ""
        for factor, offset, name in _LINES:
            if math.isclose(self.factor, factor, rel_tol=_CLOSE) and math.isclose(self.offset, offset, rel_tol=1e-4):
                return name
        return ""


def scale_of(offline: Sequence[float], online: Sequence[float]) -> Scale | None:
    """Return the line on which nearly all pairs lie, None if there is none: then no unit explains the difference.

    The factor is the median of the ratios; where there is an offset, the median slope between pairs that lie half of
    the sorted values apart, which are those of Theil's incomplete method.

    Source:
        Theil (1950), Proc. Kon. Ned. Akad. Wetensch. A 53:386. A median bears a tenth of pairs that differ for other
        reasons.

    Args:
        offline, online: finite numbers that differ, pair by pair.
    """
    if len(offline) < _PAIRS or len(set(offline)) < _VALUES:
        return None
    pairs = sorted(zip(offline, online, strict=True))
    ratios = [there / here for here, there in pairs if here]
    factor = median(ratios) if len(ratios) >= _SHARE * len(pairs) else 0.0
    found = _on_line(pairs, factor, 0.0)
    if found is not None:
        return found
    half = len(pairs) // 2
    slopes = [
        (there - here) / (right - left)
        for (left, here), (right, there) in zip(pairs[:half], pairs[half:], strict=False)
        if right > left
    ]
    if not slopes:
        return None
    slope = median(slopes)
    return _on_line(pairs, slope, median(there - slope * here for here, there in pairs))


def _on_line(pairs: Sequence[tuple[float, float]], factor: float, offset: float) -> Scale | None:
    """Return a line if nearly all pairs lie on it, and it is not that of equal values."""
    if not factor or not math.isfinite(factor) or not math.isfinite(offset):
        return None
    near = sum(
        abs(there - (factor * here + offset)) <= _CLOSE * max(abs(there), abs(factor * here), abs(offset))
        for here, there in pairs
    )
    same = math.isclose(factor, 1, rel_tol=_CLOSE) and not offset
    if near < _SHARE * len(pairs) or same:
        return None
    return Scale(factor=factor, offset=offset, share=near / len(pairs))
