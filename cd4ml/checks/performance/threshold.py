"""Metric values and limits -> checks. Pure.

A value at its limit passes. Limits are compared as the decimals that people write: a loss of 0.02 from 0.93 to 0.91 is
a loss of 0.02, whatever binary fractions make of the difference.
"""

from __future__ import annotations

from typing import Final

from cd4ml.report import Bound, Check, Interval, Status, as_set, fixed
from cd4ml.report.ids import check_id

# Differences below this share of the compared values come from binary fractions, not from models: one row of a
# billion makes a larger one.
ROUNDING: Final = 1e-12


def at_most(value: float, limit: float, *operands: float) -> bool:
    """Whether value <= limit, up to the rounding of the operands that the value was computed from."""
    return value <= limit + ROUNDING * max(abs(operand) for operand in (value, limit, *operands))


def undefined_check(id: str, metric: str, why: str, n: int) -> Check:
    """Return the check for a metric that has no value on these rows: an error, never a pass."""
    return Check(
        id=id,
        status=Status.ERROR,
        reason="undefined-metric",
        metric=metric,
        n=n,
        message=f"{metric} cannot be computed: {why}.",
        advice="Use test data and predictions on which it is defined, or gate on another metric.",
    )


def minimum_check(metric: str, value: float, limit: float, n: int, interval: Interval | None = None) -> Check:
    """Check that a value reaches its minimum."""
    passed = at_most(-value, -limit)
    return _limit(metric, value, limit, n, interval, name="minimum", passed=passed, word="below")


def maximum_check(metric: str, value: float, limit: float, n: int, interval: Interval | None = None) -> Check:
    """Check that a value does not exceed its maximum."""
    passed = at_most(value, limit)
    return _limit(metric, value, limit, n, interval, name="maximum", passed=passed, word="above")


def _limit(
    metric: str, value: float, limit: float, n: int, interval: Interval | None, *, name: str, passed: bool, word: str
) -> Check:
    """Return the check of a value against a fixed limit."""
    shown, set_to = fixed(value, limit), as_set(limit, value)
    side = "at least" if name == "minimum" else "at most"
    found = f"{metric} {shown} ({side} {set_to}) on {n:,} rows"
    if not passed:
        found = f"{metric} {shown} on {n:,} rows, {word} the {name} of {set_to}"
    return Check(
        id=check_id(name, metric),
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else f"{word}-{name}",
        metric=metric,
        value=value,
        interval=interval,
        limit=limit,
        bound=Bound.AT_LEAST if name == "minimum" else Bound.AT_MOST,
        option=(name, metric),
        n=n,
        message=f"{found}.{between(interval)}",
        advice=None if passed else "Improve the model, or change the limit in a reviewed change.",
    )


def between(interval: Interval | None) -> str:
    """Return an interval as a sentence of its own, empty if there is none; how it was made stands in the report."""
    if interval is None:
        return ""
    lower, upper = (
        fixed(one, other) for one, other in ((interval.lower, interval.upper), (interval.upper, interval.lower))
    )
    return f" {interval.confidence * 100:g} % interval: {lower} to {upper}."


def changed(metric: str, candidate: float, production: float, *beside: float, greater_is_better: bool) -> str:
    """Say how the candidate's value stands to production's.

    Args:
        beside: what the difference is compared with, from which it must look different.
    """
    loss = production - candidate if greater_is_better else candidate - production
    if loss == 0:
        return f"{metric} {fixed(candidate)}, the same as production's"
    # Where less is better, `above` would leave open whether that is good.
    words = ("above", "below") if greater_is_better else ("better than", "worse than")
    apart = f"{fixed(abs(loss), 0.0, *beside)} {words[loss > 0]} production's {fixed(production, candidate)}"
    return f"{metric} {fixed(candidate, production)}, {apart}"


def gap_check(
    metric: str,
    train: float,
    test: float,
    limit: float,
    n: int,
    *,
    greater_is_better: bool,
    interval: Interval | None = None,
) -> Check:
    """Check that the model is not much better on its training rows than on the test rows.

    Args:
        interval: of the gap, in the direction in which the training rows are better.
    """
    difference = train - test if greater_is_better else test - train
    passed = at_most(difference, limit, train, test)
    found = f"{metric} {fixed(train, test)} on the training rows, {fixed(test, train)} on the test rows"
    allowed = f"at most {as_set(limit, difference)}"
    return Check(
        id=check_id("gap", metric),
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "overfitting",
        metric=metric,
        value=difference,
        interval=interval,
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-gap", metric),
        baseline=train,
        n=n,
        message=f"{found}: a gap of {fixed(difference, limit)} ({allowed}).{between(interval)}",
        advice=(None if passed else "The model has overfitted its training rows: regularise it or add training data."),
    )
