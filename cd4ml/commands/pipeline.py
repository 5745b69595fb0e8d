"""`cd4ml run`: every stage that cd4ml.yaml configures, in order, in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import cd4ml
from cd4ml.commands.door import Door
from cd4ml.commands.look import look_of
from cd4ml.commands.plan import PlanOptions, read, refused, told_early
from cd4ml.commands.planned import unjudged
from cd4ml.commands.results import write_verdict
from cd4ml.commands.signing import forget_bundle
from cd4ml.commands.stage import run_stage
from cd4ml.errors import FAILED, INCONCLUSIVE, INTERNAL, PASSED, UNAVAILABLE, USAGE, Cd4mlError, UnavailableError
from cd4ml.github import runtime
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import INPUT_PREFIX
from cd4ml.inputs.options import declared
from cd4ml.inputs.vocabulary import OnInconclusive
from cd4ml.render import overview
from cd4ml.render.look import NOT_RUN
from cd4ml.report import Status, v1, worst
from cd4ml.stages import declaration, needed
from cd4ml.wording import safe
from cd4ml.writing import is_report, remove, result, unwritable, write_atomically

# Of several exit codes, the one that tells most: a defect, then what could not be decided, then what failed.
_WORST_FIRST: Final = (INTERNAL.code, USAGE.code, UNAVAILABLE.code, FAILED.code, INCONCLUSIVE.code, PASSED.code)


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
    """What became of one stage; of one that did not run there is no more than its status, and why."""

    stage: str
    status: str
    exit_code: int | None = None
    report: str | None = None
    warned: bool = False
    seconds: float = 0.0
    told: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


def run(arguments: Sequence[str], door: Door) -> int:
    """Run the configured stages and return the exit code.

    All gates run even after one has failed, so that one run tells everything; building and deploying need every
    stage before them to have passed.
    """
    try:
        options, wanted, config = read(PipelineOptions, "run", arguments, door)
        _forget(wanted, options, door)
        write_verdict(door, Status.ERROR, "", {})
    except Cd4mlError as error:
        return refused("run", error, door)
    inner = _inner(options, door)
    # Mistakes are said first; each stage still finds its own, and ends as it does when it runs alone.
    if not options.quiet:
        told_early([name for name, runs in wanted.items() if runs], config, inner, here=True)
    outcomes = _run(wanted, options, inner)
    return _finish(outcomes, options, door)


def _inner(options: PipelineOptions, door: Door) -> Door:
    """Return where the stages' results go.

    The action's inputs are the pipeline's own, and only the pipeline's verdict becomes its outputs.
    """
    hidden = ("GITHUB_OUTPUT",)
    environ = {k: v for k, v in door.environ.items() if not k.startswith(INPUT_PREFIX) and k not in hidden}
    return replace(door, environ=environ, stdout=door.stderr if options.json else door.stdout)


def _run(wanted: Mapping[str, bool], options: PipelineOptions, door: Door) -> list[_Outcome]:
    """Run the stages one after the other."""
    outcomes: list[_Outcome] = []
    for name, runs in wanted.items():
        if not runs:
            outcomes.append(_Outcome(stage=name, status=Status.SKIPPED))
        elif before := _blockers(name, outcomes):
            outcomes.append(_Outcome(stage=name, status=NOT_RUN, told=[f"{', '.join(before)} did not pass"]))
        else:
            outcomes.append(_one(name, options, door))
    return outcomes


def _blockers(name: str, outcomes: Sequence[_Outcome]) -> list[str]:
    """Return the stages after which a stage must not run."""
    before = {outcome.stage: outcome.status for outcome in outcomes}
    return [stage for stage in needed(name) if before[stage] not in (Status.PASSED, Status.SKIPPED)]


def _one(name: str, options: PipelineOptions, door: Door) -> _Outcome:
    """Run one stage."""
    report = str(Path(options.reports) / f"{name}.json")
    # The process is in the working directory already; a stage must not change into it a second time.
    arguments = ["--working-directory", ".", "--config", options.config, "--report", report]
    if options.on_inconclusive:
        arguments += ["--on-inconclusive", options.on_inconclusive]
    if "reports" in {declared_option.name for declared_option in declared(declaration(name).Options)}:
        arguments += ["--reports", options.reports]
    arguments += [word for word, asked in (("--verbose", options.verbose), ("--quiet", options.quiet)) if asked]
    started = time.time()
    grouped = door.environ.get("GITHUB_ACTIONS") == "true" and not options.quiet
    ended = run_stage(name, arguments, door, grouped=grouped)
    seconds = round(time.time() - started, 3)
    return _Outcome(
        stage=name,
        status=ended.status,
        exit_code=ended.code,
        report=report,
        warned=ended.warned,
        seconds=seconds,
        told=ended.told,
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
    if code == PASSED.code and unjudged(outcome.stage for outcome in outcomes if outcome.status == NOT_RUN):
        code = FAILED.code  # what only warns does not let through what others could not judge
    warned = code == PASSED.code and status is not Status.PASSED
    try:
        _overview(outcomes, status, door, options, warned=warned)
        door.stdout.flush()
        write_verdict(door, status, str(path), _stage_outputs(ran), warned=warned)
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
        named = str(Path(options.reports) / f"{name}.json")
        path = result("reports", named, door.environ, endings=(".json",), ours=is_report)
        remove(path)
        forget_bundle(path)


def _left(outcomes: Sequence[_Outcome], options: PipelineOptions) -> Iterator[str]:
    """Say which reports are of an earlier run, since what reads the folder counts them."""
    for name in (outcome.stage for outcome in outcomes if outcome.status == Status.SKIPPED):
        path = Path(options.reports) / f"{name}.json"
        if path.is_file():
            yield f"{path} is from an earlier run, and the page, the comment and `cd4ml verdict` still count it."


def _stage_outputs(ran: Sequence[_Outcome]) -> dict[str, str]:
    """Return the outputs of the stages, such as the image; a stage that did not pass has none."""
    return {name: text for one in ran if one.status == Status.PASSED for name, text in one.outputs.items()}


def _overview(
    outcomes: Sequence[_Outcome], status: Status, door: Door, options: PipelineOptions, *, warned: bool
) -> None:
    """Print the verdicts of all stages, and put them above what the stages wrote into the step's summary."""
    rows = [
        overview.Row(stage=o.stage, status=o.status, seconds=o.seconds, told=o.told, warned=o.warned) for o in outcomes
    ]
    to = door.stderr if options.json else door.stdout
    told = overview.text(rows, status, look=look_of(to, door.environ), warned=warned, total_only=options.quiet)
    print(told, file=to, end="")
    for left in () if options.quiet else _left(outcomes, options):
        print(f"  {safe(left)}", file=door.stderr)
    summary = door.file("GITHUB_STEP_SUMMARY")
    if summary:
        with unwritable(summary):
            runtime.prepend_summary(summary, overview.markdown(rows, status, warned=warned))
