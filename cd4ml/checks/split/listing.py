"""Names and findings in messages: the first few of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST_NAMED: Final = 5
_MOST_TOLD: Final = 3


def named(names: Sequence[str]) -> str:
    """Return names of columns."""
    shown = ", ".join(f"`{name}`" for name in names[:MOST_NAMED])
    return f"{shown} and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else shown


def listed(findings: Sequence[str]) -> str:
    """Return findings, each with its numbers."""
    shown = "; ".join(findings[:_MOST_TOLD])
    return f"{shown}; and {len(findings) - _MOST_TOLD:,} more" if len(findings) > _MOST_TOLD else shown
