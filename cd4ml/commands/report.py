"""`cd4ml report`: the reports of a run as one HTML file, or as a model card."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.folder import read, summary
from cd4ml.commands.plan import refused
from cd4ml.commands.project import change_directory
from cd4ml.errors import PASSED, Cd4mlError, ExitCode, OptionsError, UnavailableError
from cd4ml.github import runtime
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.render.pipeline_run import Run
from cd4ml.wording import safe
from cd4ml.writing import result, write_atomically

LIBRARY: Final = "vl_convert"
# Enough of a file to know such a page by.


class OnIncomplete(StrEnum):
    """What a missing field of a model card does to the exit code."""

    FAIL = "fail"
    WARN = "warn"


@dataclass(frozen=True, kw_only=True)
class ReportOptions(Options):
    """Options of `cd4ml report`."""

    reports: str = vocabulary.REPORTS.here(default="reports")
    output: str = vocabulary.OUTPUT.here(
        "The page (default: index.html in the folder of reports), or the model card (default: model-card.md there)."
    )
    model_card: bool = option(
        "Write a model card in place of the page: Markdown, and JSON in a file of the same name beside it.",
        default=False,
    )
    on_incomplete: OnIncomplete = option(
        "Whether a model card that lacks a required field blocks: `fail` (exit code 1) or `warn` (exit code 0).",
        default=OnIncomplete.FAIL,
    )
    page: str | None = option(
        "Where a model card's links lead: the page's address, or its path seen from the card (default: the reports)."
    )
    config: str = vocabulary.CONFIG.here(
        "Its section `model-card` states what no report can know.", default="cd4ml.yaml"
    )
    planned: tuple[str, ...] = vocabulary.PLANNED.here("One that judges and left no report is shown as missing.")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


def run(arguments: Sequence[str], door: Door) -> int:
    """Write the page or the model card, or say why not.

    The exit code says whether it was written, and of a card whether it is complete: the verdict is that of the stages.
    """
    try:
        given = argument_layers("report", declared(ReportOptions), arguments, door.environ, COMMANDS["report"])
        options = resolve(ReportOptions, given)
        if options.model_card:
            return _write_card(options, door, explicit=any(layer.values.get("config") for layer in given)).code
        _write(options, door)
    except Cd4mlError as error:
        return refused("report", error, door)
    return PASSED.code


def _write_card(options: ReportOptions, door: Door, *, explicit: bool) -> ExitCode:
    """Write the model card, and return whether it is complete.

    Args:
        explicit: whether somebody named the configuration, so that it must be there.

    Raises:
        OptionsError: there is no report, the configuration is wrong, or the card may not be written there.
        UnavailableError: a file cannot be read or written.
    """
    from cd4ml.commands import model_card  # the page does without

    page = model_card.check_page(options.page)
    change_directory(options.working_directory)
    target = options.output or str(Path(options.reports) / model_card.NAME)
    paths = model_card.places(target, door.environ)
    said = model_card.stated(options.config, explicit=explicit)
    found, _ = _read(options, door)
    if not (found.entries or found.unreadable):
        raise OptionsError(f"reports: {options.reports} holds no report", advice="Run the stages first.")
    card = model_card.write(found, paths, door, said=said, page=page, reports=options.reports)
    return model_card.tell(card, target, door, warn=options.on_incomplete is OnIncomplete.WARN)


def _read(options: ReportOptions, door: Door) -> tuple[Run, list[str]]:
    """Return the run without secrets, and the names of files that are no reports."""
    found, others = read(Path(options.reports), options.planned, acting=False)
    return door.redactor.everywhere(found), others


def _write(options: ReportOptions, door: Door) -> None:
    """Write the page.

    Raises:
        OptionsError: there is no report, or the page may not be written there.
        UnavailableError: the library that draws is missing, the folder cannot be read, or the page not be written.
    """
    if importlib.util.find_spec(LIBRARY) is None:
        raise UnavailableError(
            f"The library `{LIBRARY}`, which draws the pictures, is not installed.",
            advice="pip install --require-hashes --requirement requirements/report.txt",
        )
    # The library that draws is loaded with it, and `--help` and a refusal must do without.
    from cd4ml.render.html.page import page

    change_directory(options.working_directory)
    target = options.output or str(Path(options.reports) / "index.html")
    path = result("output", target, door.environ, endings=(".html",), ours=_is_page)
    found, others = _read(options, door)
    write_atomically(path, page(found))
    file = door.file("GITHUB_OUTPUT")
    if file:
        runtime.write_outputs(file, {"page": str(path.absolute())})
    aside = f" Not reports, so left out: {', '.join(others)}." if others else ""
    said = f"{target}: {summary(found)}{aside}"
    print(safe(door.redactor.text(said)), file=door.stdout)


def _is_page(path: Path) -> bool:
    """Whether a file is a page of an earlier run."""
    from cd4ml.render.html.frame import is_page
    from cd4ml.render.html.page import GENERATOR

    return is_page(path, GENERATOR)
