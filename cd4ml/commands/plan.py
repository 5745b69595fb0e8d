"""`cd4ml plan`: the stages that cd4ml.yaml configures, for a workflow that gives each a job of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.project import change_directory, read_config
from cd4ml.commands.results import check_shown
from cd4ml.errors import PASSED, Cd4mlError, OptionsError
from cd4ml.github import runtime
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.stages import PIPELINE
from cd4ml.wording import nearest, safe

PlanT = TypeVar("PlanT", bound="PlanOptions")


@dataclass(frozen=True, kw_only=True)
class PlanOptions(Options):
    """Options of `cd4ml plan`: which stages there are."""

    config: str = vocabulary.CONFIG.here(default="cd4ml.yaml")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    stages: tuple[str, ...] = option("Stages to run, of those that the configuration has (default: all of them).")
    verbose: bool = vocabulary.VERBOSE.here(default=False, last=True)
    quiet: bool = vocabulary.QUIET.here(default=False, last=True)


def run(arguments: Sequence[str], door: Door) -> int:
    """Name the stages that `cd4ml run` would run, for a workflow that gives each a job of its own."""
    try:
        options, wanted = read(PlanOptions, "plan", arguments, door)
    except Cd4mlError as error:
        return refused("plan", error, door)
    names = [name for name, runs in wanted.items() if runs]
    if options.verbose:
        print(f"skipped: {', '.join(name for name in wanted if name not in names) or 'none'}", file=door.stderr)
    file = door.file("GITHUB_OUTPUT")
    if file:
        runtime.write_outputs(file, {"stages": json.dumps(names)})
    print("\n".join(names), file=door.stdout)
    return PASSED.code


def read(
    options_class: type[PlanT], command: str, arguments: Sequence[str], door: Door
) -> tuple[PlanT, dict[str, bool]]:
    """Read the options, enter the working directory, and return every stage and whether it is to run."""
    layers = argument_layers(command, declared(options_class), arguments, door.environ, COMMANDS[command])
    options = resolve(options_class, layers)
    check_shown(options.verbose, options.quiet)
    change_directory(options.working_directory)
    return options, _wanted(options, read_config(options.config))


def refused(command: str, error: Cd4mlError, door: Door) -> int:
    """Say why nothing was run, as an annotation where there are any."""
    told = safe(door.redactor.text(str(error)))
    print(f"cd4ml {command}: {told}", file=door.stderr)
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
