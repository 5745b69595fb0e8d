"""Selection rates of groups, compared with that of a reference, and limits -> checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Any, Final

from cd4ml.checks.fairness.decision import LEVEL, Decision, Limits, decide, exactly
from cd4ml.metrics.fairness.disparity import Disparity
from cd4ml.metrics.fairness.rates import Group
from cd4ml.metrics.statistics.ratio_interval import ratio_statistic, rows_needed
from cd4ml.report import Bound, Check, Status, as_set, chance, fixed, percent
from cd4ml.report.ids import group_id

# One-sided level of a bound of the two-sided interval of 95 %.
_BOUND: Final = 0.025


def fairness_checks(
    feature: str, found: Sequence[Disparity], limits: Limits, production: Mapping[str, Fraction] | None = None
) -> list[Check]:
    """Decide on one sensitive feature: one check for each group.

    The disparate impact ratio of a group is its selection rate over that of the reference group, by default the one
    with the highest rate (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D: the four-fifths rule).

    Args:
        found: the groups' comparisons with the reference.
        production: production's ratio by group, where it is known.
    """
    if len(found) < 2:
        return [_one_group(feature, found[0].group)]
    if not any(one.group.selected for one in found):
        return [_nobody_selected(feature, [one.group for one in found])]
    if found[0].ratio is None:
        return [_reference_not_selected(feature, found[0].reference)]
    return [_disparate_impact(feature, one, limits, (production or {}).get(one.group.name)) for one in found]


def _error(feature: str, reason: str, n: int, message: str, advice: str) -> Check:
    """Return the check for a feature that cannot be judged."""
    return Check(
        id=group_id("disparate-impact", feature),
        status=Status.ERROR,
        reason=reason,
        metric="disparate-impact-ratio",
        n=n,
        message=message,
        advice=advice,
    )


def _one_group(feature: str, group: Group) -> Check:
    """Return the check for a feature that tells nobody apart."""
    return _error(
        feature,
        "one-group",
        group.n,
        f"All {group.n:,} rows have the same value of {feature} ({group.name}): there is nothing to compare.",
        "Audit test data in which every group occurs, or remove the feature from sensitive-features.",
    )


def _nobody_selected(feature: str, groups: Sequence[Group]) -> Check:
    """Return the check for a model that selects nobody: every ratio is 0/0."""
    return _error(
        feature,
        "no-positive-predictions",
        sum(group.n for group in groups),
        f"No group of {feature} gets a single positive decision, so no ratio is defined.",
        "Check positive-label and the model's cut-off.",
    )


def _reference_not_selected(feature: str, reference: Group) -> Check:
    """Return the check for a reference group that nobody is selected from: every ratio divides by 0."""
    return _error(
        feature,
        "reference-not-selected",
        reference.n,
        f"The reference group {feature}={reference.name} gets no positive decision, so no ratio to it is defined.",
        "Compare with another group, or leave the choice to `reference-method: best`.",
    )


def unknown_reference_check(feature: str, named: str, groups: Sequence[Group]) -> Check:
    """Return the check for a reference group that does not occur."""
    known = ", ".join(group.name for group in groups[:10])
    return _error(
        feature,
        "no-reference-group",
        sum(group.n for group in groups),
        f"The reference group {feature}={named} does not occur; the groups are {known}.",
        "Correct reference-groups, or use test data in which the group occurs.",
    )


def _disparate_impact(feature: str, one: Disparity, limits: Limits, production: Fraction | None) -> Check:
    """Decide on one group against the reference."""
    status, reason = _verdict(one, limits)
    above = _is_above(one, limits)
    return Check(
        id=group_id("disparate-impact", feature, one.group.name),
        status=status,
        reason=reason or None,
        metric="disparate-impact-ratio",
        value=float(one.ratio or 0),
        interval=one.interval,
        limit=float(1 / exactly(limits.minimum_ratio)) if above else limits.minimum_ratio,
        bound=Bound.AT_MOST if above else Bound.AT_LEAST,
        option=("minimum-ratio", feature),
        baseline=None if production is None else float(production),
        slice={feature: one.group.name},
        n=one.group.n,
        message=_message(feature, one, limits, production, reason),
        advice=_advice(feature, one, limits, reason),
    )


def _is_below(one: Disparity, limits: Limits) -> bool:
    """Whether the group's ratio is below the minimum."""
    return one.ratio is not None and one.ratio < exactly(limits.minimum_ratio)


def _is_above(one: Disparity, limits: Limits) -> bool:
    """Whether the reference's ratio to the group is below the minimum."""
    return one.ratio is not None and one.ratio * exactly(limits.minimum_ratio) > 1


def _is_small(one: Disparity, limits: Limits) -> bool:
    """Whether there are too few rows to pass."""
    return min(one.group.n, one.reference.n) < limits.minimum_group_size


def _is_shown_below(one: Disparity, limits: Limits) -> bool:
    """Whether the rows show that the group is selected too rarely, or the reference against it."""
    test = one.favoured if _is_above(one, limits) else one.against
    return not one.is_reference and test is not None and test.p_value < LEVEL


def _is_shown_fair(one: Disparity, limits: Limits) -> bool:
    """Whether the rows show that the ratio is at least the minimum, in both directions if the reference is fixed."""
    if one.interval is None:
        return one.is_reference
    low = one.interval.lower >= limits.minimum_ratio
    return low and (not limits.fixed_reference or one.interval.upper <= 1 / limits.minimum_ratio)


def _verdict(one: Disparity, limits: Limits) -> tuple[Status, str]:
    """Return status and reason."""
    below, above = _is_below(one, limits), _is_above(one, limits)
    if above and one.group.n < limits.minimum_group_size and not _is_shown_below(one, limits):
        # A handful of rows that fare better than the reference is not a case against the model, nor one for it.
        return Status.INCONCLUSIVE, "group-too-small"
    return decide(
        limits.decision,
        beyond="below-minimum-ratio" if below else "above-maximum-ratio" if above else "",
        shown_beyond=_is_shown_below(one, limits),
        small=_is_small(one, limits),
        shown_within=_is_shown_fair(one, limits),
    )


def _message(feature: str, one: Disparity, limits: Limits, production: Fraction | None, reason: str) -> str:
    """Say what was found, how sure it is, and what production does."""
    group, reference = one.group, one.reference
    assert one.ratio is not None
    parts = [
        f"{feature}={group.name}: {_percent(group.selection_rate)} of {group.n:,} selected, "
        f"{_percent(reference.selection_rate)} of {reference.n:,} for {reference.name}; "
        f"ratio {_decimals(one.ratio, limits)} ({_allowed(one, limits)})."
    ]
    if one.is_reference:
        parts.append("The other groups are compared with this one.")
    elif one.interval is not None:
        low, high = one.interval.lower, one.interval.upper
        parts.append(f"95 % interval: {fixed(low, high)} to {fixed(high, low)}.")
        parts.append(_evidence(one, limits))
    if production is not None and not one.is_reference:
        parts.append(f"Production's ratio: {_decimals(production, limits)}.")
    if reason == "group-too-small":
        small = _smaller(one)
        parts.append(f"{small.name} has {small.n:,} rows, too few to decide.")
    return " ".join(parts)


def _allowed(one: Disparity, limits: Limits) -> str:
    """Say which ratio is allowed."""
    if _is_above(one, limits):
        return f"at most {fixed(float(1 / exactly(limits.minimum_ratio)), float(one.ratio or 0))}"
    return f"at least {as_set(limits.minimum_ratio, float(one.ratio or 0))}"


def _evidence(one: Disparity, limits: Limits) -> str:
    """Say whether more than chance is behind a ratio."""
    if not (_is_below(one, limits) or _is_above(one, limits)):
        met = as_set(limits.minimum_ratio)
        return (
            f"Shown to meet {met}."
            if _is_shown_fair(one, limits)
            else f"Not shown to meet {met}: more rows would tell."
        )
    test = one.favoured if _is_above(one, limits) else one.against
    if test is None:
        return ""
    sure = f"({chance(test.p_value)})"
    if _is_shown_below(one, limits):
        other = "" if {test.against, test.group} == {one.group.name, one.reference.name} else f" against {test.against}"
        return f"Chance does not explain it{other} {sure}."
    return f"Could be chance {sure}."


def _advice(feature: str, one: Disparity, limits: Limits, reason: str) -> str | None:
    """Say what to do next."""
    if reason == "group-too-small":
        return f"At least {limits.minimum_group_size} rows of {_smaller(one).name} are needed in the test data."
    if reason == "not-shown":
        return _rows(one, limits)
    if not reason:
        return None
    poorer, richer = (one.group, one.reference) if _is_below(one, limits) else (one.reference, one.group)
    more = _missing(poorer, richer, exactly(limits.minimum_ratio))
    which = "this group" if poorer is one.group else poorer.name
    return (
        f"At the current rates {more} more positive decisions in {which} would reach {as_set(limits.minimum_ratio)}. "
        f"Look at features that stand in for {feature}, or mitigate in training."
    )


def _rows(one: Disparity, limits: Limits) -> str:
    """Say how many rows would settle it."""
    level = _BOUND if limits.decision is Decision.STRICT else LEVEL / max(1, one.tests)
    statistic = one.statistic
    if _is_above(one, limits) or (limits.fixed_reference and one.ratio is not None and one.ratio > 1):
        first, second = (group.rates["selection_rate"].counts for group in (one.reference, one.group))
        statistic = ratio_statistic(first, second, limits.minimum_ratio)
    small, other = (one.group, one.reference) if one.group.n <= one.reference.n else (one.reference, one.group)
    needed = rows_needed(small.n, statistic, level)
    if needed is None:
        return "The ratio is exactly at the limit: more rows would not settle it. Bring the rates closer together."
    return (
        f"About {needed:,} rows of {small.name} (there are {small.n:,}), and as many times more of {other.name}, would "
        "settle it if the rates stay as they are."
    )


def _smaller(one: Disparity) -> Group:
    """Return the group with fewer rows."""
    return one.group if one.group.n <= one.reference.n else one.reference


def _missing(group: Group, best: Group, limit: Fraction) -> int:
    """Return how many more positive decisions would bring the group to the limit."""
    return ceil(limit * best.selection_rate * group.total - group.selected)


def _percent(rate: Fraction) -> str:
    """Return a rate for people."""
    return percent(float(rate))


def _decimals(ratio: Fraction, limits: Limits) -> str:
    """Return a ratio for people, never rounded to a limit that it does not reach."""
    return fixed(float(ratio), limits.minimum_ratio, 1 / limits.minimum_ratio if limits.minimum_ratio else 1.0)


def describe(one: Disparity, limits: Limits) -> dict[str, Any]:
    """Return a comparison's numbers for the report."""
    beyond = _is_below(one, limits) or _is_above(one, limits)
    test = one.favoured if _is_above(one, limits) else one.against
    shown = _is_shown_below(one, limits) if beyond else _is_shown_fair(one, limits)
    return {
        "reference": one.reference.name,
        "ratio": None if one.ratio is None else float(one.ratio),
        "lower": one.interval.lower if one.interval else None,
        "upper": one.interval.upper if one.interval else None,
        # Adjusted by Holm's method for this many tests, the family that shares one level.
        "p_value": None if test is None or one.is_reference else test.p_value,
        "tests": one.tests,
        "question": "ratio-outside-limits" if beyond else "ratio-within-limits",
        "evidence": "shown" if shown else "not shown",
        "n": one.group.n,
    }
