"""`cd4ml plan`: the stages that cd4ml.yaml configures, for a workflow that gives each a job of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.look import look_of
from cd4ml.commands.project import cache_directory, change_directory, options_of_stages, read_config
from cd4ml.commands.results import check_shown
from cd4ml.context import Context
from cd4ml.diagnosis.mistakes import Mistake, mistakes
from cd4ml.errors import PASSED, Cd4mlError, OptionsError
from cd4ml.github import runtime
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.render import diagnosis
from cd4ml.report import Status
from cd4ml.stages import PIPELINE
from cd4ml.wording import nearest, safe

PlanT = TypeVar("PlanT", bound="PlanOptions")


@dataclass(frozen=True, kw_only=True)
class PlanOptions(Options):
    """Options of `cd4ml plan`: which stages there are."""

    config: str = vocabulary.CONFIG.here(default="cd4ml.yaml")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    stages: tuple[str, ...] = option("Which of the configured stages to run (default: all of them).")
    verbose: bool = vocabulary.VERBOSE.here(default=False, last=True)
    quiet: bool = vocabulary.QUIET.here(default=False, last=True)


def run(arguments: Sequence[str], door: Door) -> int:
    """Name the stages that `cd4ml run` would run, for a workflow that gives each a job of its own."""
    try:
        options, wanted, config = read(PlanOptions, "plan", arguments, door)
    except Cd4mlError as error:
        return refused("plan", error, door)
    names = [name for name, runs in wanted.items() if runs]
    found = told_early(names, config, door, here=False)
    if found:
        return _refused_early(found, door)
    if options.verbose:
        print(f"skipped: {', '.join(name for name in wanted if name not in names) or 'none'}", file=door.stderr)
    file = door.file("GITHUB_OUTPUT")
    if file:
        runtime.write_outputs(file, {"stages": json.dumps(names)})
    print("\n".join(names), file=door.stdout)
    return PASSED.code


def read(
    options_class: type[PlanT], command: str, arguments: Sequence[str], door: Door
) -> tuple[PlanT, dict[str, bool], Config]:
    """Read the options, enter the working directory, and return every stage, whether it is to run, and what is set."""
    own = declared(options_class)
    _refuse_options_of_stages(command, arguments, {one.name for one in own})
    layers = argument_layers(command, own, arguments, door.environ, COMMANDS[command])
    options = resolve(options_class, layers)
    check_shown(options.verbose, options.quiet)
    change_directory(options.working_directory)
    config = read_config(options.config)
    return options, _wanted(options, config), config


def _refuse_options_of_stages(command: str, arguments: Sequence[str], own: Collection[str]) -> None:
    """Refuse an option that only stages have, and say where it is set; the nearest option of the command is not meant.

    Raises:
        OptionsError: one is among the arguments.
    """
    unknown = {word.partition("=")[0][2:] for word in arguments if word.startswith("--")} - {*own, "help"}
    every = options_of_stages().values() if unknown else ()
    found = unknown & {one.name for options in every for one in options}
    found = {name for name in found if not any(mine.startswith(name) for mine in own)}
    if found:
        name = min(found)
        raise OptionsError(
            f"`--{name}` is an option of single stages, not of `cd4ml {command}`",
            advice=f"Set `{name}` in the section of a stage in cd4ml.yaml, or in `defaults` for all of them.",
        )


def told_early(names: Sequence[str], config: Config, door: Door, *, here: bool) -> list[Mistake]:
    """Say what is wrong with stages before any of them runs, and return what will keep them from a verdict.

    Args:
        here: whether they run on this machine, and now.
    """
    context = Context(directory=Path.cwd(), environ=door.environ, cache=cache_directory(door.environ))
    found = list(mistakes(names, config, context, here=here))
    lines = [_line(door.redactor.everywhere(mistake)) for mistake in found]
    print(diagnosis.text(lines, look=look_of(door.stderr, door.environ)), file=door.stderr, end="")
    return [mistake for mistake in found if mistake.finding.code]


def _line(mistake: Mistake) -> diagnosis.Line:
    """Return a mistake as it is shown."""
    finding = mistake.finding
    status = Status.FAILED if finding.code else Status.INCONCLUSIVE
    return diagnosis.Line(topic=mistake.stage, status=status, message=finding.message, advice=finding.advice)


def _refused_early(found: Sequence[Mistake], door: Door) -> int:
    """Return the exit code of mistakes, after an annotation for each where there are any."""
    if door.environ.get("GITHUB_ACTIONS") == "true":
        for mistake in found:
            told = safe(door.redactor.text(str(mistake.finding)))
            print(runtime.error_command(told, title=f"cd4ml {mistake.stage}"), file=door.stderr)
    return min(mistake.finding.code.code for mistake in found if mistake.finding.code)


def refused(command: str, error: Cd4mlError, door: Door) -> int:
    """Say why nothing was run, each problem in a line, as an annotation where there are any."""
    problems = error.problems if isinstance(error, OptionsError) else (error.message,)
    for problem in problems[:-1]:
        print(f"cd4ml {command}: {safe(door.redactor.text(problem))}", file=door.stderr)
    last = safe(door.redactor.text(str(Cd4mlError(problems[-1], advice=error.advice))))
    print(f"cd4ml {command}: {last}", file=door.stderr)
    told = safe(door.redactor.text(str(error)))
    if door.environ.get("GITHUB_ACTIONS") == "true":
        print(runtime.error_command(told, title=f"cd4ml {command}"), file=door.stderr)
    return error.exit_code.code


def _wanted(options: PlanOptions, config: Config) -> dict[str, bool]:
    """Return every stage of the pipeline, and whether it is to run."""
    unknown = [name for name in options.stages if name not in PIPELINE]
    problems = [f"stages: `{name}` is not a stage of the pipeline{nearest(name, PIPELINE)}" for name in unknown]
    named = [name for name in options.stages if name in PIPELINE]
    problems += [f"stages: {config.path} has no section `{name}`" for name in named if not config.configures(name)]
    configured = {name: config.configures(name) and (not named or name in named) for name in PIPELINE}
    if not any(configured.values()) and not problems:
        problems = [f"{config.path} configures no stage: nothing would be checked"]
    if problems:
        raise OptionsError(problems)
    return configured
