"""Times and lengths of time, as messages say them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def moment(at: datetime) -> str:
    """Say a moment, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def length(seconds: float) -> str:
    """Say how long something takes."""
    if seconds >= 3 * _DAY:
        return f"{seconds / _DAY:,.1f} days"
    if seconds >= 2 * _HOUR:
        return f"{seconds / _HOUR:.1f} hours"
    return f"{seconds / _MINUTE:.0f} minutes" if seconds >= 2 * _MINUTE else f"{seconds:.0f} seconds"
