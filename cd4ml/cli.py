"""The command line: the only place that reads arguments and the environment, writes reports and outputs, and exits.

cd4ml <stage> [options]     one stage
cd4ml run [options]         every stage that cd4ml.yaml configures, in order
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

import cd4ml
from cd4ml import config as configuration
from cd4ml import git
from cd4ml.errors import EXIT_CODES, INCONCLUSIVE, Cd4mlError, ExitCode, OptionsError, UnavailableError
from cd4ml.errors import FAILED as EXIT_FAILED
from cd4ml.errors import INTERNAL as EXIT_INTERNAL
from cd4ml.errors import PASSED as EXIT_PASSED
from cd4ml.errors import UNAVAILABLE as EXIT_UNAVAILABLE
from cd4ml.errors import USAGE as EXIT_USAGE
from cd4ml.options import Kind, Layer, OnInconclusive, Option, RunOptions, as_values, declared, resolve
from cd4ml.options import Options as StageOptions
from cd4ml.render.markdown import markdown
from cd4ml.render.numbers import duration
from cd4ml.render.terminal import safe, terminal
from cd4ml.report import Report, Status, error_report, v1
from cd4ml.stages import STAGES, Context, Stage, load

# An action's inputs arrive as CD4ML_INPUT_<NAME>; the caller's own environment may set CD4ML_<NAME>.
_INPUT_PREFIX: Final = "CD4ML_INPUT_"
_ENVIRONMENT_PREFIX: Final = "CD4ML_"
_STAGE_OUTPUTS: Final = ("status", "passed", "report")


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a run's results go: the streams and the platform's files."""

    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO

    def file(self, name: str) -> Path | None:
        """Return the platform's file of that name, if this run has one."""
        value = self.environ.get(name)
        return Path(value) if value else None

    def progress(self, message: str) -> None:
        """Show one line of progress, on standard error so that `--json` stays clean."""
        print(safe(message), file=self.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    door = Door(environ=dict(os.environ), stdout=sys.stdout, stderr=sys.stderr)
    if arguments in (["--version"], ["-V"]):
        print(f"cd4ml {cd4ml.__version__}", file=door.stdout)
        return EXIT_PASSED.code
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(), file=door.stdout)
        return EXIT_PASSED.code if arguments else EXIT_USAGE.code
    name, rest = arguments[0], arguments[1:]
    if name == "run":
        return run_pipeline(rest, door)
    if name not in STAGES:
        from cd4ml.options import nearest

        print(
            f"cd4ml: unknown command `{safe(name)}`{nearest(name, [*STAGES, 'run'])}; see cd4ml --help",
            file=door.stderr,
        )
        return EXIT_USAGE.code
    return run_stage(name, rest, door)


def _help() -> str:
    """Return the overview of all commands."""
    width = max(len(name) for name in STAGES)
    lines = [
        "usage: cd4ml <command> [options]",
        "",
        "Gates every change to a machine-learning model and delivers it.",
        "",
        "stages:",
        *(f"  {name:<{width}}  {info.summary}" for name, info in STAGES.items()),
        "",
        "other commands:",
        f"  {'run':<{width}}  Every stage that cd4ml.yaml configures, in order.",
        "",
        "`cd4ml <command> --help` shows a command's options. Exit codes:",
        *(f"  {code.code:>2}  {code.meaning}" for code in EXIT_CODES),
    ]
    return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of exiting, so that a report is written for bad options too."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as a bad option."""
        raise OptionsError(message, advice=f"See {self.prog} --help.")


def parser(name: str, options: Sequence[Option], description: str) -> argparse.ArgumentParser:
    """Return the parser of a command; every value stays text here and is read by `options.resolve`."""
    result = _Parser(prog=f"cd4ml {name}", description=description, allow_abbrev=False)
    for option in options:
        arguments: dict[str, Any] = {"dest": option.name, "default": None, "help": _option_help(option)}
        if option.kind is Kind.BOOLEAN:
            arguments |= {"nargs": "?", "const": "true", "metavar": "true|false"}
        elif option.kind is Kind.CHOICE:
            arguments |= {"metavar": "|".join(option.choices)}
        elif option.kind in (Kind.LIST, Kind.NUMBERS, Kind.TEXTS):
            metavar = "ITEM" if option.kind is Kind.LIST else "NAME=VALUE"
            arguments |= {"action": "append", "metavar": metavar}
        else:
            arguments |= {"metavar": option.kind.name}
        result.add_argument(f"--{option.name}", **arguments)
    return result


def _option_help(option: Option) -> str:
    """Return an option's sentence with its default."""
    shown = option.help.replace("%", "%%")
    if option.required:
        return f"{shown} Required."
    default = option.default
    if default in (None, (), {}, ""):
        return shown
    text = (
        ",".join(default)
        if isinstance(default, tuple)
        else str(default).lower() if isinstance(default, bool) else default
    )
    return f"{shown} Default: {text}"


def _from_arguments(name: str, options: Sequence[Option], arguments: Sequence[str], description: str) -> Layer:
    """Return the command line's values; repeated lists are joined as the platform writes them."""
    parsed = vars(parser(name, options, description).parse_args(arguments))
    joined = {key: "\n".join(value) if isinstance(value, list) else value for key, value in parsed.items()}
    return Layer(origin="command line", values=joined)


def _from_environ(environ: Mapping[str, str], prefix: str, options: Sequence[Option], origin: str) -> Layer:
    """Return the values that environment variables of a prefix set."""
    names = {option.name: prefix + option.field_name.upper() for option in options}
    return Layer(origin=origin, values={name: environ.get(variable) for name, variable in names.items()})


def run_stage(name: str, arguments: Sequence[str], door: Door) -> int:
    """Run one stage from its arguments and return the exit code."""
    started = time.time()
    state = _State(name=name, door=door, started=started)
    # Until a verdict is reached the outputs say `error`: a run that is killed must not look like one that passed.
    state.write_outputs(Status.ERROR, {})
    try:
        stage = load(name)
        run_options, options, run_context = _prepare(name, stage, arguments, state)
        # Outputs again, now with the real report path; the report itself says `error` until the stage is done.
        state.write_outputs(Status.ERROR, {})
        state.save(error_report(name, Cd4mlError("The run did not finish.")))
        report = stage.run(options, run_context)
    except Cd4mlError as error:
        return state.finish(error_report(name, error), error.exit_code, show_json=state.json)
    except Exception as error:  # noqa: BLE001 - the one place where a defect becomes a report and exit code 70
        print(safe_traceback(error), file=door.stderr)
        defect = Cd4mlError(
            f"Internal error: {type(error).__name__}: {error}", advice="This is a defect in cd4ml: please report it."
        )
        return state.finish(error_report(name, defect), EXIT_INTERNAL, show_json=state.json)
    return state.finish(report, exit_code(report, run_options.on_inconclusive), show_json=run_options.json)


def safe_traceback(error: BaseException) -> str:
    """Return a traceback whose texts cannot become workflow commands."""
    return "\n".join(safe(line) for line in "".join(traceback.format_exception(error)).splitlines())


def exit_code(report: Report, on_inconclusive: OnInconclusive) -> ExitCode:
    """Return the exit code of a verdict."""
    if report.status is Status.ERROR:
        reasons = {check.reason for check in report.checks if check.status is Status.ERROR}
        return EXIT_UNAVAILABLE if reasons == {UnavailableError.reason} else EXIT_USAGE
    if report.status is Status.INCONCLUSIVE:
        return INCONCLUSIVE if on_inconclusive is OnInconclusive.FAIL else EXIT_PASSED
    return EXIT_FAILED if report.status is Status.FAILED else EXIT_PASSED


@dataclass(kw_only=True)
class _State:
    """What is known of a run so far: enough to write its report whatever happens next."""

    name: str
    door: Door
    started: float
    report_path: Path | None = None
    options: StageOptions | None = None
    root: Path | None = None
    json: bool = False

    @property
    def path(self) -> Path:
        """Absolute path of the report."""
        path = self.report_path or Path("reports") / f"{self.name}.json"
        return Path.cwd() / path

    def save(self, report: Report) -> dict[str, Any]:
        """Write the JSON report in one move, so that no reader sees half of it."""
        finished = time.time()
        published = v1.document(
            report,
            options=as_values(self.options) if self.options else {},
            git_sha=git.head(Path.cwd()),
            run={
                "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
                "seconds": round(finished - self.started, 3),
                "directory": str(Path.cwd()),
                "platform": _platform(self.door.environ),
            },
        )
        write_atomically(self.path, v1.text(published) + "\n")
        return published

    def write_outputs(self, status: Status, outputs: Mapping[str, str]) -> None:
        """Set the step's outputs, if there is a step."""
        file = self.door.file("GITHUB_OUTPUT")
        if file:
            from cd4ml.github.runtime import write_outputs

            passed = "true" if status is Status.PASSED else "false"
            write_outputs(file, {"status": str(status), "passed": passed, "report": str(self.path), **outputs})

    def finish(self, report: Report, code: ExitCode, *, show_json: bool) -> int:
        """Write report, outputs, summary and annotations, print the result, and return the exit code."""
        published = self.save(report)
        self.write_outputs(report.status, report.outputs)
        self._platform_texts(report)
        if show_json:
            print(v1.text(published), file=self.door.stdout)
            print(terminal(report), file=self.door.stderr, end="")
        else:
            print(terminal(report), file=self.door.stdout, end="")
        print(f"  report: {safe(str(self.path))} ({duration(time.time() - self.started)})", file=self.door.stderr)
        return code.code

    def _platform_texts(self, report: Report) -> None:
        """Write step summary and annotations, if this run has a platform."""
        from cd4ml.github import runtime

        summary = self.door.file("GITHUB_STEP_SUMMARY")
        if summary:
            runtime.append_summary(summary, markdown(report))
        if self.door.environ.get("GITHUB_ACTIONS") == "true":
            prefix = _prefix(self.root or Path.cwd(), Path.cwd())
            for line in runtime.annotations(report.checks, prefix=prefix, title=f"cd4ml {self.name}"):
                # Standard error is read for commands as well, and leaves `--json` alone.
                print(line, file=self.door.stderr)


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


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is either the old one or the whole new one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as stream:
            stream.write(text)
        os.chmod(stream.name, 0o644)
        os.replace(stream.name, path)
    except OSError as error:
        raise UnavailableError(f"The report cannot be written to {path}: {error.strerror}.") from error


def _prepare(
    name: str, stage: Stage, arguments: Sequence[str], state: _State
) -> tuple[RunOptions, StageOptions, Context]:
    """Resolve options and change into the working directory."""
    environ = state.door.environ
    run_declared, stage_declared = declared(RunOptions), declared(stage.Options)
    everything = (*run_declared, *stage_declared)
    layers = [
        _from_arguments(name, everything, arguments, STAGES[name].summary),
        _from_environ(environ, _INPUT_PREFIX, everything, "input"),
        _from_environ(environ, _ENVIRONMENT_PREFIX, everything, "environment"),
    ]
    where = resolve(RunOptions, layers)
    state.json = where.json
    state.root = Path(environ.get("GITHUB_WORKSPACE") or Path.cwd())
    change_directory(where.working_directory)
    state.report_path = Path(where.report) if where.report else None
    layers.append(_from_config(name, where.config, explicit=_explicit(layers, "config")))
    run_options = resolve(RunOptions, layers)
    state.report_path = Path(run_options.report) if run_options.report else None
    options = resolve(stage.Options, layers)
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
    options = {stage: (*run_declared, *declared(load(stage).Options)) for stage in STAGES}
    return configuration.read(Path(path), options)


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return where model environments are kept: on a runner in its temporary folder, else in the user's cache."""
    if environ.get("RUNNER_TEMP"):
        return Path(environ["RUNNER_TEMP"]) / "cd4ml-cache"
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return Path(base) / "cd4ml"


def run_pipeline(arguments: Sequence[str], door: Door) -> int:
    """Run every configured stage in order.

    All gates run even after one has failed, so that one run tells everything; building and deploying need every
    stage before them to have passed.
    """
    from cd4ml.pipeline import run

    return run(arguments, door)
