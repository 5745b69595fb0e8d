"""`cd4ml init`: propose the files that a repository needs for its first gates, write them, and run the gates once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.progress import Progress
from cd4ml.commands.project import change_directory
from cd4ml.errors import PASSED, OptionsError
from cd4ml.git import Checkout
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.published import RELEASE, REPOSITORY
from cd4ml.wording import safe
from cd4ml.writing import write_together

_TOOL_SECONDS: Final = "240"
_MODEL_SECONDS: Final = "300"


@dataclass(frozen=True, kw_only=True)
class InitOptions(Options):
    """Options of `cd4ml init`."""

    yes: bool = option("Ask nothing: take every proposed answer.", default=False)
    dry_run: bool = option("Print the files and write nothing.", default=False)
    no_run: bool = option("Do not run the gates after the files are written.", default=False)
    force: bool = option("Replace files that are there already.", default=False)
    data: tuple[str, ...] = vocabulary.DATA.here("One table: the training rows, if init does not find them.")
    test_data: str | None = vocabulary.TEST_DATA.here("Needed where init does not find them.")
    predictions: str | None = vocabulary.PREDICTIONS.here("A table of the project's own, instead of models to score.")
    target: str | None = vocabulary.TARGET.here("Needed where init does not find it.")
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    actions: str = option(
        "Where the workflow takes cd4ml's actions from, as OWNER/cd4ml@RELEASE.", default=f"{REPOSITORY}@{RELEASE}"
    )
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Propose, show, write and run. The exit code says whether the files were written: the verdict is the gates' own.

    Raises:
        OptionsError: there is nothing to check, a file is there already, or nobody can be asked.
        UnavailableError: a file cannot be read or written.
    """
    given = argument_layers("init", declared(InitOptions), arguments, door.environ, COMMANDS["init"])
    options = resolve(InitOptions, given[:1])  # what stages take from the environment is not about this command
    change_directory(options.working_directory)
    terminal = sys.stdin is not None and sys.stdin.isatty()
    if not (options.yes or options.dry_run or terminal):
        raise OptionsError("there is no terminal to ask on", advice="Use --yes, or --dry-run to look first.")
    if len(options.data) > 1:
        raise OptionsError(f"data: name one table, that of the training rows; got {len(options.data)}")
    # What reads tables is loaded with these, and `--help` and a refusal must do without.
    from cd4ml.commands.init.asking import Answers
    from cd4ml.commands.init.files import Files, places
    from cd4ml.commands.init.proposing import Named, Proposing

    checkout = Checkout(directory=Path.cwd(), environ=door.environ)
    where = places(checkout.top() or Path.cwd(), options.actions, force=options.force)
    asks = terminal and not options.yes and not options.dry_run
    answers = Answers(stdin=sys.stdin, door=door) if asks else None
    train, test = next(iter(options.data), None), options.test_data
    named = Named(train=train, test=test, predictions=options.predictions, target=options.target)
    address = {"MLFLOW_TRACKING_URI": options.tracking_uri} if options.tracking_uri else {}
    told = replace(door, environ={**door.environ, **address})
    # A line that lives on the terminal would write over the questions.
    with Progress("init", door.stderr, door.environ, door.redactor, quiet=asks) as progress:
        proposing = Proposing(named=named, door=told, say=progress.say, answers=answers)
        project = proposing.project(checkout)
    files = Files.of(project, where, options.actions, schema=proposing.schema)
    _say(door, files.shown(whole=options.dry_run))
    if options.dry_run:
        return PASSED.code
    if answers and not answers.agrees("Write these files?"):
        raise OptionsError("nothing was written", advice="Change an answer, or name what was not found with an option.")
    write_together(files.texts, over=files.over)
    _say(door, [f"Wrote {', '.join(str(path) for path in files.names)}."])
    code = None if options.no_run else _run(proposing.door, files.stages)
    _say(door, files.next_steps(project, code=code))
    return PASSED.code


def _run(door: Door, stages: Sequence[str]) -> int:
    """Run the gates once and return their exit code: in the project's own environment, with less time than usual."""
    from cd4ml.commands import pipeline

    _say(door, ["", f"Running {', '.join(stages)} once:"])
    bounded = {"CD4ML_TOOL_TIMEOUT": _TOOL_SECONDS, "CD4ML_TIMEOUT": _MODEL_SECONDS}
    environ = {**bounded, **door.environ, **_environment(door.environ)}
    return pipeline.run([], replace(door, environ=environ))


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the project's own Python environment, if it lies where most do and none is active."""
    for name in (".venv", "venv"):
        if not environ.get("VIRTUAL_ENV") and os.path.exists(f"{name}/bin/python"):
            return {"VIRTUAL_ENV": os.path.abspath(name)}
    return {}


def _say(door: Door, lines: Sequence[str]) -> None:
    """Print lines; what they hold of data and files stays text."""
    print("\n".join(safe(door.redactor.text(line)) for line in lines), file=door.stdout)
    door.stdout.flush()
