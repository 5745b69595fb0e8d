"""Drift and limits -> checks. Pure.

An alarm needs both: a difference that chance does not explain, all tests of the run taken together, and an effect
that reaches its band. Either alone misleads: a million rows make everything significant, a hundred make indexes large.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from cd4ml.checks.drift.effects import (
    DISTANCE,
    INDEX,
    MODERATE,
    SIGNIFICANT,
    Effect,
    Limits,
    effects,
    severity,
    worst_band,
)
from cd4ml.data.profile.cells import IDENTIFIER
from cd4ml.metrics.drift.feature import FeatureDrift
from cd4ml.metrics.statistics.multiplicity import benjamini_hochberg, holm
from cd4ml.report import Bound, Check, Status, as_set, chance, fixed, percent
from cd4ml.report.ids import check_id, parts_of

CORRECTIONS: Final = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
MISSING, UNSEEN = "missing-rate-changed", "unseen-categories"
# With more of the rows in categories that are taken together, too little was compared to call it no drift.
_MOST_POOLED: Final = 0.5


def drift_checks(features: Sequence[FeatureDrift], limits: Limits, *, named: Collection[str] = ()) -> list[Check]:
    """Decide on every feature: its distribution, its missing values and, for categories, those that are new.

    Args:
        named: features that the user wants compared, identifiers or not.
    """
    tests = {
        (feature.name, kind): test.p_value
        for feature in features
        for kind, test in (
            ("values", feature.test),
            ("index", feature.index_test),
            ("missing", feature.missing_test),
            ("unseen", feature.unseen_test),
        )
        if test is not None
    }
    adjusted = dict(zip(tests, CORRECTIONS[limits.correction](list(tests.values())), strict=True))
    aside = identifiers(features, limits, named)
    checks = []
    for feature in features:
        name = feature.name
        if name not in aside:
            of_values = adjusted[name, "values"]
            checks.append(_distribution(feature, of_values, adjusted.get((name, "index"), of_values), limits))
        checks.append(_missing_rate(feature, adjusted[name, "missing"], limits))
        if feature.unseen_test is not None and not is_identifier(feature, limits):
            checks.append(_unseen(feature, adjusted[name, "unseen"], limits))
    return checks


def identifiers(features: Sequence[FeatureDrift], limits: Limits, named: Collection[str] = ()) -> list[str]:
    """Return the identifiers whose values are not compared and stop nobody.

    One that was named, and all of them where there is nothing else to compare, get a check that decides nothing.
    """
    found = [feature.name for feature in features if is_identifier(feature, limits) and feature.name not in named]
    return found if len(found) < len(features) else []


def is_identifier(feature: FeatureDrift, limits: Limits) -> bool:
    """Whether nearly all values of a column of categories are different ones, in both samples."""
    if feature.distinct_reference is None or feature.distinct_current is None:
        return False
    enough = min(feature.n_reference, feature.n_current) >= limits.minimum_rows
    return (
        enough
        and feature.distinct_reference >= IDENTIFIER * feature.n_reference
        and feature.distinct_current >= IDENTIFIER * feature.n_current
    )


def is_compared(feature: FeatureDrift, limits: Limits) -> bool:
    """Whether the values are compared: not those of an identifier, nor categories that are nearly all too rare."""
    return not is_identifier(feature, limits) and feature.pooled <= _MOST_POOLED


def worst_feature(features: Sequence[FeatureDrift], checks: Sequence[Check], limits: Limits) -> str:
    """Return the feature that drifted most by the verdict of its checks, empty if none drifted."""
    reasons = {MODERATE, SIGNIFICANT, MISSING, UNSEEN}
    flagged: dict[str, bool] = {}
    for check in checks:
        if check.reason in reasons:
            (name,) = parts_of(check.id)
            flagged[name] = flagged.get(name, False) or check.status is Status.FAILED
    drifted = [feature for feature in features if feature.name in flagged]
    most = max(drifted, key=lambda one: (flagged[one.name], severity(one, limits)), default=None)
    return most.name if most else ""


def _distribution(feature: FeatureDrift, p_values: float, p_index: float, limits: Limits) -> Check:
    """Decide on the distribution of one feature: its index and its distance, each by its own test.

    Args:
        p_values, p_index: adjusted, of the distance or the categories and of the index.
    """
    sizes = effects(feature, limits)
    real = [size for size in sizes if (p_index if size.metric == INDEX else p_values) <= limits.alpha]
    found = worst_band(real)
    # The number that decides: of those that reach the verdict's band, the one that lies furthest out.
    told = max((size for size in real if size.band == found) if found else sizes, key=lambda size: size.severity)
    shared: dict[str, Any] = {
        "id": check_id("drift", feature.name),
        "metric": told.metric,
        "value": told.value,
        "limit": told.moderate if limits.fail_on_moderate else told.significant,
        "bound": Bound.BELOW if limits.fail_on_moderate else told.bound,
        "option": (told.option(moderate=limits.fail_on_moderate), feature.name),
        "n": feature.n_current,
    }
    undecided = _undecided(feature, bool(found), shared, limits)
    if undecided:
        return undecided
    text = f"{_effect(feature, p_values, p_index, told, shared['limit'])}."
    if found is None:
        words = "no drift" if worst_band(sizes) is None else "a difference that could be chance"
        return Check(**shared, status=Status.PASSED, message=f"{feature.name}: {words}. {text}")
    if found == MODERATE:
        status = Status.FAILED if limits.fail_on_moderate else Status.PASSED
        message = f"{feature.name}: moderate drift, flagged for retraining. {text}"
        advice = "Plan a retraining; inspect the feature."
    else:
        status = Status.FAILED
        message = f"{feature.name}: significant drift. {text}"
        advice = (
            "First look for a change in how the feature is produced; if the change is real, retrain on recent data."
        )
    return Check(**shared, status=status, reason=found, message=message, advice=advice)


def _undecided(feature: FeatureDrift, found: bool, shared: Mapping[str, Any], limits: Limits) -> Check | None:
    """Return the check of a feature that too little is known of to decide; None if there is enough."""
    few = min(feature.n_reference, feature.n_current)
    if few < limits.minimum_rows:
        return Check(
            **shared,
            status=Status.INCONCLUSIVE,
            reason="too-few-rows",
            message=f"{feature.name} has {few:,} usable values in one of the samples, too few to decide.",
            advice=f"At least {limits.minimum_rows:,} are needed in the reference and in the current data.",
        )
    if is_identifier(feature, limits):
        return Check(
            **{**shared, "value": None},
            status=Status.INCONCLUSIVE,
            reason="identifier",
            message=f"{feature.name} was not compared: it is an identifier, with {feature.distinct_reference:,} "
            f"different values in {feature.n_reference:,} rows of the reference.",
            advice="Name columns of categories or numbers in `features`, or leave it out with `exclude`.",
        )
    return _too_rare(feature, shared) if feature.pooled > _MOST_POOLED and not found else None


def _too_rare(feature: FeatureDrift, shared: Mapping[str, Any]) -> Check:
    """Return the check for categories that were taken together and so never compared."""
    return Check(
        **{**shared, "value": None},
        status=Status.INCONCLUSIVE,
        reason="categories-too-rare",
        message=f"{feature.name}: {percent(feature.pooled, 0)} of the rows are in categories of too few rows to "
        f"compare one by one ({feature.distinct_reference:,} categories in {feature.n_reference:,} rows of the "
        "reference).",
        advice="Put the values into fewer categories or use more rows; leave out what is not a feature with `exclude`.",
    )


def _effect(feature: FeatureDrift, p_values: float, p_index: float, told: Effect, limit: float) -> str:
    """Return the effect sizes for people, each with its own test; bias, bins and tests stand in the report.

    Args:
        told: the one that decides, which has the limit.
    """
    index = f"PSI {fixed(feature.corrected_psi)} ({_beside(INDEX, told, limit)}{chance(p_index)})"
    if not feature.ks:
        return f"{index}, Jensen-Shannon distance {feature.jensen_shannon:.4f} ({chance(p_values)})"
    distance = fixed(feature.ks.statistic)
    if feature.ks.error:  # counted in cells, it is known up to what lies inside them
        distance += f" to {fixed(feature.ks.statistic + feature.ks.error, feature.ks.statistic)}"
    return f"{index}, KS distance {distance} ({_beside(DISTANCE, told, limit)}{chance(p_values)})"


def _beside(metric: str, told: Effect, limit: float) -> str:
    """Return the limit of the number that decides, "" for another one."""
    return f"limit {as_set(limit, told.value)}; " if told.metric == metric else ""


def _missing_rate(feature: FeatureDrift, p_value: float, limits: Limits) -> Check:
    """Decide on the change in rows without a usable value."""
    change = abs(feature.missing_current - feature.missing_reference)
    limits = limits.of(feature.name)
    failed = change > limits.maximum_missing_change and p_value <= limits.alpha
    return Check(
        id=check_id("missing-rate", feature.name),
        status=Status.FAILED if failed else Status.PASSED,
        reason=MISSING if failed else None,
        metric="missing-rate-change",
        value=change,
        limit=limits.maximum_missing_change,
        bound=Bound.AT_MOST,
        option=("maximum-missing-change", feature.name),
        n=feature.n_current,
        message=f"{feature.name}: {percent(feature.missing_current, 2)} of the rows have no usable value, "
        f"{percent(feature.missing_reference, 2)} in the reference.",
        advice="Look for a broken join, a renamed field or a sensor that stopped." if failed else None,
    )


def _unseen(feature: FeatureDrift, p_value: float, limits: Limits) -> Check:
    """Decide on the rows in categories that the reference does not have, by a test of their own."""
    limits = limits.of(feature.name)
    beyond, real = feature.unseen > limits.maximum_unseen, p_value <= limits.alpha
    failed = beyond and real
    number = len(feature.unseen_categories)
    named = f" ({', '.join(map(repr, feature.unseen_categories[:5]))})" if number and limits.show_values else ""
    sure = ""
    if beyond:
        words = "Chance does not explain it" if real else "Could be chance"
        expected = f"About {percent(feature.unseen_expected, 2)} are to be expected."
        sure = f" {expected} {words} ({chance(p_value)})."
    return Check(
        id=check_id("unseen-categories", feature.name),
        status=Status.FAILED if failed else Status.PASSED,
        reason=UNSEEN if failed else None,
        metric="unseen-share",
        value=feature.unseen,
        limit=limits.maximum_unseen,
        bound=Bound.AT_MOST,
        option=("maximum-unseen", feature.name),
        n=feature.n_current,
        message=(
            f"{feature.name}: {percent(feature.unseen, 2)} of the rows are in {number:,} "
            f"categor{'y' if number == 1 else 'ies'}{named} that the reference does not have.{sure}"
            if number
            else f"{feature.name}: no category that the reference does not have."
        ),
        advice="The model never saw them: map them, or retrain with them." if failed else None,
    )


def unusable_check(name: str, sample: str, rows: int, infinite: int) -> Check:
    """Return the check for a column that holds nothing to compare."""
    words = f"{infinite} infinite and {rows - infinite} missing" if infinite else "missing"
    return Check(
        id=check_id("drift", name),
        status=Status.ERROR,
        reason="no-usable-value",
        metric="population-stability-index",
        n=0,
        message=f"All {rows:,} values of {name} in the {sample} data are {words}: nothing was compared.",
        advice="Repair the column, or leave it out with `exclude` in a reviewed change.",
    )
