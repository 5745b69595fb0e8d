"""Whether the image predicts what was scored, row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cd4ml.image.pairing import Scored

# The same row in a batch of another size may differ in the last bits: sums are taken in another order.
_RELATIVE: Final = 1e-6
_ABSOLUTE: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row of the paired tables, from 0 on, that the image predicts otherwise than it was scored."""

    row: int
    column: str
    scored: str
    served: str


def differences(scored: Scored, served: Sequence[Mapping[str, Any]]) -> list[Difference]:
    """Return every row whose label or score is not the scored one."""
    found = []
    for index, answer in enumerate(served):
        pairs = [("y_pred", scored.y_pred[index])]
        if scored.y_score is not None:
            pairs.append(("y_score", scored.y_score[index]))
        for column, expected in pairs:
            if not same(expected, answer[column]):
                row, given = index * scored.step, str(answer[column])
                found.append(Difference(row=row, column=column, scored=str(expected), served=given))
    return found


def same(scored: Any, served: Any) -> bool:
    """Whether two predictions are equal: fractions up to rounding (1 is 1.0), the rest exactly."""
    if served is None:
        return False
    if isinstance(served, str) and isinstance(scored, str):
        return served == scored
    if isinstance(served, str) and hasattr(scored, "isoformat"):
        return _same_moment(scored.isoformat(), served)
    try:
        if isinstance(served, float):
            return math.isclose(float(scored), served, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
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
