"""Audit a model's decisions, or its errors, by group; a disparate impact ratio below 0.80 blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.checks.fairness import Decision
from cd4ml.errors import OptionsError
from cd4ml.metrics.fairness import Reference
from cd4ml.options import option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    import pandas as pd

    from cd4ml.checks.fairness import Limits
    from cd4ml.checks.fairness_audit import Part
    from cd4ml.data.decision_counts import Wanted

STAGE: Final = "audit-fairness"
OUTPUTS: Final[dict[str, str]] = {
    "disparate-impact-ratio": "The lowest disparate impact ratio of any sensitive feature."
}
# Differences that a limit may be set on: the names of their checks.
BINARY_LIMITS: Final = (
    "demographic-parity-difference",
    "equalized-odds-difference",
    "equal-opportunity-difference",
    "false-positive-rate-difference",
    "false-negative-rate-difference",
    "precision-difference",
)
REGRESSION_LIMITS: Final = ("mean-error-difference", "absolute-error-difference")


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "binary"
    REGRESSION = "regression"


class Intersections(StrEnum):
    """What is done with combinations of sensitive features."""

    OFF = "off"
    REPORT = "report"
    GATE = "gate"


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of audit-fairness."""

    predictions: str = option(
        "Predictions table (Parquet or CSV) with y_true, y_pred and the sensitive features.",
        required=True,
        example="predictions.parquet",
    )
    sensitive_features: tuple[str, ...] = option(
        "Columns of the predictions table to audit, one by one.", required=True, example="sex, race"
    )
    positive_label: str | None = option(
        "The favourable decision. Not needed where decisions are 0 and 1 (1 is favourable).", example="approved"
    )
    task: Task = option(
        "What the model predicts: a decision (`binary`), or a quantity whose errors are compared (`regression`).",
        default=Task.BINARY,
    )
    minimum_ratio: float = option(
        "Lowest allowed ratio of a group's selection rate to the reference group's (disparate impact).", default=0.8
    )
    decision: Decision = option(
        "What decides: `point` takes a value at its face, `strict` passes only what is shown to keep to its limit, "
        "`evidence` fails only what is shown to break it.",
        default=Decision.POINT,
    )
    reference: Reference = option(
        "The group that the others are compared with: that of the `best` selection rate among groups of the minimum "
        "size, or the `largest`.",
        default=Reference.BEST,
    )
    reference_groups: Mapping[str, str] = option(
        "Groups named in advance that the others are compared with, by feature.", example="sex=male"
    )
    bins: Mapping[str, str] = option(
        "Edges that cut a numeric feature into groups; each edge starts a group.", example="age=25:40:62"
    )
    intersections: Intersections = option(
        "Combinations of two sensitive features: `off`, `report` or `gate`.", default=Intersections.REPORT
    )
    minimum_group_size: int = option("Rows below which a group's ratio cannot pass, only block.", default=30)
    exclude_groups: tuple[str, ...] = option(
        "Groups left out of the comparison, as feature=group; each is named in the report with its size.",
        example="sex=(missing)",
    )
    maximum_excluded: float = option("Largest share of rows that exclude-groups may leave out.", default=0.05)
    maximum_demographic_parity_difference: float | None = option(
        "Largest allowed difference between the groups' selection rates; unset, it is reported only."
    )
    maximum_equalized_odds_difference: float | None = option(
        "Largest allowed difference between the groups' true or false positive rates; unset, it is reported only."
    )
    maximum_equal_opportunity_difference: float | None = option(
        "Largest allowed difference between the groups' true positive rates."
    )
    maximum_false_positive_rate_difference: float | None = option(
        "Largest allowed difference between the groups' false positive rates."
    )
    maximum_false_negative_rate_difference: float | None = option(
        "Largest allowed difference between the groups' false negative rates."
    )
    maximum_precision_difference: float | None = option("Largest allowed difference between the groups' precisions.")
    maximum_calibration_gap: float | None = option(
        "How far a group's mean y_score may lie from its share of positive labels."
    )
    maximum_ratio_drop: float | None = option(
        "How far a group's ratio may fall below production's on the same rows; needs production_y_pred."
    )
    maximum_mean_error_difference: float | None = option(
        "Regression: how far the groups' mean errors (predicted minus true) may lie apart, in the target's units."
    )
    maximum_absolute_error_difference: float | None = option(
        "Regression: how far the groups' mean absolute errors may lie apart, in the target's units."
    )
    columns: Mapping[str, str] = option(
        "Names of the table's columns where they differ from the standard ones.", example="y_pred=decision"
    )


def run(options: Options, context: Context) -> Report:
    """Audit every sensitive feature, and their combinations if asked.

    Raises:
        OptionsError: the table or the options cannot be audited: missing columns, scores in place of decisions,
            text labels without a positive label, a continuous feature without bins.
        UnavailableError: the table cannot be read.
    """
    from cd4ml.data.decision_counts import count_decisions

    _check_options(options)
    predictions = count_decisions(Path(options.predictions), _wanted(options))
    counts = predictions.frame
    rows = int(counts["n"].sum())
    context.progress(f"Auditing {rows:,} predictions by {', '.join(options.sensitive_features)}")
    if options.task is Task.REGRESSION:
        audits = _of_errors(counts, options)
    else:
        audits = _of_decisions(_binary(counts, options), options)
    checks = [*(check for audit in audits for check in audit.checks), *_excluded_checks(counts, options)]
    ratios = [audit.metrics.get("demographic_parity_ratio") for audit in audits]
    lowest = min((ratio for ratio in ratios if ratio is not None), default=None)
    return Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, options),
        metrics={
            "rows": rows,
            "disparate_impact_ratio": lowest,
            "features": {audit.name: audit.metrics for audit in audits if audit.metrics},
        },
        outputs={"disparate-impact-ratio": "" if lowest is None else repr(lowest)},
        inputs=(predictions.digest,),
        candidate=predictions.candidate,
        production=predictions.production,
    )


def _differences(options: Options) -> dict[str, float]:
    """Return the limits of differences that are set, by the name of their check."""
    names = REGRESSION_LIMITS if options.task is Task.REGRESSION else BINARY_LIMITS
    limits = {name: getattr(options, f"maximum_{name.replace('-', '_')}") for name in names}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _of_other_task(options: Options) -> Iterable[str]:
    """Yield what options say about the other task."""
    regression = options.task is Task.REGRESSION
    others = [*BINARY_LIMITS, "calibration-gap", "ratio-drop"] if regression else REGRESSION_LIMITS
    for name in others:
        if getattr(options, f"maximum_{name.replace('-', '_')}") is not None:
            yield f"maximum-{name} is set, but task is {options.task}: nothing would be decided on it"
    if regression and not _differences(options):
        yield "task: regression needs a limit: maximum-mean-error-difference or maximum-absolute-error-difference"
    if regression and (options.reference_groups or options.positive_label):
        yield "reference-groups and positive-label are for decisions; task is regression"


def _check_options(options: Options) -> None:
    """Refuse limits that decide nothing."""
    ranges = (
        ("minimum-ratio", options.minimum_ratio, 0 < options.minimum_ratio <= 1, "above 0 and at most 1"),
        ("maximum-excluded", options.maximum_excluded, 0 <= options.maximum_excluded < 1, "at least 0 and below 1"),
        ("minimum-group-size", options.minimum_group_size, options.minimum_group_size >= 1, "at least 1"),
    )
    problems = [f"{name} must be {words}, got {value:g}" for name, value, kept, words in ranges if not kept]
    features = options.sensitive_features
    problems += [f"sensitive-features: {name} is named twice" for name in set(features) if features.count(name) > 1]
    problems += [*_not_audited(options), *_of_other_task(options), *_useless_limits(options)]
    if problems:
        raise OptionsError(problems)


def _not_audited(options: Options) -> Iterable[str]:
    """Yield what options say about features that are not audited."""
    excluded = []
    for item in options.exclude_groups:
        feature, separator, group = item.partition("=")
        if separator and group:
            excluded.append(feature)
        else:
            yield f"exclude-groups: expected feature=group, got {item!r}"
    named = {"bins": options.bins, "reference-groups": options.reference_groups, "exclude-groups": excluded}
    known = ", ".join(options.sensitive_features)
    for option_name, names in named.items():
        for name in names:
            if name not in options.sensitive_features:
                yield (
                    f"{option_name}: `{name}` is not audited: add it to sensitive-features, which names {known}, "
                    "or leave it out"
                )


def _useless_limits(options: Options) -> Iterable[str]:
    """Yield limits that no value can break, or none can keep."""
    shares = [*BINARY_LIMITS, "calibration-gap", "ratio-drop"]
    for name in (*shares, *REGRESSION_LIMITS):
        limit = getattr(options, f"maximum_{name.replace('-', '_')}")
        if limit is not None and limit < 0:
            yield f"maximum-{name} must not be negative, got {limit:g}"
        elif limit is not None and limit >= 1 and name in shares:
            yield f"maximum-{name} must be below 1, got {limit:g}: nothing is ever above it"
    for item in options.exclude_groups:
        feature, _, group = item.partition("=")
        if options.reference_groups.get(feature) == group:
            yield f"reference-groups: {item} is excluded by exclude-groups"


def _wanted(options: Options) -> Wanted:
    """Return what has to be counted."""
    from cd4ml.data.decision_counts import Quantities, Wanted

    regression = options.task is Task.REGRESSION
    return Wanted(
        features=options.sensitive_features,
        bins=options.bins,
        columns=options.columns,
        quantities=Quantities.ERRORS if regression else Quantities.SCORES,
        needs_scores=options.maximum_calibration_gap is not None,
    )


def _binary(counts: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the counts with labels and decisions as 0 and 1, for both models."""
    from cd4ml.data.groups import as_binary

    y_true, y_pred = as_binary(counts["y_true"], counts["y_pred"], options.positive_label)
    result = counts.assign(y_true=y_true, y_pred=y_pred)
    if "production_y_pred" in counts.columns:
        _, production = as_binary(counts["y_true"], counts["production_y_pred"], options.positive_label)
        result = result.assign(production_y_pred=production)
    return result


@dataclass(frozen=True, kw_only=True)
class _Audit:
    """What was found for one sensitive feature or combination."""

    name: str
    checks: Sequence[Check]
    metrics: Mapping[str, Any]


def _limits(options: Options) -> Limits:
    """Return what the user allows."""
    from cd4ml.checks.fairness import Limits

    return Limits(
        minimum_ratio=options.minimum_ratio,
        minimum_group_size=options.minimum_group_size,
        decision=options.decision,
        fixed_reference=options.reference is Reference.LARGEST,
        maximum_differences=_differences(options),
        maximum_ratio_drop=options.maximum_ratio_drop,
        maximum_calibration_gap=options.maximum_calibration_gap,
    )


def _parts(counts: pd.DataFrame, options: Options) -> list[Part]:
    """Return each feature, then each pair of features as far as the options ask for it."""
    from cd4ml.checks.fairness_audit import Part

    combined = list(combinations(options.sensitive_features, 2))
    if options.intersections is Intersections.OFF:
        combined = []
    parts = []
    for features in [*((name,) for name in options.sensitive_features), *combined]:
        alone = len(features) == 1
        part = Part(
            name=" & ".join(features),
            features=[f"feature:{name}" for name in features],
            counts=_kept(counts, features, options),
            gates=alone or options.intersections is Intersections.GATE,
            reference=options.reference_groups.get(features[0]) if alone else None,
        )
        parts.append(part)
    return parts


def _kept(counts: pd.DataFrame, features: Sequence[str], options: Options) -> pd.DataFrame:
    """Return the counts without the groups that the user excludes by name."""
    kept = counts
    for item in options.exclude_groups:
        feature, _, group = item.partition("=")
        if feature in features:
            kept = kept[kept[f"feature:{feature}"] != group]
    if kept.empty:
        raise OptionsError(f"exclude-groups leaves no row of {' & '.join(features)} to audit")
    return kept


def _of_decisions(counts: pd.DataFrame, options: Options) -> list[_Audit]:
    """Audit decisions."""
    from cd4ml.checks.fairness_audit import audit, describe_part

    limits = _limits(options)
    comparable, audits = _comparable(_parts(counts, options))
    for found, checks in audit(comparable, limits, options.reference):
        audits.append(_Audit(name=found.part.name, checks=checks, metrics=describe_part(found, limits)))
    return audits


def _of_errors(counts: pd.DataFrame, options: Options) -> list[_Audit]:
    """Audit the errors of a regression."""
    from cd4ml.checks.fairness_errors import Errors, describe_errors, error_checks
    from cd4ml.metrics.fairness import group_names
    from cd4ml.metrics.group_errors import group_errors

    limits = _limits(options)
    comparable, audits = _comparable(_parts(counts, options))
    for part in comparable:
        names = group_names(part.counts, part.features)
        both = "production_error" in part.counts.columns
        found = Errors(
            candidate=group_errors(part.counts, names),
            production=group_errors(part.counts, names, "production_") if both else None,
        )
        checks = error_checks(part.name, found, limits) if part.gates else []
        audits.append(_Audit(name=part.name, checks=checks, metrics=describe_errors(found)))
    return audits


def _comparable(parts: Sequence[Part]) -> tuple[list[Part], list[_Audit]]:
    """Return the parts with few enough groups to compare, and for the others the check that says so."""
    from cd4ml.data.groups import MOST_GROUPS
    from cd4ml.metrics.fairness import group_names

    comparable, audits = [], []
    for part in parts:
        groups = group_names(part.counts, part.features).nunique()
        if groups <= MOST_GROUPS:
            comparable.append(part)
        else:
            checks = [_too_many(part.name, groups, int(part.counts["n"].sum()))] if part.gates else []
            audits.append(_Audit(name=part.name, checks=checks, metrics={"groups": groups, "compared": False}))
    return comparable, audits


def _too_many(name: str, groups: int, n: int) -> Check:
    """Return the check for a combination with too many groups to compare."""
    return Check(
        id=f"disparate-impact:{name}",
        status=Status.ERROR,
        reason="too-many-groups",
        n=n,
        message=f"{name} has {groups} groups, too many to compare.",
        advice="Put the values into fewer categories, or cut numeric features with `bins`.",
    )


def _excluded_checks(counts: pd.DataFrame, options: Options) -> Iterable[Check]:
    """Yield a record of each group that is left out."""
    total = int(counts["n"].sum())
    for item in options.exclude_groups:
        feature, _, group = item.partition("=")
        inside = counts[f"feature:{feature}"] == group
        yield _excluded(feature, group, int(counts["n"][inside].sum()), total, options)


def _excluded(feature: str, group: str, n: int, total: int, options: Options) -> Check:
    """Record a group that the user leaves out, and block if it is too large for that."""
    share = n / total
    shared: dict[str, Any] = {
        "id": f"excluded-group:{feature}={group}",
        "metric": "share-of-rows",
        "value": share,
        "limit": options.maximum_excluded,
        "n": n,
        "slice": {feature: group},
    }
    if share > options.maximum_excluded:
        return Check(
            **shared,
            status=Status.FAILED,
            reason="too-much-excluded",
            message=f"{feature}={group} is excluded from the audit, but it is {share:.1%} of the rows.",
            advice="Audit the group, or raise maximum-excluded in a reviewed change.",
        )
    message = f"{feature}={group} ({n} rows, {share:.1%}) is excluded from the audit by the configuration."
    return Check(**shared, status=Status.PASSED, message=message)


def _summary(checks: Sequence[Check], options: Options) -> str:
    """Say in one or two sentences what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if blocking:
        return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
    features = ", ".join(options.sensitive_features)
    if options.task is Task.REGRESSION:
        return f"The errors of all groups of {features} lie within their limits."
    against = "highest rate" if options.reference is Reference.BEST else "largest group's rate"
    against = "reference group's rate" if options.reference_groups else against
    shown = "is shown to be selected" if options.decision is Decision.STRICT else "is selected"
    return f"Every group of {features} {shown} at {options.minimum_ratio:g} or more of the {against}."
