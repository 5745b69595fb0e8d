"""Group metrics and limits -> checks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from cd4ml.metrics.fairness import FairnessMetrics, Group
from cd4ml.report import Check, Status


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the user allows.

    Attributes:
        minimum_ratio: lowest allowed ratio of a group's selection rate to the highest one, in (0, 1].
        minimum_group_size: rows below which a group's rate decides nothing in its favour.
        maximum_demographic_parity_difference: None does not gate on it.
        maximum_equalized_odds_difference: None does not gate on it.
    """

    minimum_ratio: float
    minimum_group_size: int
    maximum_demographic_parity_difference: float | None = None
    maximum_equalized_odds_difference: float | None = None


def exactly(limit: float) -> Fraction:
    """Return the number that the user wrote: 0.8 is 4/5 here, not the nearest binary fraction."""
    return Fraction(Decimal(repr(limit)))


def fairness_checks(feature: str, metrics: FairnessMetrics, limits: Limits) -> list[Check]:
    """Decide on one sensitive feature: one check for each group, and one for each further limit that is set.

    The disparate impact ratio of a group is its selection rate over the highest selection rate of any group of the
    feature (Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D: the four-fifths rule).
    """
    best = max(metrics.groups, key=lambda group: (group.selection_rate, group.n))
    if len(metrics.groups) < 2:
        return [_one_group(feature, best)]
    if best.selected == 0:
        return [_nobody_selected(feature, metrics.groups)]
    checks = [_disparate_impact(feature, group, best, limits) for group in metrics.groups]
    for name, value, limit in (
        (
            "demographic-parity-difference",
            metrics.demographic_parity_difference,
            limits.maximum_demographic_parity_difference,
        ),
        ("equalized-odds-difference", metrics.equalized_odds_difference, limits.maximum_equalized_odds_difference),
    ):
        if limit is not None:
            checks.append(_difference(feature, name, value, limit, sum(group.n for group in metrics.groups)))
    return checks


def _one_group(feature: str, group: Group) -> Check:
    """Return the check for a feature that tells nobody apart."""
    return Check(
        id=f"disparate-impact:{feature}",
        status=Status.ERROR,
        reason="one-group",
        metric="disparate-impact-ratio",
        n=group.n,
        message=f"All {group.n} rows have the same value of {feature} ({group.name}): there is nothing to compare.",
        advice="Audit test data in which every group occurs, or take the feature off the list.",
    )


def _nobody_selected(feature: str, groups: Sequence[Group]) -> Check:
    """Return the check for a model that selects nobody: every ratio is 0/0."""
    return Check(
        id=f"disparate-impact:{feature}",
        status=Status.ERROR,
        reason="no-positive-predictions",
        metric="disparate-impact-ratio",
        n=sum(group.n for group in groups),
        message=f"No group of {feature} gets a single positive decision, so no ratio is defined.",
        advice="Check positive-label and the model's cut-off.",
    )


def _disparate_impact(feature: str, group: Group, best: Group, limits: Limits) -> Check:
    """Decide on one group against the group with the highest rate."""
    ratio = group.selection_rate / best.selection_rate
    limit = exactly(limits.minimum_ratio)
    rates = f"{_percent(group.selection_rate)} of {group.n}"
    against = f"{_percent(best.selection_rate)} of {best.n} for {best.name}"
    found = f"{feature}={group.name}: selected {rates}, against {against}; the ratio is {_decimals(ratio)}."
    smallest = min(group.n, best.n)
    if ratio < limit:
        status, reason = Status.FAILED, "below-minimum-ratio"
        advice = (
            f"At the current rates {_missing(group, best, limit)} more positive decisions in this group would reach "
            f"{limits.minimum_ratio:g}. Look at features that stand in for {feature}, or mitigate in training."
        )
    elif smallest < limits.minimum_group_size:
        status, reason = Status.INCONCLUSIVE, "group-too-small"
        small = group if group.n <= best.n else best
        found += f" {small.name} has {small.n} rows, too few to decide."
        advice = f"At least {limits.minimum_group_size} rows of {small.name} are needed in the test data."
    else:
        status, reason, advice = Status.PASSED, "", ""
    return Check(
        id=f"disparate-impact:{feature}={group.name}",
        status=status,
        reason=reason or None,
        metric="disparate-impact-ratio",
        value=float(ratio),
        limit=limits.minimum_ratio,
        slice={feature: group.name},
        n=group.n,
        message=found,
        advice=advice or None,
    )


def _missing(group: Group, best: Group, limit: Fraction) -> int:
    """Return how many more positive decisions would bring the group to the limit."""
    return ceil(limit * best.selection_rate * group.total - group.selected)


def _difference(feature: str, name: str, value: float | None, limit: float, n: int) -> Check:
    """Decide on a difference between groups."""
    shared = {"id": f"{name}:{feature}", "metric": name, "limit": limit, "n": n}
    if value is None:
        return Check(
            **shared,  # type: ignore[arg-type]
            status=Status.ERROR,
            reason="undefined",
            message=f"The {name} of {feature} is undefined: some group has no positive or no negative labels.",
            advice="Use test data in which every group has both labels, or take the limit off.",
        )
    failed = value > limit
    return Check(
        **shared,  # type: ignore[arg-type]
        status=Status.FAILED if failed else Status.PASSED,
        reason="above-maximum" if failed else None,
        value=value,
        message=f"The {name} between the groups of {feature} is {value:.4f}; at most {limit:g} is allowed.",
        advice="Compare the groups' rates in the report's metrics." if failed else None,
    )


def _percent(rate: Fraction) -> str:
    """Return a rate for people."""
    return f"{float(rate):.1%}"


def _decimals(ratio: Fraction) -> str:
    """Return a ratio for people, never rounded up to a limit that it does not reach."""
    return f"{int(ratio * 1000) / 1000:.3f}"
