"""The groups' ratios at other cut-offs than the present one, and limits -> the check of a feature. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cd4ml.checks.fairness.decision import Limits
from cd4ml.checks.fairness.groups import fairness_checks
from cd4ml.checks.fairness.limits import between
from cd4ml.metrics.fairness.disparity import (
    METHOD,
    Disparity,
    RatioTest,
    adjusted,
    choose,
    disparities,
    ratio_tests,
    with_tests,
)
from cd4ml.metrics.fairness.rates import SELECTION_RATE, Group, Reference
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.metrics.statistics.ratio_interval import koopman
from cd4ml.report import Bound, Check, Interval, Status, as_set, fixed, worst
from cd4ml.report.ids import group_id


@dataclass(frozen=True, kw_only=True)
class SweptPart:
    """What is swept: the groups of a sensitive feature at each cut-off, and what they are held to."""

    name: str
    groups: Sequence[Sequence[Group]]
    limits: Limits
    reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class SweptPoint:
    """What is found at one cut-off.

    Attributes:
        lowest: the group with the lowest ratio; None where no ratio is defined.
        ratio: that ratio; of a group above a fixed reference the inverse.
    """

    threshold: float
    status: Status
    lowest: Disparity | None
    ratio: float | None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is found of one feature; thresholds increase."""

    part: SweptPart
    present: float
    margin: float
    points: Sequence[SweptPoint]

    @property
    def band(self) -> Sequence[SweptPoint]:
        """The points within the margin."""
        return [point for point in self.points if abs(point.threshold - self.present) <= self.margin * (1 + 1e-9)]

    @property
    def holds(self) -> tuple[float, float]:
        """The thresholds around the present one at which the verdict is that of the present one."""
        place = min(range(len(self.points)), key=lambda at: abs(self.points[at].threshold - self.present))
        first = last = place
        while first and self.points[first - 1].status is self.points[place].status:
            first -= 1
        while last + 1 < len(self.points) and self.points[last + 1].status is self.points[place].status:
            last += 1
        return self.points[first].threshold, self.points[last].threshold


def sweep(
    parts: Sequence[SweptPart], thresholds: Sequence[float], rule: Reference, *, present: float, margin: float
) -> list[Sweep]:
    """Decide at every cut-off; the tests of all features at all cut-offs share one level (Holm)."""
    tests = {f"{at}:{part.name}": _tests(part, at, rule) for part in parts for at in range(len(thresholds))}
    families, size = adjusted(tests), sum(map(len, tests.values()))
    return [
        Sweep(
            part=part,
            present=present,
            margin=margin,
            points=[
                _point(part, at, threshold, rule, families[f"{at}:{part.name}"], size)
                for at, threshold in enumerate(thresholds)
            ],
        )
        for part in parts
    ]


def _reference(part: SweptPart, at: int, rule: Reference) -> Group | None:
    """Return the reference group at a cut-off."""
    return choose(part.groups[at], rule, part.reference, minimum_size=part.limits.minimum_group_size)


def _tests(part: SweptPart, at: int, rule: Reference) -> list[RatioTest]:
    """Return the tests at a cut-off."""
    reference = _reference(part, at, rule)
    of_all_pairs = part.reference is None and rule is Reference.BEST
    if reference is None:
        return []
    return ratio_tests(part.groups[at], reference, part.limits.minimum_ratio, of_all_pairs=of_all_pairs)


def _point(
    part: SweptPart, at: int, threshold: float, rule: Reference, family: Sequence[RatioTest], size: int
) -> SweptPoint:
    """Decide at a cut-off."""
    reference = _reference(part, at, rule)
    if reference is None or not reference.selected:
        return SweptPoint(threshold=threshold, status=Status.INCONCLUSIVE, lowest=None, ratio=None)
    limits = replace(part.limits, fixed_reference=True) if part.reference is not None else part.limits
    found = with_tests(disparities(part.groups[at], reference, limits.minimum_ratio), family, size)
    status = worst(check.status for check in fairness_checks(part.name, found, limits))
    ratios = [(_of(one, limits), one) for one in found if not one.is_reference and one.ratio is not None]
    large = [pair for pair in ratios if pair[1].group.n >= limits.minimum_group_size] or ratios
    ratio, lowest = min(large, key=lambda pair: pair[0], default=(None, None))
    return SweptPoint(
        threshold=threshold,
        status=Status.INCONCLUSIVE if status is Status.ERROR else status,
        lowest=lowest,
        ratio=ratio,
    )


def _of(one: Disparity, limits: Limits) -> float:
    """Return the ratio that is held against the minimum."""
    assert one.ratio is not None
    return float(1 / one.ratio if limits.fixed_reference and one.ratio > 1 else one.ratio)


def threshold_check(found: Sweep) -> Check:
    """Decide whether a feature's verdict holds at every cut-off within the margin."""
    band, limits = found.band, found.part.limits
    status = worst(point.status for point in band)
    deciding = [point for point in band if point.status is status]
    told = min(deciding, key=lambda point: -1 if point.ratio is None else point.ratio)
    interval = _interval(told, len(band))
    name, low, high = found.part.name, band[0].threshold, band[-1].threshold
    group = told.lowest.group if told.lowest else None
    lowest = (
        f"at {told.threshold:g} no ratio is defined, because nobody is selected from the reference group"
        if group is None or told.ratio is None
        else f"the lowest ratio is {fixed(told.ratio, limits.minimum_ratio)} ({group.name}, at {told.threshold:g}; at "
        f"least {as_set(limits.minimum_ratio, told.ratio)})"
    )
    reason = {Status.FAILED: "below-minimum-ratio", Status.INCONCLUSIVE: "not-shown"}.get(status)
    first, last = found.holds
    return Check(
        id=group_id("threshold-sweep", name),
        status=status,
        reason=reason,
        metric="disparate-impact-ratio-of-thresholds",
        value=told.ratio,
        interval=interval,
        limit=limits.minimum_ratio,
        bound=Bound.AT_LEAST,
        option=("threshold-margin",),
        n=sum(one.n for one in found.part.groups[0]),
        message=f"{name}: with thresholds from {low:g} to {high:g}, {lowest}.{between(interval)} The verdict at the "
        f"present threshold, {found.present:g}, stays the same from {first:g} to {last:g}.",
        advice=None if reason is None else _ADVICE[reason],
    )


def _interval(point: SweptPoint, looked_at: int) -> Interval | None:
    """Return the interval of the lowest ratio, one of a set that holds at all thresholds of the margin together."""
    if point.lowest is None:
        return None
    groups = (point.lowest.group, point.lowest.reference)
    if point.lowest.ratio is not None and point.ratio is not None and point.lowest.ratio > 1 > point.ratio:
        groups = (point.lowest.reference, point.lowest.group)
    first, second = (group.rates[SELECTION_RATE].counts for group in groups)
    bounds = koopman(first, second, 1 - (1 - CONFIDENCE) / looked_at)
    method = f"{METHOD}, Bonferroni for {looked_at} thresholds"
    return bounds.named(CONFIDENCE, method)


_ADVICE: Final[dict[str, str]] = {
    "below-minimum-ratio": "Do not move the threshold that far, or bring the groups' scores closer together.",
    "not-shown": "Use more test rows, or a smaller threshold-margin.",
}


def describe_sweep(found: Sweep) -> dict[str, Any]:
    """Return a sweep's numbers for the report."""
    first, last = found.holds
    return {
        "present": found.present,
        "margin": found.margin,
        "holds_from": first,
        "holds_to": last,
        "minimum_ratio": found.part.limits.minimum_ratio,
        "points": [
            {
                "threshold": point.threshold,
                "status": str(point.status),
                "ratio": point.ratio,
                "group": point.lowest.group.name if point.lowest else None,
            }
            for point in found.points
        ],
    }
