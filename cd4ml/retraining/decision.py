"""Whether retraining is asked for now. Pure.

One bad day is noise, and an alarm that stays on must not start a retraining every hour. So at least k of the newest n
windows must have drifted, the newest among them, and a request waits for the one before it, for a cooldown and for a
budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cd4ml.report import Check, Status


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that was made: the issue that stands for it."""

    number: int
    created: datetime
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the user allows.

    Attributes:
        violations, windows: k and n.
        budget: requests in a calendar month (UTC).
    """

    violations: int
    windows: int
    cooldown: timedelta
    budget: int


class Outcome(StrEnum):
    """What is to be done."""

    REQUEST = "request"
    QUIET = "quiet"
    OPEN = "already-open"
    COOLDOWN = "cooldown"
    BUDGET = "budget-exhausted"
    UNDECIDED = "undecided"


_ADVICE: Final = {
    Outcome.BUDGET: "Retraining does not end the drift: check the data, or raise `request-budget` after a review.",
    Outcome.UNDECIDED: "Look at the runs without a verdict; keep drift reports as long as `windows` need them.",
}


def outcome_check(outcome: Outcome, why: str) -> Check:
    """Return the check of an outcome: one that leaves drift alone for good fails, and one that nothing tells is open.

    Args:
        why: it came to that, for people.
    """
    statuses = {Outcome.BUDGET: Status.FAILED, Outcome.UNDECIDED: Status.INCONCLUSIVE}
    return Check(
        id="retraining",
        status=statuses.get(outcome, Status.PASSED),
        reason=str(outcome),
        message=why,
        advice=_ADVICE.get(outcome),
    )


def decide(
    windows: Sequence[bool | None], requests: Sequence[Request], rules: Rules, now: datetime
) -> tuple[Outcome, str]:
    """Return what is to be done, and why.

    Args:
        windows: whether each window drifted, newest first; None for one without a verdict.
    """
    looked = list(windows[: rules.windows])
    bad, unknown = looked.count(True), looked.count(None)
    said = f"{bad} of the newest {len(looked)} windows drifted ({rules.violations} of {rules.windows} are needed)"
    if not looked or looked[0] is None:
        return Outcome.UNDECIDED, "The newest window has no verdict."
    if not looked[0]:
        return Outcome.QUIET, "The newest window did not drift."
    if bad < rules.violations:
        if bad + unknown >= rules.violations:
            return Outcome.UNDECIDED, f"{said}, but {unknown} have no verdict."
        return Outcome.QUIET, f"{said}."
    return _held(requests, rules, now) or (Outcome.REQUEST, f"{said}.")


def _held(requests: Sequence[Request], rules: Rules, now: datetime) -> tuple[Outcome, str] | None:
    """Return why a request that is due has to wait, None if nothing holds it."""
    still_open = [request.number for request in requests if request.is_open]
    if still_open:
        return Outcome.OPEN, f"Drift continues, but request #{still_open[0]} is open."
    last = max((request.created for request in requests), default=None)
    if last is not None and now - last < rules.cooldown:
        return Outcome.COOLDOWN, f"Drift continues, but the last request was made {last:%Y-%m-%d %H:%M} UTC."
    month = [request for request in requests if (request.created.year, request.created.month) == (now.year, now.month)]
    if len(month) >= rules.budget:
        return (
            Outcome.BUDGET,
            f"Drift continues, but {len(month)} requests were made this month; at most {rules.budget} are allowed.",
        )
    return None
