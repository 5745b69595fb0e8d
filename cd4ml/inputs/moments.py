"""Moments as the caller writes them: times with a zone, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from cd4ml.errors import OptionsError

_AGO: Final = re.compile(r"(\d+)(m|h|d)")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def moment(name: str, written: str | None, now: datetime) -> datetime | None:
    """Return the time that an option says; None if it is not set.

    Raises:
        OptionsError: it is neither a time with a zone nor a span.
    """
    if written is None:
        return None
    try:
        if ago := _AGO.fullmatch(written.strip()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(written.strip())
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):  # no time, or one that no calendar has
        pass
    raise OptionsError(
        f"{name} must be a time with a zone such as 2027-01-15T08:00:00Z, or a span such as 90m; got {written!r}"
    )
