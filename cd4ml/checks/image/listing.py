"""Findings in messages: the first few of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_MOST_TOLD: Final = 10


def listed(findings: Sequence[str]) -> str:
    """Return findings, each in its own words."""
    shown = "; ".join(findings[:_MOST_TOLD])
    return f"{shown}; {len(findings) - _MOST_TOLD} more" if len(findings) > _MOST_TOLD else shown
