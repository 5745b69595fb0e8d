"""A whole audit: counts and limits -> the numbers and checks of every sensitive feature. Pure.

The tests of all features that decide share one level of 5 %: a feature more does not block more fair models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cd4ml.checks.fairness.decision import Limits
from cd4ml.checks.fairness.groups import fairness_checks, unknown_reference_check
from cd4ml.checks.fairness.limits import calibration_check, change_check, difference_checks, no_change_check
from cd4ml.checks.fairness.pairs import no_pair_check, pair_drop_check
from cd4ml.metrics.fairness.calibration import Calibration, group_calibration
from cd4ml.metrics.fairness.disparity import (
    Disparity,
    RatioTest,
    adjusted,
    choose,
    disparities,
    ratio_tests,
    with_tests,
)
from cd4ml.metrics.fairness.pair_changes import PairChange, pair_changes
from cd4ml.metrics.fairness.pair_changes import adjusted as adjusted_pairs
from cd4ml.metrics.fairness.rates import FairnessMetrics, Group, Reference, fairness_metrics, group_names
from cd4ml.metrics.fairness.ratio_change import Change, ratio_changes
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.report import Check

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Part:
    """One sensitive feature, or an intersection of several, to audit.

    Attributes:
        features: columns of the counts.
        counts: of the groups that are compared, not empty; columns as `fairness_metrics` wants them, and
            `production_y_pred` and the sums of scores where there are any.
        limits: what it is held to.
        gates: whether it decides; else it is reported alone.
        reference: the group named in advance, None to choose by rule.
    """

    name: str
    features: Sequence[str]
    counts: pd.DataFrame
    limits: Limits
    gates: bool = True
    reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found for one part; `production` and `calibration` are None where the table has nothing on them."""

    part: Part
    metrics: FairnessMetrics
    found: Sequence[Disparity]
    tests: Sequence[RatioTest]
    production: FairnessMetrics | None = None
    changes: Mapping[str, Change] = field(default_factory=dict)
    pairs: Sequence[PairChange] = ()
    calibration: Sequence[Calibration] | None = None

    @property
    def without_reference(self) -> bool:
        """Whether the group that was named in advance does not occur."""
        return not self.found


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """Adjusted p-values of the changes against production that have a limit.

    Attributes:
        drops: of each group's, by part and group.
        pairs: of each pair of groups, by part, in their order.
    """

    drops: Mapping[tuple[str, str], float]
    pairs: Mapping[str, Sequence[float]]


def audit(parts: Sequence[Part], rule: Reference) -> list[tuple[Found, list[Check]]]:
    """Return what was found for each part, and the checks of those that decide."""
    found = [_find(part, rule) for part in parts]
    found = [*_adjust([one for one in found if one.part.gates]), *_each(one for one in found if not one.part.gates)]
    gating = [one for one in found if one.part.gates]
    shown = _Shown(drops=_drops(gating), pairs=_pair_drops(gating))
    return [(one, _checks(one, shown) if one.part.gates else []) for one in found]


def _find(part: Part, rule: Reference) -> Found:
    """Compare the groups of one part."""
    limits = part.limits
    metrics = fairness_metrics(part.counts, part.features)
    reference = choose(metrics.groups, rule, part.reference, minimum_size=limits.minimum_group_size)
    calibrated = {"score", "y_true"} <= set(part.counts.columns)
    result = Found(
        part=part,
        metrics=metrics,
        found=[],
        tests=[],
        calibration=group_calibration(part.counts, group_names(part.counts, part.features)) if calibrated else None,
    )
    if reference is None:
        return result
    found = disparities(metrics.groups, reference, limits.minimum_ratio)
    of_all_pairs = part.reference is None and rule is Reference.BEST
    family = ratio_tests(metrics.groups, reference, limits.minimum_ratio, of_all_pairs=of_all_pairs)
    return _with_production(replace(result, found=found, tests=family), rule)


def _with_production(found: Found, rule: Reference) -> Found:
    """Compare the candidate's ratios with production's on the same rows."""
    part, limits = found.part, found.part.limits
    if "production_y_pred" not in part.counts.columns:
        return found
    own = part.counts.drop(columns="y_pred").rename(columns={"production_y_pred": "y_pred"})
    production = fairness_metrics(own, part.features)
    reference = choose(production.groups, rule, part.reference, minimum_size=limits.minimum_group_size)
    assert reference is not None
    others = disparities(production.groups, reference, limits.minimum_ratio)
    changes = ratio_changes(part.counts, group_names(part.counts, part.features), found.found, others)
    pairs = pair_changes(part.counts, group_names(part.counts, part.features))
    return replace(found, production=production, changes=changes, pairs=pairs)


def _adjust(found: Sequence[Found]) -> list[Found]:
    """Correct the tests of several parts for their number."""
    families = adjusted({one.part.name: one.tests for one in found})
    size = sum(len(one.tests) for one in found)
    pairs = adjusted_pairs([one.pairs for one in found])
    return [
        replace(one, found=with_tests(one.found, families[one.part.name], size), pairs=changed)
        for one, changed in zip(found, pairs, strict=True)
    ]


def _each(found: Iterable[Found]) -> list[Found]:
    """Correct the tests of each part on its own: it is reported, and takes nothing from those that decide."""
    return [corrected for one in found for corrected in _adjust([one])]


def _drops(found: Sequence[Found]) -> Mapping[tuple[str, str], float]:
    """Return the p-value of each group's drop against production, all of them corrected together."""
    tested = {
        (one.part.name, group): change.shown_above(limit)
        for one in found
        if (limit := one.part.limits.maximum_ratio_drop) is not None
        for group, change in one.changes.items()
    }
    return dict(zip(tested, holm(list(tested.values())), strict=True))


def _pair_drops(found: Sequence[Found]) -> Mapping[str, Sequence[float]]:
    """Return the p-values of the drops of each part's pairs of groups, all of them corrected together."""
    limits = {one.part.name: limit for one in found if (limit := one.part.limits.maximum_pair_drop) is not None}
    tested = [(one.part.name, pair) for one in found if one.part.name in limits for pair in one.pairs]
    result: dict[str, list[float]] = {name: [] for name in limits}
    p_values = holm([pair.shown_above(limits[name]) for name, pair in tested])
    for (name, _), p_value in zip(tested, p_values, strict=True):
        result[name].append(p_value)
    return result


def _checks(one: Found, shown: _Shown) -> list[Check]:
    """Decide on one part."""
    name, groups, limits = one.part.name, one.metrics.groups, own_limits(one)
    if one.without_reference:
        return [unknown_reference_check(name, one.part.reference or "", groups)]
    production = {group: change.production for group, change in one.changes.items()}
    checks = fairness_checks(name, one.found, limits, production)
    checks += difference_checks(name, one.metrics, limits)
    if len(groups) > 1 and limits.maximum_ratio_drop is not None:
        checks += _change_checks(one, groups, limits, shown.drops)
    if len(groups) > 1 and limits.maximum_pair_drop is not None:
        checks.append(_pair_check(one, limits, shown.pairs[name]))
    if limits.maximum_calibration_gap is not None:
        checks += [calibration_check(name, group, limits) for group in one.calibration or ()]
    return checks


def _change_checks(
    one: Found, groups: Sequence[Group], limits: Limits, drops: Mapping[tuple[str, str], float]
) -> list[Check]:
    """Decide on the change of each group's ratio against production."""
    name = one.part.name
    if one.production is None:
        rows = sum(group.n for group in groups)
        return [no_change_check(name, None, rows, limits, "the table has no column `production_y_pred`")]
    why = "a model selects nobody from the reference group"
    return [
        (
            change_check(name, one.changes[group.name], limits, drops[name, group.name], len(drops))
            if group.name in one.changes
            else no_change_check(name, group.name, group.n, limits, why)
        )
        for group in groups
    ]


def _pair_check(one: Found, limits: Limits, p_values: Sequence[float]) -> Check:
    """Decide on the change of the ratio of every two groups against production."""
    if one.pairs:
        return pair_drop_check(one.part.name, one.pairs, p_values, limits)
    rows = sum(group.n for group in one.metrics.groups)
    lacking = one.production is None
    why = "the table has no column `production_y_pred`" if lacking else "a model selects nobody"
    return no_pair_check(one.part.name, rows, limits, why)


def own_limits(one: Found) -> Limits:
    """Return the limits of a part: a reference that is named in advance may not be selected too rarely either."""
    limits = one.part.limits
    return replace(limits, fixed_reference=True) if one.part.reference is not None else limits
