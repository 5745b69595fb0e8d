"""Running one stage: options in, report, outputs, summary and annotations out, exit code back."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cd4ml.commands.door import Door
from cd4ml.context import Context
from cd4ml.errors import FAILED as EXIT_FAILED
from cd4ml.errors import (
    INCONCLUSIVE,
    Cd4mlError,
    ExitCode,
    Interrupted,
    OptionsError,
    RequiredOptionsError,
    UnavailableError,
)
from cd4ml.errors import INTERNAL as EXIT_INTERNAL
from cd4ml.errors import PASSED as EXIT_PASSED
from cd4ml.errors import UNAVAILABLE as EXIT_UNAVAILABLE
from cd4ml.errors import USAGE as EXIT_USAGE
from cd4ml.git import Checkout
from cd4ml.inputs import config as configuration
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options as StageOptions
from cd4ml.inputs.options import declared
from cd4ml.inputs.values import Layer, as_values, resolve
from cd4ml.inputs.vocabulary import OnFailed, OnInconclusive, RunOptions
from cd4ml.process.descendants import contained
from cd4ml.reading import outside
from cd4ml.render.markdown import LARGEST, markdown
from cd4ml.render.numbers import duration
from cd4ml.render.terminal import terminal
from cd4ml.report import Published, Report, Source, Status, error_report, v1
from cd4ml.stages import STAGES, declaration, load
from cd4ml.wording import safe
from cd4ml.writing import is_report, remove, result, unwritable, write_atomically


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of a stage ended.

    Attributes:
        warned: whether a verdict that is not `passed` was let through, because the options say that it only warns.
    """

    status: Status
    code: int
    warned: bool
    summary: str
    outputs: Mapping[str, str]


def run_stage(name: str, arguments: Sequence[str], door: Door) -> Ended:
    """Run one stage from its arguments, whatever happens, and say how it ended."""
    started = time.time()
    state = _State(name=name, door=door, started=started)
    try:
        run_options, options, run_context = _prepare(name, arguments, state)
        state.save(error_report(name, Cd4mlError("The run did not finish.")))
        with contained():
            report = load(name).run(options, run_context)
    except Interrupted as error:
        ended = UnavailableError(f"The run was ended by {error.name} before a verdict.", advice="Run it again.")
        state.finish(error_report(name, ended), EXIT_UNAVAILABLE, show_json=state.json)
        raise
    except Cd4mlError as error:
        return state.finish(error_report(name, error), error.exit_code, show_json=state.json)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "cd4ml":
            return state.defect(error)
        return state.finish(error_report(name, _missing_library(name, error)), EXIT_UNAVAILABLE, show_json=state.json)
    except OSError as error:
        told = outside(error)
        return state.finish(error_report(name, told), told.exit_code, show_json=state.json)
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes a report and exit code 70
        return state.defect(error)
    return state.finish(report, exit_code(report, run_options), show_json=run_options.json)


def _missing_library(name: str, error: ModuleNotFoundError) -> UnavailableError:
    """Return the error of a stage whose libraries are not installed: the core alone runs no stage."""
    locks = " and ".join(f"requirements/{lock}.txt" for lock in STAGES[name].requirements)
    installed = f"Install {locks} of cd4ml's repository, or" if locks else "In cd4ml's repository"
    return UnavailableError(
        f"The library {error.name}, which {name} needs, is not installed beside cd4ml.",
        advice=f"{installed} run `make setup` there and use its .venv/bin/cd4ml.",
    )


def safe_traceback(error: BaseException) -> str:
    """Return a traceback whose texts cannot become workflow commands."""
    return "\n".join(safe(line) for line in "".join(traceback.format_exception(error)).splitlines())


def exit_code(report: Report, options: RunOptions) -> ExitCode:
    """Return the exit code of a verdict."""
    if report.status is Status.ERROR:
        reasons = {check.reason for check in report.checks if check.status is Status.ERROR}
        return EXIT_UNAVAILABLE if reasons == {UnavailableError.reason} else EXIT_USAGE
    if report.status is Status.INCONCLUSIVE:
        return INCONCLUSIVE if options.on_inconclusive is OnInconclusive.FAIL else EXIT_PASSED
    if report.status is Status.FAILED:
        return EXIT_FAILED if options.on_failed is OnFailed.FAIL else EXIT_PASSED
    return EXIT_PASSED


@dataclass(kw_only=True)
class _State:
    """What is known of a run so far: enough to write its report whatever happens next.

    Attributes:
        nowhere: whether even the default place of the report is none that may be written.
    """

    name: str
    door: Door
    started: float
    report_path: Path | None = None
    options: StageOptions | None = None
    root: Path | None = None
    json: bool = False
    nowhere: bool = False
    plan: Sequence[str] = ()

    @property
    def path(self) -> Path:
        """Absolute path of the report."""
        path = self.report_path or Path("reports") / f"{self.name}.json"
        return Path.cwd() / path

    def place(self, report: str | None) -> None:
        """Take the place of the report; one of an earlier run that is there goes first.

        Raises:
            OptionsError: the report may not be there. What is known so far goes to the default place, if it may.
        """
        self.report_path = None
        named = report or f"reports/{self.name}.json"
        self.nowhere = not report
        self.report_path = result("report", named, self.door.environ, endings=(".json",), ours=is_report)
        self.nowhere = False
        remove(self.path)
        # Until a verdict is reached the outputs say `error`: a run that is killed must not look like one that passed.
        self.write_outputs(Status.ERROR, {})

    def save(self, report: Report) -> dict[str, Any]:
        """Write the JSON report in one move, so that no reader sees half of it; a plan that was made stays in it."""
        finished = time.time()
        self.plan = report.plan or self.plan
        report = replace(report, plan=self.plan)
        checkout = Checkout(directory=Path.cwd(), environ=self.door.environ)
        published = v1.document(
            Published(
                report=report,
                source=Source(git_sha=checkout.head(), modified=checkout.modified()),
                options=as_values(self.options) if self.options else {},
                run={
                    "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
                    "seconds": round(finished - self.started, 3),
                    "directory": str(Path.cwd()),
                    "platform": _platform(self.door.environ),
                },
            )
        )
        published = self.door.redactor.everywhere(published)
        if not self.nowhere:
            write_atomically(self.path, v1.text(published) + "\n")
        return published

    def write_outputs(self, status: Status, outputs: Mapping[str, str], *, warned: bool = False) -> None:
        """Set the step's outputs, if there is a step."""
        file = self.door.file("GITHUB_OUTPUT")
        if file:
            from cd4ml.github.runtime import write_outputs

            verdict = {"status": str(status), "passed": word(status is Status.PASSED), "warned": word(warned)}
            with unwritable(file):
                write_outputs(file, {**verdict, "report": str(self.path), **outputs})

    def finish(self, report: Report, code: ExitCode, *, show_json: bool) -> Ended:
        """Write report, summary and annotations, print the result, and set the outputs last.

        Raises:
            UnavailableError: one of them cannot be written; the report, which nobody could then trust, is removed.
        """
        report = self.door.redactor.everywhere(report)
        warned = code is EXIT_PASSED and report.status in (Status.FAILED, Status.INCONCLUSIVE)
        published = self.save(report)
        try:
            self._platform_texts(report, warned=warned)
            self._print(report, published, show_json=show_json, warned=warned)
            self.write_outputs(report.status, report.outputs, warned=warned)
        except UnavailableError:
            self.path.unlink(missing_ok=True)
            raise
        return Ended(
            status=report.status, code=code.code, warned=warned, summary=report.summary, outputs=report.outputs
        )

    def defect(self, error: Exception) -> Ended:
        """Report a defect of cd4ml itself."""
        print(safe_traceback(error), file=self.door.stderr)
        told = Cd4mlError(
            f"Internal error: {type(error).__name__}: {error}", advice="This is a defect in cd4ml: please report it."
        )
        return self.finish(error_report(self.name, told), EXIT_INTERNAL, show_json=self.json)

    def _print(self, report: Report, published: Mapping[str, Any], *, show_json: bool, warned: bool) -> None:
        """Print the result: the JSON alone on standard output where it is asked for."""
        if show_json:
            print(v1.text(published), file=self.door.stdout)
        shown = terminal(report, warned=warned)
        print(shown, file=self.door.stderr if show_json else self.door.stdout, end="")
        print(f"  report: {safe(str(self.path))} ({duration(time.time() - self.started)})", file=self.door.stderr)
        self.door.stdout.flush()

    def _platform_texts(self, report: Report, *, warned: bool) -> None:
        """Write step summary and annotations, if this run has a platform."""
        from cd4ml.github import runtime

        summary = self.door.file("GITHUB_STEP_SUMMARY")
        if summary:
            with unwritable(summary):
                room = runtime.summary_room(summary, LARGEST)
                runtime.append_summary(summary, markdown(report, largest=room, warned=warned))
        if self.door.environ.get("GITHUB_ACTIONS") == "true":
            prefix = _prefix(self.root or Path.cwd(), Path.cwd())
            title, written = f"cd4ml {self.name}", self.door.annotations
            for line in runtime.commands(report.checks, prefix=prefix, title=title, written=written, warned=warned):
                # Standard error is read for commands as well, and leaves `--json` alone.
                print(line, file=self.door.stderr)


def word(truth: bool) -> str:
    """Return the platform's word for a truth value."""
    return "true" if truth else "false"


def _prefix(root: Path, directory: Path) -> str:
    """Return the working directory as annotations need it: relative to the repository's root."""
    try:
        relative = directory.relative_to(root).as_posix()
    except ValueError:
        return ""
    return "" if relative == "." else f"{relative}/"


def _platform(environ: Mapping[str, str]) -> dict[str, str]:
    """Return where the run took place, from the platform's own variables."""
    names = (
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_WORKFLOW",
        "GITHUB_JOB",
        "GITHUB_ACTOR",
    )
    return {name.removeprefix("GITHUB_").lower(): environ[name] for name in names if environ.get(name)}


def _prepare(name: str, arguments: Sequence[str], state: _State) -> tuple[RunOptions, StageOptions, Context]:
    """Resolve options and change into the working directory."""
    environ = state.door.environ
    stage = declaration(name)
    run_declared, stage_declared = declared(RunOptions), declared(stage.Options)
    everything = (*run_declared, *stage_declared)
    layers = argument_layers(name, everything, arguments, environ, STAGES[name].summary)
    where = resolve(RunOptions, layers)
    state.json = where.json
    state.root = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    change_directory(where.working_directory)
    state.place(where.report)
    layers.append(_from_config(name, where.config, explicit=_explicit(layers, "config")))
    run_options = resolve(RunOptions, layers)
    if run_options.report != where.report:
        state.place(run_options.report)
    try:
        options = resolve(stage.Options, layers)
    except RequiredOptionsError as error:
        absent = "" if Path(where.config).exists() else f"There is no {where.config} in the working directory."
        raise OptionsError(error.problems, advice=absent) from error
    state.options = options
    context = Context(
        directory=Path.cwd(),
        environ=environ,
        progress=state.door.progress,
        reports=state.path.parent,
        cache=cache_directory(environ),
        save=state.save,
    )
    return run_options, options, context


def _explicit(layers: Sequence[Layer], name: str) -> bool:
    """Whether some layer sets the option."""
    return any(layer.values.get(name) for layer in layers)


def change_directory(directory: str) -> None:
    """Change into the working directory."""
    try:
        os.chdir(directory)
    except OSError as error:
        raise OptionsError(f"working-directory {directory!r}: {error.strerror}") from error


def _from_config(name: str, path: str, *, explicit: bool) -> Layer:
    """Return what the configuration file sets for a stage; a file that was named must exist."""
    if not Path(path).exists() and not explicit:
        return Layer(origin=path, values={})
    return Layer(origin=path, values=read_config(path).values(name))


def read_config(path: str) -> configuration.Config:
    """Read the configuration file and check it against the options of every stage."""
    run_declared = declared(RunOptions)
    options = {stage: (*run_declared, *declared(declaration(stage).Options)) for stage in STAGES}
    return configuration.read(Path(path), options)


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return where model environments are kept: on a runner in its temporary folder, else in the user's cache."""
    if environ.get("RUNNER_TEMP"):
        return Path(environ["RUNNER_TEMP"]) / "cd4ml-cache"
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return Path(base) / "cd4ml"
