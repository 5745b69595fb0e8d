"""Audit a model's decisions by group; a disparate impact ratio below 0.80 blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cd4ml import options as declaration
from cd4ml.errors import OptionsError
from cd4ml.options import nearest, option
from cd4ml.report import Check, Report, Status
from cd4ml.stages.context import Context

if TYPE_CHECKING:
    import pandas as pd

    from cd4ml.checks.fairness import Limits
    from cd4ml.metrics.fairness import FairnessMetrics

STAGE: Final = "audit-fairness"
OUTPUTS: Final[dict[str, str]] = {
    "disparate-impact-ratio": "The lowest disparate impact ratio of any sensitive feature."
}


class Decision(StrEnum):
    """What a ratio must show to pass."""

    POINT = "point"


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
    minimum_ratio: float = option(
        "Lowest allowed ratio of a group's selection rate to the highest one (disparate impact).", default=0.8
    )
    decision: Decision = option(
        "What decides: `point` compares the ratio itself with the minimum.", default=Decision.POINT
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
    from cd4ml.data.predictions import read_predictions

    _check_options(options)
    predictions = read_predictions(Path(options.predictions), columns=options.columns)
    context.progress(f"Auditing {len(predictions.frame)} decisions by {', '.join(options.sensitive_features)}")
    decisions = _decisions(predictions.frame, options)
    audits = _audits(decisions, options)
    checks = [check for audit in audits for check in audit.checks]
    ratios = {audit.name: audit.metrics.demographic_parity_ratio for audit in audits if audit.metrics}
    lowest = min((ratio for ratio in ratios.values() if ratio is not None), default=None)
    return Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, options),
        metrics={
            "rows": len(decisions),
            "disparate_impact_ratio": lowest,
            "features": {audit.name: _metrics(audit.metrics) for audit in audits if audit.metrics},
        },
        outputs={"disparate-impact-ratio": "" if lowest is None else repr(lowest)},
        inputs=(predictions.digest,),
        candidate=predictions.candidate,
        production=predictions.production,
    )


def _check_options(options: Options) -> None:
    """Refuse limits that decide nothing."""
    problems = []
    if not 0 < options.minimum_ratio <= 1:
        problems.append(f"minimum-ratio must be above 0 and at most 1, got {options.minimum_ratio:g}")
    if not 0 <= options.maximum_excluded < 1:
        problems.append(f"maximum-excluded must be at least 0 and below 1, got {options.maximum_excluded:g}")
    if options.minimum_group_size < 1:
        problems.append(f"minimum-group-size must be at least 1, got {options.minimum_group_size}")
    features = options.sensitive_features
    problems += [f"sensitive-features: {name} is named twice" for name in set(features) if features.count(name) > 1]
    problems += [f"bins: {name} is not among sensitive-features" for name in options.bins if name not in features]
    for item in options.exclude_groups:
        feature, separator, group = item.partition("=")
        if not separator or not group:
            problems.append(f"exclude-groups: expected feature=group, got {item!r}")
        elif feature not in features:
            problems.append(f"exclude-groups: {feature} is not among sensitive-features")
    if problems:
        raise OptionsError(problems)


def _decisions(frame: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return decisions and labels as 0 and 1, weights, and every sensitive feature as texts."""
    import pandas as pd

    from cd4ml.data.groups import as_binary, as_groups

    problems = [
        f"{options.predictions} has no column `{name}`{nearest(name, map(str, frame.columns))}"
        for name in options.sensitive_features
        if name not in frame.columns
    ]
    if problems:
        raise OptionsError(problems, advice="score-model carries columns listed in its `keep` option into the table.")
    y_true, y_pred = as_binary(frame["y_true"], frame["y_pred"], options.positive_label)
    columns: dict[str, Any] = {"y_true": y_true, "y_pred": y_pred}
    columns["sample_weight"] = frame["sample_weight"] if "sample_weight" in frame.columns else 1
    for name in options.sensitive_features:
        columns[f"feature:{name}"] = as_groups(frame[name], name, options.bins.get(name))
    return pd.DataFrame(columns)


@dataclass(frozen=True, kw_only=True)
class _Audit:
    """What was found for one sensitive feature or combination."""

    name: str
    checks: Sequence[Check]
    metrics: FairnessMetrics | None


def _audits(decisions: pd.DataFrame, options: Options) -> list[_Audit]:
    """Audit each feature, then each pair of features as far as the options ask for it."""
    from cd4ml.checks.fairness import Limits
    from cd4ml.metrics.fairness import cells

    limits = Limits(
        minimum_ratio=options.minimum_ratio,
        minimum_group_size=options.minimum_group_size,
        maximum_demographic_parity_difference=options.maximum_demographic_parity_difference,
        maximum_equalized_odds_difference=options.maximum_equalized_odds_difference,
    )
    counts = cells(decisions, [f"feature:{name}" for name in options.sensitive_features])
    audits = [_audit(counts, (name,), options, limits) for name in options.sensitive_features]
    if options.intersections is not Intersections.OFF:
        for pair in combinations(options.sensitive_features, 2):
            audit = _audit(counts, pair, options, limits)
            gates = options.intersections is Intersections.GATE
            audits.append(_Audit(name=audit.name, checks=audit.checks if gates else (), metrics=audit.metrics))
    return audits


def _audit(counts: pd.DataFrame, features: tuple[str, ...], options: Options, limits: Limits) -> _Audit:
    """Audit one feature or combination, without the groups that the user excludes by name."""
    from cd4ml.checks.fairness import fairness_checks
    from cd4ml.metrics.fairness import fairness_metrics

    name = " & ".join(features)
    checks: list[Check] = []
    kept = counts
    for item in options.exclude_groups:
        feature, _, group = item.partition("=")
        if feature in features:
            inside = kept[f"feature:{feature}"] == group
            checks.append(_excluded(feature, group, int(kept["n"][inside].sum()), int(counts["n"].sum()), options))
            kept = kept[~inside]
    if kept.empty:
        return _Audit(name=name, checks=checks, metrics=None)
    metrics = fairness_metrics(kept, [f"feature:{feature}" for feature in features])
    return _Audit(name=name, checks=[*fairness_checks(name, metrics, limits), *checks], metrics=metrics)


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


def _metrics(metrics: FairnessMetrics) -> dict[str, Any]:
    """Return a feature's numbers for the report."""
    return {
        "demographic_parity_ratio": metrics.demographic_parity_ratio,
        "demographic_parity_difference": metrics.demographic_parity_difference,
        "equalized_odds_difference": metrics.equalized_odds_difference,
        "equalized_odds_ratio": metrics.equalized_odds_ratio,
        "by_group": metrics.by_group,
    }


def _summary(checks: Sequence[Check], options: Options) -> str:
    """Say in one sentence what was found."""
    blocking = [check for check in checks if check.status is not Status.PASSED]
    if not blocking:
        features = ", ".join(options.sensitive_features)
        return f"Every group of {features} is selected at {options.minimum_ratio:g} or more of the highest rate."
    return blocking[0].message if len(blocking) == 1 else f"{blocking[0].message} And {len(blocking) - 1} more."
