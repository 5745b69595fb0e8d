"""`cd4ml verdict`: whether all stages of a run passed, from the reports that they left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.folder import read
from cd4ml.commands.plan import refused
from cd4ml.commands.planned import other_rows, refuse_partial, uncommitted
from cd4ml.commands.project import change_directory
from cd4ml.errors import FAILED, INCONCLUSIVE, PASSED, UNAVAILABLE, USAGE, Cd4mlError, ExitCode
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared
from cd4ml.inputs.values import resolve
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import Status
from cd4ml.wording import safe

# A run in which nothing was looked at lets nothing through.
_CODES: Final[dict[Status, ExitCode]] = {
    Status.PASSED: PASSED,
    Status.FAILED: FAILED,
    Status.INCONCLUSIVE: INCONCLUSIVE,
    Status.ERROR: UNAVAILABLE,
    Status.SKIPPED: USAGE,
}


@dataclass(frozen=True, kw_only=True)
class VerdictOptions(Options):
    """Options of `cd4ml verdict`."""

    reports: str = vocabulary.REPORTS.here(default="reports")
    planned: tuple[str, ...] = vocabulary.PLANNED.here(
        "One without a report is an error (default: those that `cd4ml run` went through)."
    )
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Print the verdict of each stage; the exit code is 0 only if all passed: a warning is not enough."""
    try:
        found = _read(arguments, door)
    except Cd4mlError as error:
        return refused("verdict", error, door)
    for stage, said in _lines(found):
        print(safe(door.redactor.text(f"{stage}: {said}")), file=door.stdout)
    for said in (*uncommitted(found), *other_rows(found)):
        print(safe(door.redactor.text(said)), file=door.stderr)
    return _CODES[found.status].code


def _read(arguments: Sequence[str], door: Door) -> Run:
    """Return the run.

    Raises:
        OptionsError: there is no report, or they are not the whole of a run.
        UnavailableError: the folder cannot be read.
    """
    given = argument_layers("verdict", declared(VerdictOptions), arguments, door.environ, COMMANDS["verdict"])
    options = resolve(VerdictOptions, given)
    change_directory(options.working_directory)
    found, _ = read(Path(options.reports), options.planned)
    refuse_partial(found, "verdict")
    return found


def _lines(run: Run) -> list[tuple[str, str]]:
    """Return each stage and what became of it."""
    unreadable = [(name, f"unreadable: {why}") for name, why in run.unreadable.items()]
    return [*((entry.name, _verdict(entry)) for entry in run.entries), *unreadable, *run.absent]


def _verdict(entry: Entry) -> str:
    """Return the verdict of a report, and why where its own is not taken."""
    return str(entry.status) if entry.status is entry.published.report.status else f"{entry.status}: {entry.told}"
