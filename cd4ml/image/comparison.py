"""Whether the image predicts what was scored, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from cd4ml.image.pairing import Scored, largest


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far two fractions may lie apart: by this share of the greater, or by this much.

    Attributes:
        absolute: in a column whose largest value is 1 or more; in one of smaller values that share of its largest.
    """

    relative: float
    absolute: float

    def within(self, values: Iterable[Any]) -> Tolerance:
        """Return the tolerance of a column with these values: small ones are told apart as well as large ones are."""
        return self.up_to(largest(values))

    def up_to(self, largest_value: float) -> Tolerance:
        """Return the tolerance of a column of which this is the largest value, whatever its sign."""
        return replace(self, absolute=self.absolute * min(1.0, largest_value))

    def __str__(self) -> str:
        return f"{self.relative:g} relative or {self.absolute:g} absolute (less where all values are below 1)"


# The same row in a batch of another size may differ in the last bits: sums are taken in another order.
SAME_LIBRARY: Final = Tolerance(relative=1e-6, absolute=1e-9)
# A converted model may calculate in single precision, which has 24 bits.
CONVERTED: Final = Tolerance(relative=1e-5, absolute=1e-6)
# Labels are names, though they may be written as fractions: 200000.0 and 200001.0 are two classes.
EXACT: Final = Tolerance(relative=0.0, absolute=0.0)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row of the paired tables, from 0 on, that the image predicts otherwise than it was scored."""

    row: int
    column: str
    scored: str
    served: str


def differences(
    scored: Scored, served: Sequence[Mapping[str, Any]], tolerance: Tolerance = SAME_LIBRARY
) -> list[Difference]:
    """Return every row whose label or score is not the scored one."""
    found = []
    tolerances = {name: tolerance.up_to(scored.largest[name]) for name in scored.largest}
    if scored.labels:
        tolerances["y_pred"] = EXACT
    for index, answer in enumerate(served):
        pairs = [("y_pred", scored.y_pred[index])]
        if scored.y_score is not None:
            pairs.append(("y_score", scored.y_score[index]))
        for column, expected in pairs:
            if not same(expected, answer[column], tolerances[column]):
                row, given = index * scored.step, str(answer[column])
                found.append(Difference(row=row, column=column, scored=str(expected), served=given))
    return found


def same(scored: Any, served: Any, tolerance: Tolerance = SAME_LIBRARY) -> bool:
    """Whether two predictions are equal: fractions up to rounding (1 is 1.0), the rest exactly."""
    if served is None:
        return False
    if isinstance(served, str) and isinstance(scored, str):
        return served == scored
    if isinstance(served, str) and hasattr(scored, "isoformat"):
        return _same_moment(scored.isoformat(), served)
    try:
        if isinstance(served, float):
            return math.isclose(float(scored), served, rel_tol=tolerance.relative, abs_tol=tolerance.absolute)
        # Whole numbers are labels: with a tolerance, 1000001 and 1000002 would be one class.
        return Decimal(scored) == Decimal(served)
    except (TypeError, ValueError, ArithmeticError):
        return str(scored) == str(served)


def _same_moment(scored: str, served: str) -> bool:
    """Whether two times or durations in ISO 8601 are the same; a day is its first moment."""
    import pandas as pd

    try:
        return scored == served or pd.Timestamp(scored) == pd.Timestamp(served)
    except (ValueError, TypeError):
        return False
