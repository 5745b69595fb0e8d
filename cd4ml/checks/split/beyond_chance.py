"""Shares of test rows beyond what chance explains, held to a limit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Bound, Check, Status, percent

# The reason of a share above its limit that passes: its interval says that there may be none beyond chance.
BY_CHANCE: Final = "by-chance"


def beyond_chance_check(
    id: str,
    excess: float,
    bounds: Bounds,
    *,
    repeating: bool,
    limit: float,
    option: Sequence[str],
    confidence: float,
    reason: str,
    advice: str,
    remark: str | None = None,
    **about: Any,
) -> Check:
    """Check that a share beyond chance is within its limit.

    It fails if the share is certain to be above the limit, and is inconclusive if there is such a share and only its
    size is in doubt. What chance explains passes, if training rows show that rows are equal by chance; if none of them
    are, nothing does, and a share above the limit is inconclusive.

    Args:
        repeating: whether training rows equal each other.
        remark: the reason of a check that passed.
        about: further parts of the check.
    """
    status = _status(excess, bounds, limit, repeating=repeating)
    passed = remark or (BY_CHANCE if excess > limit else None)
    return Check(
        id=id,
        status=status,
        reason=passed if status is Status.PASSED else reason,
        value=excess,
        interval=bounds.named(confidence, "newcombe-good"),
        limit=limit,
        bound=Bound.AT_MOST,
        option=option,
        advice=None if status is Status.PASSED else advice,
        **about,
    )


def _status(excess: float, bounds: Bounds, limit: float, *, repeating: bool) -> Status:
    """Return the verdict on a share beyond chance."""
    if excess <= limit or (bounds.lower <= 0 and repeating):
        return Status.PASSED
    return Status.FAILED if bounds.lower > limit else Status.INCONCLUSIVE


def said_beyond(excess: float, bounds: Bounds, limit: float) -> str:
    """Say how large a share beyond chance is, with its interval and its limit."""
    interval = f"{percent(bounds.lower)} to {percent(bounds.upper)}"
    doubt = ", which chance may explain as well" if excess > limit and bounds.lower <= 0 else ""
    return f"{percent(excess)} ({interval}) is beyond it (at most {percent(limit)}){doubt}"
