"""Since when each step of a rollout is judged: from when its verdict was first asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, urlsplit

_KEPT: Final = timedelta(days=1)  # after which a step that nobody asks for is forgotten
_LONGEST: Final = 200  # characters of a step's name
_MOST: Final = 1000  # steps


def _now() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


class Steps:
    """The steps that were asked for, by name."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        """Know of none."""
        self._now = now
        self._began: dict[str, datetime] = {}
        self._asked: dict[str, datetime] = {}

    def since(self, step: str) -> datetime:
        """Return when a step began: now, if it was not asked for before."""
        now = self._now()
        for name in [name for name, asked in self._asked.items() if now - asked > _KEPT]:
            self._forget(name)
        self._asked[step] = now
        while len(self._asked) > _MOST:
            self._forget(min(self._asked, key=lambda name: self._asked[name]))
        return self._began.setdefault(step, now)

    def restart(self, step: str) -> None:
        """Begin the next step of this name now."""
        self._began[step] = self._now()

    def _forget(self, step: str) -> None:
        """Forget a step."""
        self._asked.pop(step, None)
        self._began.pop(step, None)


def step_of(path: str, body: bytes = b"") -> str:
    """Return the name of the step that a request is about: its `step`, and of Flagger's the checksum of the canary.

    It is empty where the request names none.
    """
    named = parse_qs(urlsplit(path).query).get("step", [""])[0]
    if not named or not body:
        return named[:_LONGEST]
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    checksum = said.get("checksum", "") if isinstance(said, dict) else ""
    return f"{named[:_LONGEST]} {str(checksum)[:_LONGEST]}"
