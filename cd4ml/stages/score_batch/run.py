"""Score a table of any size, and publish the whole result in one step."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cd4ml import __version__
from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.image.model_code import model_code_check
from cd4ml.checks.image.runtime import Obstacle
from cd4ml.checks.scoring.published import data_unchanged_check, rows_check
from cd4ml.checks.scoring.scored import isolation_checks, scored_check
from cd4ml.context import Context
from cd4ml.data.predictions.table import metadata_of
from cd4ml.digests import folder_sha256
from cd4ml.inputs.runtime import Runtime
from cd4ml.inputs.vocabulary import Isolation
from cd4ml.model_files import code_of
from cd4ml.model_files.signature import inputs as signature_inputs
from cd4ml.registry import fetch
from cd4ml.report import Check, InputDigest, ModelIdentity, Report, Status
from cd4ml.scoring.batch.job import Job, Outcome
from cd4ml.scoring.batch.kernel import Loading
from cd4ml.scoring.batch.publishing import publish
from cd4ml.scoring.batch.runners import RUNNERS
from cd4ml.scoring.batch.staging import Staging, staging
from cd4ml.scoring.batch.targets import Target, target
from cd4ml.scoring.environment import READERS, environment_of, requirements
from cd4ml.scoring.sandbox import PROTECTIONS
from cd4ml.scoring.scorer import Limits, ScoringError
from cd4ml.stages.score_batch.conversion import Road, choose, native
from cd4ml.stages.score_batch.options import Options
from cd4ml.stages.score_batch.preflight import check_options
from cd4ml.stages.score_batch.rows import Columns, Rows, columns_of, rows_of

STAGE: Final = "score-batch"
NAME: Final = "model"


@dataclass(kw_only=True)
class _Run:
    """What is known of a run as it goes on."""

    options: Options
    context: Context
    staging: Staging
    target: Target
    model: ModelIdentity
    folder: Path
    checks: list[Check] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    inputs: list[InputDigest] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against going on."""
        return all(check.status is Status.PASSED for check in self.checks)


def run(options: Options, context: Context) -> Report:
    """Score what is not staged yet, and publish once every row has its prediction.

    Raises:
        OptionsError: the rows lack a column, there are none, or the model's environment cannot be resolved.
        UnavailableError: the model, the registry, the rows or the output cannot be reached, or another run writes it.
    """
    check_options(options)
    goal = target(options.output, context.environ)
    with staging(goal.path) as staged:
        context.progress(f"Fetching the model {options.model}")
        folder, identity = fetch(
            options.model, staged.scratch / "fetched", tracking_uri=options.tracking_uri, environ=context.environ
        )
        one = _Run(options=options, context=context, staging=staged, target=goal, model=identity, folder=folder)
        code = code_of(folder)
        one.details |= {"code": code} if code else {}
        one.checks.append(model_code_check(code, allowed=options.allow_code))
        if one.passed:
            _score(one)
        return _report(one)


def _score(one: _Run) -> None:
    """Score and publish."""
    options, context = one.options, one.context
    requirements(one.folder, called=one.model.uri)
    interpreter, lock = environment_of(one.folder, extra=READERS, context=context)
    context.progress(f"Reading {options.data[0] if options.data else 'the answer to the query'}")
    rows = rows_of(options, one.staging.scratch)
    columns = columns_of(rows.parts, options, signature_inputs(one.folder))
    one.inputs.append(rows.digest)
    environment = hashlib.sha256(lock.encode()).hexdigest()
    one.details["lock"] = environment
    loading = _loading(one, interpreter)
    road = choose(options.runtime, loading, rows, columns, one.model.sha256, one.staging.scratch, context)
    if why := _go(one, rows, columns, loading, road):
        one.staging.drop()
        obstacle = Obstacle(reason="not-equal", why=f"its conversion is not equal to it: {why}")
        context.progress("The conversion is not equal to the model: scoring again, with the model's own library")
        _go(one, rows, columns, loading, native(obstacle, demanded=options.runtime is Runtime.ONNX))


def _go(one: _Run, rows: Rows, columns: Columns, loading: Loading, road: Road) -> str | None:
    """Score and publish on a road; return where a conversion was seen to differ from its model, None if nowhere."""
    options, context = one.options, one.context
    one.checks = [*(check for check in one.checks if check.id != road.check.id), road.check]
    one.details["runtime"] = dict(road.details)
    if not one.passed:
        return None
    environment = one.details["lock"]
    goes_on = one.staging.begin(_about(one, rows, columns, road))
    one.details["run"] = one.staging.run
    done = goes_on and one.target.published(one.staging.run)
    if not done:
        unequal = _predict(one, rows, columns, replace(loading, fast=road.fast), goes_on=goes_on)
        if unequal or not one.passed:
            return unequal
    if not done:
        context.progress(f"Publishing {options.output}")
        _publish(one, rows, environment)
    one.metrics["rows"] = rows.parts.rows
    if one.passed:
        published = one.target.digest(rows.parts.rows)
        one.outputs |= {"output": options.output, "output-sha256": published.sha256, "run": one.staging.run}
        one.staging.drop()
    return None


def _loading(one: _Run, interpreter: Path) -> Loading:
    """Return how the model is asked."""
    options = one.options
    required = options.isolation is Isolation.REQUIRED
    return Loading(
        model=one.folder,
        interpreter=interpreter,
        positive_label=options.positive_label,
        allow_code=options.allow_code,
        limits=Limits(seconds=options.timeout, memory=options.memory_limit, isolated=required),
    )


def _about(one: _Run, rows: Rows, columns: Columns, road: Road) -> dict[str, Any]:
    """Return all that the output follows from: what differs in any of it is another run."""
    options = one.options
    return {
        "cd4ml": __version__,
        "model": one.model.sha256,
        "environment": one.details["lock"],
        "runtime": road.identity,
        "data": rows.digest.sha256,
        "rows": rows.parts.rows,
        "part_rows": options.part_rows,
        "columns": [list(columns.shown), list(options.keep), list(columns.read)],
        "positive_label": options.positive_label,
    }


def _predict(one: _Run, rows: Rows, columns: Columns, loading: Loading, *, goes_on: bool) -> str | None:
    """Have the parts scored that are missing, and check that they are what they must be.

    Returns:
        Where a conversion differs from its model, None if it does not; then nothing was checked.
    """
    options, parts, staged = one.options, rows.parts, one.staging
    numbers = range(len(parts))
    missing = [number for number in numbers if staged.rows(number) != parts.count(number)] if goes_on else numbers
    one.metrics |= {"parts": len(parts), "parts_resumed": len(parts) - len(missing)}
    job = Job(
        loading=loading,
        parts=parts,
        missing=missing,
        columns=columns.read,
        shown=columns.shown,
        keep=options.keep,
        staging=staged,
    )
    one.context.progress(f"Scoring {sum(map(parts.count, missing)):,} of {parts.rows:,} rows")
    outcome = RUNNERS[options.runner].score(job, one.context) if missing else Outcome()
    if outcome.unequal:
        return outcome.problem
    one.checks += _scored(one, rows, outcome)
    if one.passed:
        one.checks.append(rows_check(parts.rows, sum(staged.rows(number) or 0 for number in numbers)))
    elif any(check.reason in ("model-changed", "data-changed") for check in one.checks):
        staged.drop()
    return None


def _scored(one: _Run, rows: Rows, outcome: Outcome) -> list[Check]:
    """Return the checks of what was scored."""
    checks: list[Check] = []
    missing: Mapping[str, str] = {}
    if outcome.isolation is not None:
        held, missing = outcome.isolation.held, outcome.isolation.missing
        one.details["isolation"] = {"held": held, "missing": missing}
        if one.options.isolation is Isolation.REQUIRED:
            checks += isolation_checks(NAME, PROTECTIONS, held, missing)
    changed = folder_sha256(one.folder) != one.model.sha256
    n = rows.parts.rows
    checks.append(scored_check(NAME, "rows", n, problem=outcome.problem, changed=changed, missing=missing))
    checks.append(data_unchanged_check(rows.digest.sha256, rows.sha256(), rows.parts.name))
    return checks


def _publish(one: _Run, rows: Rows, environment: str) -> None:
    """Publish the parts; what keeps them from being one table is the model's fault."""
    about = {"id": one.staging.run, "rows": rows.parts.rows, "environment": environment, "cd4ml": __version__}
    metadata = metadata_of(candidate=one.model, test_data=rows.digest, run=about)
    try:
        publish(one.target, one.staging, len(rows.parts), metadata)
    except ScoringError as error:
        check = scored_check(NAME, "rows", rows.parts.rows, problem=str(error), changed=False, missing={})
        one.checks = [check if known.id == check.id else known for known in one.checks]


def _report(one: _Run) -> Report:
    """Return what was done."""
    report = Report(
        stage=STAGE,
        checks=one.checks,
        summary=_summary(one),
        metrics=one.metrics,
        details=one.details,
        inputs=one.inputs,
        candidate=one.model,
        outputs={"output": "", "output-sha256": "", "run": "", "model-sha256": one.model.sha256, **one.outputs},
    )
    return remarked(report, one.options.reading)


def _summary(one: _Run) -> str:
    """Say in a sentence what was done."""
    blocking: Sequence[str] = [check.message for check in one.checks if check.status is not Status.PASSED]
    if blocking:
        return " ".join(blocking)
    return f"{one.metrics['rows']:,} rows were scored by {one.model.uri} and published as {one.options.output}."
