"""Audit a model's decisions, or its errors, by group; a disparate impact ratio below 0.80 blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from typing import TYPE_CHECKING, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.fairness.audit import Part, audit
from cd4ml.checks.fairness.coverage import excluded_group_check, too_many_groups_check
from cd4ml.checks.fairness.decision import Limits
from cd4ml.checks.fairness.description import describe_part, worse_pairs
from cd4ml.checks.fairness.errors import Errors, describe_errors, error_checks
from cd4ml.context import Context
from cd4ml.data.predictions.batch_counts import LABELS, Quantities, Wanted
from cd4ml.data.predictions.decision_counts import count_decisions
from cd4ml.data.predictions.groups import MOST_GROUPS, Binary, as_binary, named_group
from cd4ml.data.predictions.opening import open_predictions
from cd4ml.errors import OptionsError
from cd4ml.evidence.scored import refuse_changed
from cd4ml.metrics.fairness.differences import rate_intervals
from cd4ml.metrics.fairness.errors import group_errors
from cd4ml.metrics.fairness.rates import Reference, group_names
from cd4ml.metrics.performance.metric import Task
from cd4ml.report import Check, Report
from cd4ml.stages.audit_fairness.options import (
    Intersections,
    Options,
    differences,
    maximum,
    minimum_ratio,
    needs_labels,
)
from cd4ml.stages.audit_fairness.proxies import given_away
from cd4ml.stages.audit_fairness.refusals import check_options
from cd4ml.stages.audit_fairness.report import Audit, intervals_of, lowest_deciding, lowest_reported, summary_of
from cd4ml.stages.audit_fairness.sweep import Swept, swept

if TYPE_CHECKING:
    import pandas as pd


STAGE: Final = "audit-fairness"


def run(options: Options, context: Context) -> Report:
    """Audit every sensitive feature, and their combinations if asked.

    Raises:
        OptionsError: the table or the options cannot be audited: missing columns, scores in place of decisions,
            text labels without a positive label, a continuous feature without bins.
        UnavailableError: the table cannot be read.
    """
    check_options(options)
    reading = options.reading  # options that are completed by the data have one of their own
    context.progress(f"Reading {options.predictions}")
    table = open_predictions(options.predictions, reading=reading)
    predictions = count_decisions(table, _wanted(options))
    refuse_changed(predictions, context.reports)
    counts = predictions.frame
    options = _by_the_data(options, counts)
    rows = int(counts["n"].sum())
    auditing = f"Auditing {rows:,} predictions by {', '.join(options.sensitive_features)}"
    favourable, moved = None, Swept()
    if options.task is Task.REGRESSION:
        context.progress(auditing)
        audits = _of_errors(counts, options)
    else:
        labels = _binary(counts, options)
        favourable = labels.names[1]
        context.progress(f"{auditing}; the favourable decision is {favourable}")
        audits = _of_decisions(counts.assign(**labels.columns), options)
        moved = swept(table, _wanted(options), options, context, lambda found: _comparable(_parts(found, options))[0])
    away = given_away(options, context)
    checks = [
        *(check for audit in audits for check in audit.checks),
        *moved.checks,
        *away.checks,
        *_excluded_checks(counts, options),
    ]
    deciding, reported = lowest_deciding(checks), lowest_reported(audits)
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=summary_of(checks, reported, options, audits, away.strong),
        metrics={
            "rows": rows,
            "favourable": favourable,
            "disparate_impact_ratio": deciding,
            "reported_only": None if reported is None else asdict(reported),
            "features": {audit.name: audit.metrics for audit in audits if audit.metrics},
            **({"threshold_sweep": moved.metrics} if moved.metrics else {}),
            **({"proxies": away.metrics} if away.metrics else {}),
        },
        details={"rate_intervals": intervals_of(audits)},
        outputs={
            "disparate-impact-ratio": "" if deciding is None else repr(deciding),
            "reported-ratio": "" if reported is None else repr(reported.ratio),
        },
        inputs=(predictions.digest, *away.inputs),
        candidate=predictions.candidate,
        production=predictions.production,
    )
    return remarked(report, reading)


def _wanted(options: Options) -> Wanted:
    """Return what has to be counted."""
    regression = options.task is Task.REGRESSION
    return Wanted(
        features=options.sensitive_features,
        bins=options.bins,
        columns=options.columns,
        quantities=Quantities.ERRORS if regression else Quantities.SCORES,
        needs_scores=options.maximum_calibration_gap is not None,
        needs_labels=regression or needs_labels(options),
    )


def _by_the_data(options: Options, counts: pd.DataFrame) -> Options:
    """Return the options with groups as the data name them: `true` means the group True."""

    def named(feature: str, group: str) -> str:
        """Return the name of a group of an audited feature."""
        return named_group(group, set(counts[f"feature:{feature}"]))

    excluded = [item.partition("=") for item in options.exclude_groups]
    return replace(
        options,
        reference_groups={feature: named(feature, group) for feature, group in options.reference_groups.items()},
        exclude_groups=tuple(f"{feature}={named(feature, group)}" for feature, _, group in excluded),
    )


def _binary(counts: pd.DataFrame, options: Options) -> Binary:
    """Return labels and decisions as 0 and 1, for both models."""
    found = {name: counts[name] for name in LABELS if name in counts.columns}
    return as_binary(found, options.positive_label)


def _limits(options: Options, features: Sequence[str]) -> Limits:
    """Return what the user allows of a feature, or of a combination of several."""
    return Limits(
        minimum_ratio=minimum_ratio(options, features),
        minimum_group_size=options.minimum_group_size,
        decision=options.decision,
        fixed_reference=options.reference_method is Reference.LARGEST,
        maximum_differences=differences(options, features),
        maximum_ratio_drop=maximum(options, "ratio-drop", features),
        maximum_pair_drop=maximum(options, "pair-drop", features),
        maximum_calibration_gap=maximum(options, "calibration-gap", features),
    )


def _parts(counts: pd.DataFrame, options: Options) -> list[Part]:
    """Return each feature, then each pair of features as far as the options ask for it."""
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
            limits=_limits(options, features),
            gates=alone or options.intersections is Intersections.GATE,
            reference=options.reference_groups.get(features[0]) if alone else None,
        )
        parts.append(part)
    return _told_apart(parts)


def _told_apart(parts: list[Part]) -> list[Part]:
    """Return parts; refuse a feature that has the same name as a combination of two others.

    Raises:
        OptionsError: two of them have one name.
    """
    names = Counter(part.name for part in parts)
    if twice := [name for name, n in names.items() if n > 1]:
        raise OptionsError(f"sensitive-features: the column `{twice[0]}` has the same name as a combination of others")
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


def _of_decisions(counts: pd.DataFrame, options: Options) -> list[Audit]:
    """Audit decisions."""
    comparable, audits = _comparable(_parts(counts, options))
    for found, checks in audit(comparable, options.reference_method):
        intervals = rate_intervals(found.metrics.groups)
        audits.append(
            Audit(
                name=found.part.name,
                checks=checks,
                metrics=describe_part(found),
                of=found.found,
                intervals=intervals,
                worse=worse_pairs(found),
            )
        )
    return audits


def _of_errors(counts: pd.DataFrame, options: Options) -> list[Audit]:
    """Audit the errors of a regression."""
    comparable, audits = _comparable(_parts(counts, options))
    for part in comparable:
        names = group_names(part.counts, part.features)
        both = "production_error" in part.counts.columns
        found = Errors(
            candidate=group_errors(part.counts, names),
            production=group_errors(part.counts, names, "production_") if both else None,
        )
        checks = error_checks(part.name, found, part.limits) if part.gates else []
        audits.append(Audit(name=part.name, checks=checks, metrics=describe_errors(found)))
    return audits


def _comparable(parts: Sequence[Part]) -> tuple[list[Part], list[Audit]]:
    """Return the parts with few enough groups to compare, and for the others the check that says so."""
    comparable, audits = [], []
    for part in parts:
        groups = group_names(part.counts, part.features).nunique()
        if groups <= MOST_GROUPS:
            comparable.append(part)
        else:
            checks = [too_many_groups_check(part.name, groups, int(part.counts["n"].sum()))] if part.gates else []
            audits.append(Audit(name=part.name, checks=checks, metrics={"groups": groups, "compared": False}))
    return comparable, audits


def _excluded_checks(counts: pd.DataFrame, options: Options) -> Iterable[Check]:
    """Yield a record of each group that is left out."""
    total = int(counts["n"].sum())
    for item in options.exclude_groups:
        feature, _, group = item.partition("=")
        inside = counts[f"feature:{feature}"] == group
        n = int(counts["n"][inside].sum())
        yield excluded_group_check(feature, group, n, total, maximum_share=options.maximum_excluded)
