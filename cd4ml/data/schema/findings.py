"""What breaks a rule of a schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from cd4ml.user_code import Raised

MOST_SAMPLES: Final = 10
INDEX: Final = "(index)"


@dataclass(kw_only=True)
class Finding:
    """What was found about a rule.

    Attributes:
        failing: number of rows that break the rule; of columns, if it is about columns or a whole column.
        samples: bounded (row number, value) pairs; the row number counts from 0 without the header.
        columns: columns that the rule refuses or misses; of a rule about types, the type that was found.
        by_row: whether `failing` counts rows; so it does where there are samples.
        crash: why the rule could not be evaluated, if it could not.
    """

    failing: int = 0
    samples: list[tuple[Any, Any]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    by_row: bool = False
    crash: Raised | None = None
