"""Further limits of the fairness audit -> checks: differences between groups, calibration, change. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from cd4ml.checks.fairness.decision import LEVEL, Limits, decide, exactly
from cd4ml.checks.fairness.differences import DIFFERENCES
from cd4ml.metrics.fairness.calibration import Calibration
from cd4ml.metrics.fairness.differences import widest_interval
from cd4ml.metrics.fairness.rates import RATES, FairnessMetrics, Group
from cd4ml.metrics.fairness.ratio_change import Change
from cd4ml.report import Bound, Check, Interval, Status, as_set, chance, fixed
from cd4ml.report.ids import group_id


def difference_checks(feature: str, metrics: FairnessMetrics, limits: Limits) -> list[Check]:
    """Decide on each difference between the groups of a feature that has a limit."""
    if len(metrics.groups) < 2:
        return []
    return [_difference(feature, name, metrics, limit, limits) for name, limit in limits.maximum_differences.items()]


def _difference(feature: str, name: str, metrics: FairnessMetrics, limit: float, limits: Limits) -> Check:
    """Decide on a difference between groups."""
    rates = DIFFERENCES[name]
    values = {rate: metrics.differences[rate] for rate in rates}
    n = sum(group.n for group in metrics.groups)
    shared: dict[str, Any] = {
        "id": group_id(name, feature),
        "metric": name,
        "limit": limit,
        "bound": Bound.AT_MOST,
        "option": (f"maximum-{name}", feature),
        "n": n,
    }
    known = {rate: value for rate, value in values.items() if value is not None}
    if len(known) < len(rates):
        lacking = next(RATES[rate].undefined_without for rate in rates if rate not in known)
        return Check(
            **shared,
            status=Status.ERROR,
            reason="undefined",
            message=f"The {name} of {feature} is undefined: some group has {lacking}.",
            advice="Use test data in which every group has both labels, or remove the limit.",
        )
    widest = max(known, key=lambda rate: known[rate])
    intervals = {rate: widest_interval(metrics.groups, rate, families=len(rates)) for rate in rates}
    sure = [one for one in intervals.values() if one is not None]
    beyond = max(_exact_range(metrics.groups, rate) for rate in rates) > exactly(limit)
    smallest = min(metrics.groups, key=lambda group: group.n)
    status, reason = decide(
        limits.decision,
        beyond="above-maximum" if beyond else "",
        # Each rate by its own interval: that of the widest one says nothing of another, which may rest on fewer rows.
        shown_beyond=any(one.lower > limit for one in sure),
        small=smallest.n < limits.minimum_group_size,
        shown_within=len(sure) == len(rates) and all(one.upper <= limit for one in sure),
    )
    told = _that_decides(intervals, widest, limit, reason)
    of_rate = f" ({told.replace('_', ' ')}s)" if len(rates) > 1 else ""
    return Check(
        **shared,
        status=status,
        reason=reason or None,
        value=known[told],
        interval=intervals[told],
        message=f"{feature}: {name.replace('-', ' ')} {fixed(known[told], limit)}{of_rate} "
        f"(at most {as_set(limit, known[told])}).{between(intervals[told])}",
        advice=_difference_advice(reason, smallest, limits),
    )


def _that_decides(intervals: Mapping[str, Interval | None], widest: str, limit: float, reason: str) -> str:
    """Return the rate that the verdict rests on: the widest one, unless only another one shows it or leaves it open."""
    known = {rate: interval for rate, interval in intervals.items() if interval is not None}
    if widest not in known or reason not in ("above-maximum", "not-shown"):
        return widest
    if reason == "above-maximum":
        shown = [rate for rate in known if known[rate].lower > limit]
        return widest if widest in shown or not shown else max(shown, key=lambda rate: known[rate].lower)
    return widest if known[widest].upper > limit else max(known, key=lambda rate: known[rate].upper)


def _exact_range(groups: Sequence[Group], rate: str) -> Fraction:
    """Return the highest minus the lowest rate."""
    values = [value for group in groups if (value := group.rate(rate)) is not None]
    return max(values) - min(values)


def _difference_advice(reason: str, smallest: Group, limits: Limits) -> str | None:
    """Say what to do next."""
    if reason == "group-too-small":
        return f"At least {limits.minimum_group_size} rows of {smallest.name} are needed; there are {smallest.n:,}."
    return _ADVICE[reason]


# What to do, by reason.
_ADVICE: Final[dict[str, str | None]] = {
    "": None,
    "above-maximum": "Compare the groups' rates in the report's metrics.",
    "not-shown": "Use more test rows: four times as many halve the interval.",
}


def between(interval: Interval | None) -> str:
    """Say how sure a number is, in a sentence of its own."""
    if interval is None:
        return ""
    return f" 95 % interval: {fixed(interval.lower, interval.upper)} to {fixed(interval.upper, interval.lower)}."


def change_check(feature: str, change: Change, limits: Limits, p_value: float, tests: int) -> Check:
    """Decide whether the candidate's ratio for a group fell too far below production's.

    Args:
        p_value: of the hypothesis that it did not, adjusted for the family of tests.
        tests: size of that family.
    """
    limit = limits.maximum_ratio_drop
    assert limit is not None
    beyond = change.drop > exactly(limit)
    status, reason = _of_change(change, limits, beyond, p_value)
    pair = (float(change.candidate), float(change.production))
    candidate, production = fixed(*pair), fixed(*pair[::-1])
    shown = ""
    if beyond:
        shown = f" {'Chance does not explain it' if p_value < LEVEL else 'Could be chance'} ({chance(p_value)})."
    return Check(
        id=group_id("ratio-drop", feature, change.group),
        status=status,
        reason=reason or None,
        metric="disparate-impact-ratio-drop",
        value=float(change.drop),
        interval=change.interval,
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-ratio-drop", feature),
        baseline=float(change.production),
        slice={feature: change.group},
        n=change.n,
        message=f"{feature}={change.group}: ratio {candidate}, {_direction(change.drop, limit)} production's "
        f"{production} on the same rows ({as_set(limit, float(change.drop))} below is allowed)."
        f"{between(change.interval)}{shown}",
        advice=_change_advice(reason),
    )


def _of_change(change: Change, limits: Limits, beyond: bool, p_value: float) -> tuple[Status, str]:
    """Return status and reason of a change."""
    assert limits.maximum_ratio_drop is not None
    small = change.n < limits.minimum_group_size
    return decide(
        limits.decision,
        beyond="above-maximum" if beyond else "",
        # A handful of rows that all turn have no spread, which is not evidence.
        shown_beyond=p_value < LEVEL and not small,
        small=small,
        shown_within=change.interval is None or change.interval.upper <= limits.maximum_ratio_drop,
    )


def _direction(drop: Fraction, limit: float) -> str:
    """Say how the candidate's ratio stands to production's."""
    if drop == 0:
        return "the same as"
    return f"{fixed(abs(float(drop)), 0.0, limit)} {'below' if drop > 0 else 'above'}"


def _change_advice(reason: str) -> str | None:
    """Say what to do next."""
    return {
        "": None,
        "above-maximum": "Find the rows of this group that production selects and the candidate does not.",
        "not-shown": "Use more test rows of this group; four times as many halve the interval.",
        "group-too-small": "Use more test rows of this group.",
    }[reason]


def no_change_check(feature: str, group: str | None, n: int, limits: Limits, why: str) -> Check:
    """Return the check for a change that cannot be computed, of one group or of none at all."""
    return Check(
        id=group_id("ratio-drop", feature, group),
        status=Status.ERROR,
        reason="no-production-ratio",
        metric="disparate-impact-ratio-drop",
        limit=limits.maximum_ratio_drop,
        bound=Bound.AT_MOST,
        option=("maximum-ratio-drop", feature),
        n=n,
        message=f"The change of {feature}'s ratios cannot be computed: {why}.",
        advice="score-model writes production_y_pred; remove maximum-ratio-drop for a first release.",
    )


def calibration_check(feature: str, found: Calibration, limits: Limits) -> Check:
    """Decide whether a group's scores say as often "positive" as its labels do."""
    limit = limits.maximum_calibration_gap
    assert limit is not None
    status, reason = _of_calibration(found, limits, limit)
    words = "too high" if found.gap > 0 else "too low"
    return Check(
        id=group_id("calibration", feature, found.group),
        status=status,
        reason=reason or None,
        metric="calibration-gap",
        value=found.gap,
        interval=found.interval,
        limit=limit,
        bound=Bound.MAGNITUDE,
        option=("maximum-calibration-gap", feature),
        slice={feature: found.group},
        n=found.n,
        message=f"{feature}={found.group}: mean score {fixed(found.score)}, share of positive labels "
        f"{fixed(found.positives)}: {fixed(abs(found.gap), 0.0, limit)} {words if found.gap else 'apart'} "
        f"(at most {as_set(limit, abs(found.gap))}).{between(found.interval)}",
        advice=_calibration_advice(found, limits, reason),
    )


def _of_calibration(found: Calibration, limits: Limits, limit: float) -> tuple[Status, str]:
    """Return status and reason of a group's calibration."""
    interval, small = found.interval, found.n < limits.minimum_group_size
    return decide(
        limits.decision,
        beyond="above-maximum" if abs(found.gap) > limit else "",
        # Rows that are all wrong by the same have no interval; there the point decides, unless they are few.
        shown_beyond=not small if interval is None else interval.lower > limit or interval.upper < -limit,
        small=small,
        shown_within=interval is None or (-limit <= interval.lower and interval.upper <= limit),
    )


def _calibration_advice(found: Calibration, limits: Limits, reason: str) -> str | None:
    """Say what to do next."""
    if reason == "group-too-small":
        return f"At least {limits.minimum_group_size} rows of {found.group} are needed in the test data."
    if reason == "not-shown":
        return "Use more test rows of this group; four times as many halve the interval."
    return "Recalibrate the model on data in which this group occurs." if reason else None
