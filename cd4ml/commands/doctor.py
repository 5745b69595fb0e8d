"""`cd4ml doctor`: what keeps stages from running here, a line each with what to do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.look import look_of
from cd4ml.commands.plan import refused
from cd4ml.commands.project import cache_directory, change_directory, read_config
from cd4ml.context import Context
from cd4ml.diagnosis.doctor import EXAMINATIONS
from cd4ml.diagnosis.looking import Result, Subject, examined, fine, of_finding, skipped
from cd4ml.diagnosis.mistakes import options_of
from cd4ml.errors import PASSED, Cd4mlError, OptionsError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.config import Config
from cd4ml.inputs.options import Options, declared
from cd4ml.inputs.values import resolve
from cd4ml.render import diagnosis
from cd4ml.render.numbers import plural
from cd4ml.report import v1
from cd4ml.stages import PIPELINE
from cd4ml.stages.preflight import findings

_CONFIGURATION = "configuration"


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(Options):
    """Options of `cd4ml doctor`."""

    config: str = vocabulary.CONFIG.here("Without one, only this machine is examined.", default="cd4ml.yaml")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")
    reports: str = vocabulary.REPORTS.here("Checked: whether they can be written there.", default="reports")
    json: bool = vocabulary.JSON.here("It lists what was examined.", default=False)


def run(arguments: Sequence[str], door: Door) -> int:
    """Look, tell, and return 0 if all is well, else how the first stage that is kept from a verdict would end."""
    try:
        given = argument_layers("doctor", declared(DoctorOptions), arguments, door.environ, COMMANDS["doctor"])
        options = resolve(DoctorOptions, given)
        change_directory(options.working_directory)
    except Cd4mlError as error:
        return refused("doctor", error, door)
    context = Context(
        directory=Path.cwd(),
        environ=door.environ,
        reports=Path(options.reports),
        cache=cache_directory(door.environ),
    )
    config, told = _config(options.config)
    found = [*told, *examined(EXAMINATIONS, _subject(config, context))]
    found = [door.redactor.everywhere(result) for result in found]
    code = min((result.code.code for result in found if result.code), default=PASSED.code)
    if options.json:
        print(_json(found, code), file=door.stdout)
    else:
        look = look_of(door.stdout, door.environ)
        lines = [
            diagnosis.Line(topic=one.topic, status=one.status, message=one.message, advice=one.advice) for one in found
        ]
        print(diagnosis.text(lines, look=look), file=door.stdout, end="")
        print(_total(found), file=door.stdout)
    return code


def _config(path: str) -> tuple[Config | None, list[Result]]:
    """Return the configuration, if there is one that can be read, and what is to be said of it."""
    if not os.path.lexists(path):
        return None, [skipped(_CONFIGURATION, f"there is no {path} here: only this machine is examined")]
    try:
        config = read_config(path)
    except OptionsError as error:
        return None, [of_finding(_CONFIGURATION, finding) for finding in findings(error)]
    names = [name for name in PIPELINE if config.configures(name)]
    told = f"{path} configures {plural(len(names), 'stage')} of the pipeline: {', '.join(names) or 'nothing to run'}"
    return config, [fine(_CONFIGURATION, told)]


def _subject(config: Config | None, context: Context) -> Subject:
    """Return what is looked at; options that cannot be read are among what is found."""
    names = [name for name in PIPELINE if config and config.configures(name)]
    options: dict[str, Options | None] = {}
    for name in names:
        try:
            options[name] = options_of(name, config, context.environ, here=True) if config else None
        except Cd4mlError:
            options[name] = None
    return Subject(context=context, config=config, options=options)


def _total(found: Sequence[Result]) -> str:
    """Say in one line how much is wrong."""
    blocking = sum(result.code is not None for result in found)
    return f"{plural(blocking, 'problem')} to fix" if blocking else "Nothing keeps the stages from running here."


def _json(found: Sequence[Result], code: int) -> str:
    """Return what was found as JSON."""
    looked: list[dict[str, Any]] = [
        {
            "topic": one.topic,
            "status": str(one.status),
            "message": one.message,
            "advice": one.advice,
            "exit_code": one.code.code if one.code else None,
        }
        for one in found
    ]
    return v1.text({"exit_code": code, "looked": looked})
