"""Running every stage that cd4ml.yaml configures, in order, in one process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

import cd4ml
from cd4ml.commands.door import Door, Stream
from cd4ml.commands.stage import change_directory, read_config, run_stage, word
from cd4ml.errors import (
    FAILED,
    INCONCLUSIVE,
    INTERNAL,
    PASSED,
    UNAVAILABLE,
    USAGE,
    Cd4mlError,
    OptionsError,
    UnavailableError,
)
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import INPUT_PREFIX
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.inputs.vocabulary import OnInconclusive
from cd4ml.render import overview
from cd4ml.render.overview import NOT_RUN
from cd4ml.report import Status, v1, worst
from cd4ml.stages import PIPELINE, declaration, needed
from cd4ml.wording import nearest, safe
from cd4ml.writing import is_report, remove, result, unwritable, write_atomically

# Of several exit codes, the one that tells most: a defect, then what could not be decided, then what failed.
_WORST_FIRST: Final = (INTERNAL.code, USAGE.code, UNAVAILABLE.code, FAILED.code, INCONCLUSIVE.code, PASSED.code)
DESCRIPTIONS: Final = {
    "run": "Run every stage that cd4ml.yaml configures, in order.",
    "plan": "Name the stages that cd4ml.yaml configures.",
}
PlanT = TypeVar("PlanT", bound="PlanOptions")


@dataclass(frozen=True, kw_only=True)
class PlanOptions(Options):
    """Options of `cd4ml plan`: which stages there are."""

    config: str = vocabulary.CONFIG.here(default="cd4ml.yaml")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    stages: tuple[str, ...] = option("Stages to run, of those that the configuration has (default: all of them).")


@dataclass(frozen=True, kw_only=True)
class PipelineOptions(PlanOptions):
    """Options of `cd4ml run` and of the root action."""

    reports: str = vocabulary.REPORTS.here("They are written there.", default="reports")
    on_inconclusive: OnInconclusive | None = vocabulary.ON_INCONCLUSIVE.here(
        "By default what each stage's section says."
    )
    json: bool = vocabulary.JSON.here("It is the pipeline's own.", default=False)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What became of one stage; of one that did not run there is no more than its status."""

    stage: str
    status: str
    exit_code: int | None = None
    report: str | None = None
    warned: bool = False
    seconds: float = 0.0
    summary: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def run_pipeline(arguments: Sequence[str], door: Door) -> int:
    """Run the configured stages and return the exit code.

    All gates run even after one has failed, so that one run tells everything; building and deploying need every
    stage before them to have passed.
    """
    try:
        options, wanted = _read(PipelineOptions, "run", arguments, door)
        _forget(wanted, options, door)
        _write_outputs(door, Status.ERROR, "", {})
    except Cd4mlError as error:
        return _refused("run", error, door)
    outcomes = _run(wanted, options, door)
    return _finish(outcomes, options, door)


def run_plan(arguments: Sequence[str], door: Door) -> int:
    """Name the stages that `cd4ml run` would run, for a workflow that gives each a job of its own."""
    try:
        _, wanted = _read(PlanOptions, "plan", arguments, door)
    except Cd4mlError as error:
        return _refused("plan", error, door)
    names = [name for name, runs in wanted.items() if runs]
    file = door.file("GITHUB_OUTPUT")
    if file:
        from cd4ml.github.runtime import write_outputs

        write_outputs(file, {"stages": json.dumps(names)})
    print("\n".join(names), file=door.stdout)
    return PASSED.code


def _read(
    options_class: type[PlanT], command: str, arguments: Sequence[str], door: Door
) -> tuple[PlanT, dict[str, bool]]:
    """Read the options, enter the working directory, and return every stage and whether it is to run."""
    layers = argument_layers(command, declared(options_class), arguments, door.environ, DESCRIPTIONS[command])
    options = resolve(options_class, layers)
    change_directory(options.working_directory)
    return options, _wanted(options, read_config(options.config))


def _refused(command: str, error: Cd4mlError, door: Door) -> int:
    """Say why nothing was run, as an annotation where there are any."""
    told = safe(door.redactor.text(str(error)))
    print(f"cd4ml {command}: {told}", file=door.stderr)
    if door.environ.get("GITHUB_ACTIONS") == "true":
        from cd4ml.github.runtime import error_command

        print(error_command(told, title=f"cd4ml {command}"), file=door.stderr)
    return error.exit_code.code


def _wanted(options: PlanOptions, config: Config) -> dict[str, bool]:
    """Return every stage of the pipeline, and whether it is to run."""
    unknown = [name for name in options.stages if name not in PIPELINE]
    problems = [f"stages: `{name}` is no stage of the pipeline{nearest(name, PIPELINE)}" for name in unknown]
    named = [name for name in options.stages if name in PIPELINE]
    problems += [f"stages: {config.path} has no section `{name}`" for name in named if not config.configures(name)]
    configured = {name: config.configures(name) and (not named or name in named) for name in PIPELINE}
    if not any(configured.values()) and not problems:
        problems = [f"{config.path} configures no stage: nothing would be checked"]
    if problems:
        raise OptionsError(problems)
    return configured


def _run(wanted: Mapping[str, bool], options: PipelineOptions, door: Door) -> list[_Outcome]:
    """Run the stages one after the other."""
    # The action's inputs are the pipeline's own, and only the pipeline's verdict becomes its outputs.
    hidden = ("GITHUB_OUTPUT",)
    environ = {k: v for k, v in door.environ.items() if not k.startswith(INPUT_PREFIX) and k not in hidden}
    inner = replace(door, environ=environ, stdout=door.stderr if options.json else door.stdout)
    outcomes: list[_Outcome] = []
    for name, runs in wanted.items():
        if not runs:
            outcomes.append(_Outcome(stage=name, status=Status.SKIPPED))
        elif _blocked(name, outcomes):
            outcomes.append(_Outcome(stage=name, status=NOT_RUN))
        else:
            outcomes.append(_one(name, options, inner))
    return outcomes


def _blocked(name: str, outcomes: Sequence[_Outcome]) -> bool:
    """Whether a stage must not run after what came before it."""
    before = {outcome.stage: outcome.status for outcome in outcomes}
    return any(before[stage] not in (Status.PASSED, Status.SKIPPED) for stage in needed(name))


def _one(name: str, options: PipelineOptions, door: Door) -> _Outcome:
    """Run one stage."""
    report = str(Path(options.reports) / f"{name}.json")
    # The process is in the working directory already; a stage must not change into it a second time.
    arguments = ["--working-directory", ".", "--config", options.config, "--report", report]
    if options.on_inconclusive:
        arguments += ["--on-inconclusive", options.on_inconclusive]
    if "reports" in {declared_option.name for declared_option in declared(declaration(name).Options)}:
        arguments += ["--reports", options.reports]
    started = time.time()
    ended = run_stage(name, arguments, door)
    seconds = round(time.time() - started, 3)
    return _Outcome(
        stage=name,
        status=ended.status,
        exit_code=ended.code,
        report=report,
        warned=ended.warned,
        seconds=seconds,
        summary=ended.summary,
        outputs=ended.outputs,
    )


def _finish(outcomes: Sequence[_Outcome], options: PipelineOptions, door: Door) -> int:
    """Write the pipeline's own report and outputs, print the table, and return the exit code."""
    ran = [outcome for outcome in outcomes if outcome.exit_code is not None]
    status = worst(Status(outcome.status) for outcome in ran)
    published = {
        "schema_version": v1.SCHEMA_VERSION,
        "tool": {"name": "cd4ml", "version": cd4ml.__version__},
        "status": str(status),
        "stages": [
            {"stage": o.stage, "status": str(o.status), "exit_code": o.exit_code, "report": o.report} for o in outcomes
        ],
        "run": {"seconds": {outcome.stage: outcome.seconds for outcome in ran}},
    }
    path = _pipeline_report(options)
    write_atomically(path, v1.text(published) + "\n")
    if options.json:
        print(v1.text(published), file=door.stdout)
    code = min((outcome.exit_code or 0 for outcome in ran), key=_WORST_FIRST.index)
    warned = code == PASSED.code and status is not Status.PASSED
    try:
        _overview(outcomes, status, door, warned=warned, to=door.stderr if options.json else door.stdout)
        door.stdout.flush()
        _write_outputs(door, status, str(path), _stage_outputs(ran), warned=warned)
    except UnavailableError:
        path.unlink(missing_ok=True)
        raise
    return code


def _pipeline_report(options: PipelineOptions) -> Path:
    """Return the absolute path of the pipeline's own report."""
    return Path.cwd() / options.reports / "pipeline.json"


def _forget(wanted: Mapping[str, bool], options: PipelineOptions, door: Door) -> None:
    """Remove the reports of an earlier run: one of a stage that does not come to run must not pass for one of this."""
    for name in ("pipeline", *(name for name, runs in wanted.items() if runs)):
        path = str(Path(options.reports) / f"{name}.json")
        remove(result("reports", path, door.environ, endings=(".json",), ours=is_report))


def _stage_outputs(ran: Sequence[_Outcome]) -> dict[str, str]:
    """Return the outputs of the stages, such as the image; a stage that did not pass has none."""
    return {name: text for one in ran if one.status == Status.PASSED for name, text in one.outputs.items()}


def _overview(outcomes: Sequence[_Outcome], status: Status, door: Door, *, warned: bool, to: Stream) -> None:
    """Print the verdicts of all stages, and put them above what the stages wrote into the step's summary."""
    rows = [
        overview.Row(stage=o.stage, status=o.status, seconds=o.seconds, summary=o.summary, warned=o.warned)
        for o in outcomes
    ]
    print(overview.text(rows), file=to)
    summary = door.file("GITHUB_STEP_SUMMARY")
    if summary:
        from cd4ml.github.runtime import prepend_summary

        with unwritable(summary):
            prepend_summary(summary, overview.markdown(rows, status, warned=warned))


def _write_outputs(
    door: Door, status: Status, report: str, outputs: Mapping[str, str], *, warned: bool = False
) -> None:
    """Set the step's outputs, if there is a step."""
    file = door.file("GITHUB_OUTPUT")
    if file:
        from cd4ml.github.runtime import write_outputs

        verdict = {"status": str(status), "passed": word(status is Status.PASSED), "warned": word(warned)}
        with unwritable(file):
            write_outputs(file, {**verdict, "report": report, **outputs})
