"""What audit-fairness' report says beside its checks: the least ratios, and the summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cd4ml.checks.fairness.decision import Decision
from cd4ml.inputs.options import OTHERS
from cd4ml.metrics.fairness.disparity import Disparity
from cd4ml.metrics.fairness.pair_changes import PairChange
from cd4ml.metrics.fairness.proxies import STRONG, Proxy
from cd4ml.metrics.fairness.rates import Reference
from cd4ml.metrics.performance.metric import Task
from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Check, fixed, headline
from cd4ml.stages.audit_fairness.options import Options

# Groups whose rates are given with intervals.
_MOST_GROUPS: Final = 40


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found for one sensitive feature or combination.

    Attributes:
        checks: empty where it decides nothing.
        of: the groups' comparisons with the reference, of decisions.
        intervals: of each rate by group, of decisions.
        worse: pairs of groups that are shown to lie further apart than under production, the largest change first.
    """

    name: str
    checks: Sequence[Check]
    metrics: Mapping[str, Any]
    of: Sequence[Disparity] = ()
    intervals: Mapping[str, Mapping[str, Bounds | None]] = field(default_factory=dict)
    worse: Sequence[PairChange] = ()


@dataclass(frozen=True, kw_only=True)
class Reported:
    """The group with the least ratio among those that decide nothing."""

    feature: str
    group: str
    n: int
    ratio: float
    minimum: float


def intervals_of(audits: Sequence[Audit]) -> dict[str, Any]:
    """Return the intervals of the groups' rates for the report, in as many digits as are shown."""
    return {
        audit.name: {
            group: {
                name: [round(end, 6) for end in (found.lower, found.upper)] for name, found in rates.items() if found
            }
            for group, rates in list(audit.intervals.items())[:_MOST_GROUPS]
        }
        for audit in audits
        if audit.intervals
    }


def lowest_deciding(checks: Sequence[Check]) -> float | None:
    """Return the least ratio that a check decides on; of a group above the reference the inverse, as its limit is."""
    ratios = [
        check.value
        for check in checks
        if check.metric == "disparate-impact-ratio" and isinstance(check.value, float) and check.value >= 0
    ]
    return min((1 / ratio if ratio > 1 else ratio for ratio in ratios), default=None)


def lowest_reported(audits: Sequence[Audit]) -> Reported | None:
    """Return the group with the least ratio of all combinations that decide nothing, None if there is none."""
    found = [
        Reported(
            feature=audit.name,
            group=one.group.name,
            n=one.group.n,
            ratio=float(one.ratio),
            minimum=audit.metrics["minimum_ratio"],
        )
        for audit in audits
        if not audit.checks
        for one in audit.of
        if one.ratio is not None
    ]
    return min(found, key=lambda one: one.ratio, default=None)


def summary_of(
    checks: Sequence[Check],
    reported: Reported | None,
    options: Options,
    audits: Sequence[Audit],
    proxies: Sequence[Proxy],
) -> str:
    """Say in a few sentences what decides, and what is only reported.

    Args:
        reported: the least ratio that decides nothing.
        proxies: features that give a group away without a limit on it.
    """
    asides = f"{_aside(reported)}{_worse(audits, options)}{_proxies(proxies)}"
    return f"{headline(checks) or _passed(options)}{asides}"


def _passed(options: Options) -> str:
    """Say that nothing blocks."""
    features = ", ".join(options.sensitive_features)
    if options.task is Task.REGRESSION:
        return f"The errors of all groups of {features} lie within their limits."
    against = "highest rate" if options.reference_method is Reference.BEST else "largest group's rate"
    against = "reference group's rate" if options.reference_groups else against
    shown = "is shown to be selected" if options.decision is Decision.STRICT else "is selected"
    others, own = options.minimum_ratio.values[OTHERS], options.minimum_ratio.own
    if not own:
        return f"Every group of {features} {shown} at {others:g} or more of the {against}."
    limits = ", ".join(f"{name} {own.get(name, others):g}" for name in options.sensitive_features)
    return f"Every group {shown} at its feature's limit or more of the {against} (limits: {limits})."


def _aside(reported: Reported | None) -> str:
    """Say what lies below the limit and decides nothing; empty if there is nothing."""
    if reported is None or reported.ratio >= reported.minimum:
        return ""
    return (
        " Reported only, without effect on the verdict: "
        f"{reported.feature}={reported.group} ({reported.n:,} rows) has the "
        f"ratio {fixed(reported.ratio, reported.minimum)}; `intersections: gate` makes combinations decide."
    )


def _worse(audits: Sequence[Audit], options: Options) -> str:
    """Say which two groups of a feature lie further apart than under production, if no limit says it."""
    if options.maximum_pair_drop is not None:
        return ""
    pairs = [(audit.name, pair) for audit in audits if audit.checks for pair in audit.worse]
    if not pairs:
        return ""
    name, pair = max(pairs, key=lambda one: one[1].drop)
    more = f" ({len(pairs) - 1} more pairs in the report)" if len(pairs) > 1 else ""
    ratios = fixed(pair.candidate, pair.production), fixed(pair.production, pair.candidate)
    return (
        f" Further apart than under production on the same rows, reported only: {name} {pair.lower} to {pair.higher}, "
        f"ratio {ratios[0]} after {ratios[1]}{more}; maximum-pair-drop sets a limit."
    )


def _proxies(proxies: Sequence[Proxy]) -> str:
    """Say which feature tells much of a group, without effect on the verdict."""
    if not proxies:
        return ""
    first = proxies[0]
    more = f" ({len(proxies) - 1} more in the report)" if len(proxies) > 1 else ""
    return (
        f" Reported only: `{first.feature}` gives {first.attribute} away ({fixed(first.value, STRONG)} of 1){more}; "
        "maximum-proxy sets a limit."
    )
