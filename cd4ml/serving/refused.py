"""Requests that are refused. What is said names the place (`rows[3].age`) and the rule, never what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SHOWN_PROBLEMS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a request; `path` says where, in the request's own terms."""

    path: str
    problem: str


class Refused(Exception):
    """A request that is refused. `code` is for machines; `problems` are already bounded."""

    def __init__(self, status: int, code: str, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.problems = tuple(problems[:_SHOWN_PROBLEMS])
        self.more = max(0, len(problems) - _SHOWN_PROBLEMS)


def not_ready() -> Refused:
    """Return the refusal of whatever needs the model."""
    return Refused(503, "not-ready", "The model is not loaded.")
