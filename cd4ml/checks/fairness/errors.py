"""Errors of a regression by group, and limits -> checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.checks.fairness.decision import Limits, decide
from cd4ml.checks.fairness.differences import ERROR_DIFFERENCES
from cd4ml.checks.fairness.limits import between
from cd4ml.metrics.fairness.errors import Gap, GroupErrors, gap
from cd4ml.metrics.fairness.quantity import Quantity
from cd4ml.metrics.statistics.means import Mean
from cd4ml.report import Bound, Check, Interval, Status
from cd4ml.report.ids import group_id

_ADVICE: Final = {
    "above-maximum": "Compare the groups' errors in the report's metrics; train on more rows of the group that is "
    "worse off, or look for features that it lacks.",
    "not-shown": "Use more test rows: four times as many halve the interval.",
}


@dataclass(frozen=True, kw_only=True)
class Errors:
    """A feature's groups, by model."""

    candidate: Sequence[GroupErrors]
    production: Sequence[GroupErrors] | None


def error_checks(feature: str, found: Errors, limits: Limits) -> list[Check]:
    """Decide on each limit that is set: one check for each."""
    if len(found.candidate) < 2:
        return [_one_group(feature, found.candidate[0])]
    return [_difference(feature, name, found, limit, limits) for name, limit in limits.maximum_differences.items()]


def _one_group(feature: str, group: GroupErrors) -> Check:
    """Return the check for a feature that tells nobody apart."""
    return Check(
        id=group_id("group-errors", feature),
        status=Status.ERROR,
        reason="one-group",
        n=group.n,
        message=f"All {group.n:,} rows have the same value of {feature} ({group.group}): there is nothing to compare.",
        advice="Audit test data in which every group occurs, or remove the feature from sensitive-features.",
    )


def _difference(feature: str, name: str, found: Errors, limit: float, limits: Limits) -> Check:
    """Decide on how far the groups' errors lie apart."""
    quantity = ERROR_DIFFERENCES[name]
    now = gap(found.candidate, quantity)
    before = gap(found.production, quantity) if found.production else None
    smallest = min(found.candidate, key=lambda group: group.n)
    small = smallest.n < limits.minimum_group_size
    status, reason = decide(
        limits.decision,
        beyond="above-maximum" if now.value > limit else "",
        shown_beyond=not small if now.interval is None else now.interval.lower > limit,
        small=small,
        shown_within=now.interval is None or now.interval.upper <= limit,
    )
    return Check(
        id=group_id(name, feature),
        status=status,
        reason=reason or None,
        metric=name,
        value=now.value,
        interval=now.interval,
        limit=limit,
        bound=Bound.AT_MOST,
        option=(f"maximum-{name}", feature),
        baseline=before.value if before else None,
        n=sum(group.n for group in found.candidate),
        message=_message(feature, quantity, now, before, limit, found.candidate),
        advice=_advice(reason, smallest, limits),
    )


def _message(
    feature: str, quantity: Quantity, now: Gap, before: Gap | None, limit: float, groups: Sequence[GroupErrors]
) -> str:
    """Say what was found, how sure it is, and what production does."""
    means = {group.group: group.of(quantity).value for group in groups}
    what = "mean error (predicted minus true)" if quantity is Quantity.ERROR else "mean absolute error"
    words = (
        f"The {what} is {means[now.highest]:.4g} for {feature}={now.highest} and {means[now.lowest]:.4g} for "
        f"{feature}={now.lowest}: {now.value:.4g} apart (at most {limit:g}).{between(now.interval)}"
    )
    return words if before is None else f"{words} Production's groups are {before.value:.4g} apart."


def _advice(reason: str, smallest: GroupErrors, limits: Limits) -> str | None:
    """Say what to do next."""
    if reason == "group-too-small":
        return f"At least {limits.minimum_group_size} rows of {smallest.group} are needed; there are {smallest.n:,}."
    return _ADVICE.get(reason)


def describe_errors(found: Errors) -> dict[str, Any]:
    """Return a feature's numbers for the report."""
    numbers: dict[str, Any] = {"by_group": _by_group(found.candidate), "differences": _differences(found.candidate)}
    if found.production:
        numbers["production"] = {
            "by_group": _by_group(found.production),
            "differences": _differences(found.production),
        }
    return numbers


def _by_group(groups: Sequence[GroupErrors]) -> Mapping[str, Any]:
    """Return each group's errors with their intervals."""
    return {
        group.group: {"n": group.n, **{quantity.value: _mean(group.of(quantity)) for quantity in Quantity}}
        for group in groups
    }


def _mean(mean: Mean) -> dict[str, float | Interval | None]:
    """Return a mean and its interval."""
    return {"value": mean.value, "interval": mean.interval}


def _differences(groups: Sequence[GroupErrors]) -> dict[str, Any]:
    """Return how far the groups lie apart, None for one group."""
    return {quantity.value: gap(groups, quantity) if len(groups) > 1 else None for quantity in Quantity}
