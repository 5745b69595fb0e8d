"""Compare current data with the reference; significant drift blocks, moderate drift asks for retraining."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.drift.reference import sample_checks, saved_profile_check
from cd4ml.context import Context
from cd4ml.data.profile import reference as profile
from cd4ml.data.profile.cells import CategoryCells, Cells, count
from cd4ml.data.profile.reference import Profile
from cd4ml.data.profile.reference import is_profile as is_saved_profile
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.metric import Task
from cd4ml.report import Check, InputDigest, Report
from cd4ml.stages.detect_drift.judging import STAGE, judged, reference_digest
from cd4ml.stages.detect_drift.options import Options, check_options, is_model, is_profile
from cd4ml.stages.detect_drift.performance import performance
from cd4ml.stages.detect_drift.reference import compared, reference_of
from cd4ml.wording import nearest
from cd4ml.writing import result


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
    reference, source, model = reference_of(options, context, labelled=bool(place))
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


def _place_of_profile(options: Options, context: Context) -> Path | None:
    """Return where the profile goes, None if none is asked for.

    Raises:
        OptionsError: it would leave the workspace, or replace what is not a profile.
    """
    if not options.save_profile:
        return None

    return result("save-profile", options.save_profile, context.environ, endings=(".json",), ours=is_saved_profile)


def _count(current: Source, reference: Profile, options: Options) -> dict[str, Cells]:
    """Count the current values in the cells of the reference."""
    names = compared(options, reference)
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
        inputs=(reference_digest(reference, options),),
    )


def _report(
    options: Options,
    reference: Profile,
    counted: dict[str, Cells],
    current: Source,
    source: Source | None,
    digest: InputDigest,
) -> Report:
    """Decide on what was counted, and on performance where labels exist."""
    labelled: list[Check] = []
    if source is not None and options.label:
        labelled = performance(options, source, current, list(counted), numeric=options.task is Task.REGRESSION)
    return judged(
        options,
        reference,
        counted,
        digest,
        columns=[*(source.schema if source else ()), *current.schema],
        before=sample_checks(options.sample_every, both=source is not None),
        after=labelled,
    )
