"""One change and its limit -> a check: beyond it for certain, within it for certain, or not decided yet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cd4ml.metrics.rollout.comparison import Change, Levels
from cd4ml.report import Bound, Check, Interval, Status, as_set, percent

METHOD = "time-uniform"
NO_DATA, TOO_FEW = "no-data", "too-few-rows"
# Beyond so many times the rows that there are, saying how many are needed helps nobody.
_LONGEST_MINUTES = 60 * 24 * 30


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What is held against a limit.

    Attributes:
        what: in words, as a sentence begins: `Error rate of the canary`.
        option: that sets the limit.
        needed: more canary rows that would decide; None if hardly any number does, or none is needed.
        minutes: that the canary's rows came in.
        ratio: whether the change is canary divided by stable; otherwise it is a share or a difference of shares.
        undesired: reason of a change beyond the limit, and whether that is the canary's fault.
    """

    id: str
    metric: str
    what: str
    option: str
    limit: float
    change: Change
    levels: Levels
    needed: int | None
    minutes: int
    reason: str
    advice: str
    ratio: bool = False
    fault: bool = True
    rows: str = "rows"


def change_check(judged: Judged) -> Check:
    """Decide on one change."""
    change = judged.change
    if not math.isfinite(change.value) or not change.rows:
        return _no_data(judged)
    status, reason, verdict, advice = _verdict(judged)
    return Check(
        id=judged.id,
        status=status,
        reason=reason,
        metric=judged.metric,
        value=change.value,
        interval=Interval(
            lower=change.lower,
            upper=change.upper,
            confidence=judged.levels.confidence,
            method=METHOD,
        ),
        limit=judged.limit,
        bound=Bound.AT_MOST,
        baseline=change.stable,
        n=change.rows,
        option=(judged.option,),
        message=f"{judged.what} {_found(judged)}: {verdict}.",
        advice=advice,
    )


def _verdict(judged: Judged) -> tuple[Status, str | None, str, str | None]:
    """Return status, reason, words and advice."""
    change, limit = judged.change, judged.limit
    allowed = _number(limit, judged)
    if change.lower > limit:
        status = Status.FAILED if judged.fault else Status.INCONCLUSIVE
        return status, judged.reason, f"above the allowed {allowed}, and not by chance", judged.advice
    if change.upper <= limit:
        return Status.PASSED, None, f"within the allowed {allowed}", None
    return Status.INCONCLUSIVE, TOO_FEW, f"not decided yet against the allowed {allowed}", _waiting(judged)


def _waiting(judged: Judged) -> str:
    """Say how much more is needed."""
    if judged.needed is None:
        return (
            "The change is so close to the limit that more rows will hardly decide: end the step, or set another limit."
        )
    rate = judged.change.rows / max(1, judged.minutes)
    minutes = math.ceil(judged.needed / rate)
    when = f", about {minutes:,} minutes at the present rate" if minutes < _LONGEST_MINUTES else ""
    return f"Wait for about {judged.needed:,} more {judged.rows} of the canary{when}."


def _no_data(judged: Judged) -> Check:
    """Return the check of what could not be looked at."""
    return Check(
        id=judged.id,
        status=Status.INCONCLUSIVE,
        reason=NO_DATA,
        metric=judged.metric,
        limit=judged.limit,
        bound=Bound.AT_MOST,
        n=judged.change.rows,
        option=(judged.option,),
        message=f"{judged.what} could not be judged: no {judged.rows} of both versions over the same time.",
        advice="Look at whether both versions get traffic and write events; or leave the finding out of `judge`.",
    )


def _found(judged: Judged) -> str:
    """Say what was seen."""
    change = judged.change
    interval = f"95 % bounds {_number(change.lower, judged)} to {_number(change.upper, judged)}"
    interval = interval.replace("95 %", percent(judged.levels.confidence))
    if judged.ratio:
        return (
            f"is {change.value:.2f} times that of stable ({change.canary:.3g} ms, {change.stable:.3g} ms; {interval})"
        )
    if change.canary is None:
        return f"differs by {_number(change.value, judged)} ({interval})"
    if change.stable is None:
        return f"is {_number(change.value, judged)} ({interval})"
    shares = f"{_number(change.canary, judged)} against {_number(change.stable, judged)}"
    return f"is {shares}, a change by {_number(change.value, judged)} ({interval})"


def _number(value: float, judged: Judged) -> str:
    """Return a number as people read it."""
    if judged.ratio:
        return as_set(value) if value == judged.limit else f"{value:.2f}"
    return percent(value, 2)
