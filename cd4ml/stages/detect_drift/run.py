"""Compare current data with the reference; significant drift blocks, moderate drift asks for retraining."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.drift.effects import Limits
from cd4ml.checks.drift.reference import sample_checks, saved_profile_check
from cd4ml.checks.drift.verdict import decide
from cd4ml.context import Context
from cd4ml.data.predictions.table import PRODUCTION, class_columns
from cd4ml.data.profile import reference as profile
from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells, count
from cd4ml.data.profile.reference import Profile
from cd4ml.data.profile.reference import is_profile as is_saved_profile
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.metric import Task
from cd4ml.report import Check, InputDigest, ModelIdentity, Report
from cd4ml.stages.detect_drift.options import (
    OnModerate,
    Options,
    check_options,
    feature_limits,
    is_model,
    is_profile,
)
from cd4ml.stages.detect_drift.performance import performance
from cd4ml.stages.detect_drift.report import distributions_of, drift_word, numbers_of, summary_of, with_reason
from cd4ml.wording import nearest
from cd4ml.writing import result

STAGE: Final = "detect-drift"
# Where a model keeps the profile of the data that it was trained on.
PROFILE: Final = "reference-profile.json"
# Columns of the predictions table that are not features; its predictions are compared like features.
_NO_FEATURES: Final = ("row_id", "y_true", "production_y_pred", "production_y_score", "sample_weight")


def run(options: Options, context: Context) -> Report:
    """Compare every feature, and performance where labels exist.

    Raises:
        OptionsError: a feature is missing or has another type, the profile is damaged, or there is nothing to compare.
        UnavailableError: a table cannot be read, or the registry does not answer.
    """
    check_options(options)
    current = open_table(options.current, hashed=True, reading=options.reading).source() if options.current else None
    place = _place_of_profile(options, context)
    kept = is_model(options.reference) or is_profile(options.reference)
    context.progress(f"{'Fetching the profile of' if kept else 'Counting the values of'} {options.reference}")
    reference, source, model = _reference(options, context)
    if place:
        profile.write(place, reference)
    if current is None:
        return remarked(_saved(reference, options), options.reading)
    digest = current.digest("current")
    if digest.sha256 == reference.data_sha256:
        raise OptionsError(f"{options.current} is the reference itself: comparing data with themselves proves nothing.")
    context.progress(f"Counting the values of {options.current}")
    counted = _count(current, reference, options)
    context.progress(f"Comparing {len(counted):,} feature{'' if len(counted) == 1 else 's'} with the reference")
    report = _report(options, reference, counted, current, source, digest)
    return remarked(replace(report, production=model), options.reading)


def _reference(options: Options, context: Context) -> tuple[Profile, Source | None, ModelIdentity | None]:
    """Return the profile of the reference, read or made, the table it was made from, and the model that holds it."""
    if is_model(options.reference):
        return _profile_of_model(options, context)
    if is_profile(options.reference):
        return profile.read(Path(options.reference)), None, None
    source = open_table(options.reference, reading=options.reading).source()
    if not source.rows:
        raise OptionsError(f"{options.reference} holds no rows")
    numbers, categories = _features(options, source)
    return profile.build(source, numbers, categories, every=options.sample_every), source, None


def _place_of_profile(options: Options, context: Context) -> Path | None:
    """Return where the profile goes, None if none is asked for.

    Raises:
        OptionsError: it would leave the workspace, or replace what is not a profile.
    """
    if not options.save_profile:
        return None

    return result("save-profile", options.save_profile, context.environ, endings=(".json",), ours=is_saved_profile)


def _profile_of_model(options: Options, context: Context) -> tuple[Profile, None, ModelIdentity]:
    """Return the profile that lies beside a model, and which model that is."""
    # Without a model, what the registry imports would be a fiftieth of the time that the whole stage takes.
    from cd4ml.registry import fetch

    with tempfile.TemporaryDirectory(prefix="cd4ml-drift-") as scratch:
        target = Path(scratch) / "model"
        folder, identity = fetch(options.reference, target, tracking_uri=options.tracking_uri, environ=context.environ)
        if not (folder / PROFILE).is_file():
            raise OptionsError(
                f"{options.reference} holds no {PROFILE}",
                advice=f"Write it into the model's folder before it is registered: --save-profile <folder>/{PROFILE}.",
            )
        return profile.read(folder / PROFILE), None, identity


def _features(options: Options, source: Source) -> tuple[list[str], list[str]]:
    """Return which columns are compared as numbers and which as categories."""
    _known(options, source)
    aside = {*_NO_FEATURES, *options.exclude, options.label, options.time_column}
    aside |= set(class_columns(source.schema, PRODUCTION).values())
    names = list(options.features) or [name for name in source.schema if name not in aside]
    families = {name: family(source.schema[name]) for name in names}
    if not options.features:
        names = [name for name in names if families[name] not in (Family.TIME, Family.OTHER)]
    odd = [name for name in names if families[name] is Family.OTHER]
    if odd:
        raise OptionsError(f"features: {', '.join(odd)}: of a type that cannot be compared")
    if not names:
        raise OptionsError(f"{options.reference} has no column to compare")
    texts = (Family.TEXT, Family.BOOLEAN, Family.EMPTY)
    categories = [name for name in names if name in options.categorical or families[name] in texts]
    return [name for name in names if name not in categories], categories


def _known(options: Options, source: Source) -> None:
    """Refuse names of columns that the reference does not have."""
    named = [("features", options.features), ("exclude", options.exclude), ("categorical", options.categorical)]
    problems = [
        f"{option_name}: {source.name} has no column `{name}`{nearest(name, source.schema)}"
        for option_name, names in named
        for name in names
        if name not in source.schema and option_name != "exclude"
    ]
    if problems:
        raise OptionsError(problems)


def _compared(options: Options, reference: Profile) -> list[str]:
    """Return the features that are compared: all of the profile's, or those that are named."""
    problems = [
        f"features: the reference has no `{name}`{nearest(name, reference.features)}"
        for name in options.features
        if name not in reference.features
    ]
    problems += [
        f"categorical: `{name}` was counted as a number in the profile; create the profile with the same option"
        for name in options.categorical
        if isinstance(reference.features.get(name), NumberCells)
    ]
    names = list(options.features) or [name for name in reference.features if name not in options.exclude]
    if problems or not names:
        raise OptionsError(problems or ["there is no feature to compare"])
    return names


def _count(current: Source, reference: Profile, options: Options) -> dict[str, Cells]:
    """Count the current values in the cells of the reference."""
    names = _compared(options, reference)
    problems = []
    for name in names:
        if name not in current.schema:
            problems.append(f"{current.name} has no column `{name}`{nearest(name, current.schema)}")
            continue
        before, now = reference.families[name], family(current.schema[name])
        if before is not now and Family.EMPTY not in (before, now):
            problems.append(f"`{name}` is of type {now} in {current.name}, but {before} in the reference")
    if problems:
        raise OptionsError(problems, advice="Name columns that are not to be compared in `exclude`.")
    if not current.rows:
        raise OptionsError(f"{current.name} holds no rows")
    cells = {name: reference.features[name] for name in names}
    # What the reference holds nothing of is an error whatever the current data say.
    layout = {name: None if isinstance(item, CategoryCells) else item.grid for name, item in cells.items() if item.n}
    counted = count(current, layout, every=options.sample_every)
    return {name: counted.get(name, cells[name]) for name in names}


def _saved(reference: Profile, options: Options) -> Report:
    """Return the report of a run that made a profile and compared nothing."""
    check = saved_profile_check(str(options.save_profile), rows=reference.rows, features=len(reference.features))
    return Report(
        stage=STAGE,
        checks=[check],
        summary=f"{check.message} Nothing was compared.",
        outputs={"drift": "false", "retrain": "false", "worst-feature": ""},
        inputs=(_reference_digest(reference, options),),
    )


def _reference_digest(reference: Profile, options: Options) -> InputDigest:
    """Return the digest of the reference's data, which a profile knows as well."""
    return InputDigest(name="reference", path=options.reference, sha256=reference.data_sha256, rows=reference.rows)


def _report(
    options: Options,
    reference: Profile,
    counted: dict[str, Cells],
    current: Source,
    source: Source | None,
    digest: InputDigest,
) -> Report:
    """Decide on what was counted."""
    limits = _limits(options, counted)
    verdict = decide(reference.features, counted, limits, bins=options.psi_bins, named=options.features)
    labelled: list[Check] = []
    if source is not None and options.label:
        labelled = performance(options, source, current, list(counted), numeric=options.task is Task.REGRESSION)
    verdict = verdict.beside(before=sample_checks(options.sample_every, both=source is not None), after=labelled)
    compared, aside = verdict.features, verdict.identifiers
    seen = dict.fromkeys([*(source.schema if source else ()), *current.schema])
    left_out = [name for name in seen if name not in counted or name in aside]
    return Report(
        stage=STAGE,
        checks=verdict.checks,
        summary=summary_of(
            verdict.checks, len(compared) - len(aside), [with_reason(name, aside) for name in left_out], options
        ),
        metrics={
            "rows": {"reference": reference.rows, "current": current.rows},
            "features": {feature.name: numbers_of(feature, limits) for feature in compared},
        },
        details={
            "not_compared": left_out,
            "identifiers": aside,
            "reference_schema_sha256": reference.schema_sha256,
            "correction": str(options.correction),
            "distributions": distributions_of(
                [feature for feature in compared if feature.name not in aside], reference.features, counted, options
            ),
        },
        outputs={
            "drift": drift_word(verdict.drifted),
            "retrain": str(verdict.retrain).lower(),
            "worst-feature": verdict.worst_feature,
        },
        inputs=(_reference_digest(reference, options), digest),
    )


def _limits(options: Options, compared: Collection[str]) -> Limits:
    """Return the limits that the options set; refuse those of features that are not compared."""
    limits = {name.replace("-", "_"): limit for name, limit in feature_limits(options).items()}
    own = list(dict.fromkeys(feature for limit in limits.values() for feature in limit.own))
    problems = [
        f"{name.replace('_', '-')}: `{feature}` is not compared{nearest(feature, compared)}"
        for name, limit in limits.items()
        for feature in limit.own
        if feature not in compared
    ]
    if problems:
        raise OptionsError(problems)
    of_all: dict[str, Any] = {name: limit.others for name, limit in limits.items()}
    every = Limits(
        **of_all,
        minimum_rows=options.minimum_sample_size,
        alpha=options.alpha,
        correction=str(options.correction),
        fail_on_moderate=options.on_moderate is OnModerate.FAIL,
        show_values=options.include_values,
    )
    of_own: dict[str, dict[str, Any]] = {
        feature: {name: limit.of(feature) for name, limit in limits.items()} for feature in own
    }
    return replace(every, own={feature: replace(every, **values) for feature, values in of_own.items()})
