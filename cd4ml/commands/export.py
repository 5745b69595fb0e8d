"""`cd4ml export`: the reports of a run in the formats of other tools, each to a file of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cd4ml.commands import COMMANDS
from cd4ml.commands.door import Door
from cd4ml.commands.folder import read, summary
from cd4ml.commands.plan import refused
from cd4ml.commands.planned import refuse_partial
from cd4ml.commands.project import change_directory
from cd4ml.errors import PASSED, Cd4mlError, OptionsError
from cd4ml.github import runtime
from cd4ml.inputs import vocabulary
from cd4ml.inputs.arguments import layers as argument_layers
from cd4ml.inputs.options import Options, declared, option
from cd4ml.inputs.values import resolve
from cd4ml.render import badge, code_quality, junit, sarif
from cd4ml.render.pipeline_run import Run
from cd4ml.render.places import Places
from cd4ml.wording import safe
from cd4ml.writing import result, write_atomically

# Enough of a file to know any of these by.
_LARGEST: Final = 64_000_000


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Options):
    """Options of `cd4ml export`: where the reports are, and a file for each format that is wanted."""

    reports: str = vocabulary.REPORTS.here(default="reports")
    planned: tuple[str, ...] = vocabulary.PLANNED.here(
        "One without a report is an error (default: those that `cd4ml run` went through)."
    )
    deliver: bool = option(
        "Whether the planned stages that build and deploy had to run, too; set `false` where they run for main alone.",
        default=True,
    )
    junit: str | None = option("JUnit XML, for GitLab, Jenkins and other test reports.")
    code_quality: str | None = option("GitLab Code Quality JSON, with findings at their lines.")
    sarif: str | None = option("SARIF, for code scanning: findings at their lines in the changed files.")
    badge: str | None = option("JSON for an endpoint badge of shields.io.")
    config: str = vocabulary.CONFIG.here("Findings without a place of their own stand there.", default="cd4ml.yaml")
    working_directory: str = vocabulary.WORKING_DIRECTORY.here(default=".")


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format that reports can be written in.

    Attributes:
        option: the option that names its file.
        ending: of its files.
        text: a run as the format has it.
        is_ours: whether the content of a file is of an earlier run.
        whole: whether it says something of the run as a whole, and so must know which stages had to run.
    """

    option: str
    ending: str
    text: Callable[[Run, Places], str]
    is_ours: Callable[[str], bool]
    whole: bool = False


FORMATS: Final = (
    Format(option="junit", ending=".xml", text=junit.text, is_ours=junit.is_ours),
    Format(option="code-quality", ending=".json", text=code_quality.text, is_ours=code_quality.is_ours),
    Format(option="sarif", ending=".sarif", text=sarif.text, is_ours=sarif.is_ours),
    Format(option="badge", ending=".json", text=badge.text, is_ours=badge.is_ours, whole=True),
)


def run(arguments: Sequence[str], door: Door) -> int:
    """Write the files, or say why not. The exit code says whether they were written: the verdict is the stages'."""
    try:
        _write(arguments, door)
    except Cd4mlError as error:
        return refused("export", error, door)
    return PASSED.code


def _write(arguments: Sequence[str], door: Door) -> None:
    """Write the files.

    Raises:
        OptionsError: no format is wanted, there is no report, what a format needs to know is not known, or a file may
            not be written there.
        UnavailableError: the folder cannot be read, or a file not be written.
    """
    given = argument_layers("export", declared(ExportOptions), arguments, door.environ, COMMANDS["export"])
    options = resolve(ExportOptions, given)
    wanted = {form: getattr(options, form.option.replace("-", "_")) for form in FORMATS}
    wanted = {form: path for form, path in wanted.items() if path}
    if not wanted:
        raise OptionsError(f"name a file for at least one of {', '.join(f'--{form.option}' for form in FORMATS)}")
    root = Path(door.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    change_directory(options.working_directory)
    paths = {
        form: result(form.option, path, door.environ, endings=(form.ending,), ours=_ours(form))
        for form, path in wanted.items()
    }
    found, _ = read(Path(options.reports), options.planned, acting=options.deliver)
    for form in wanted:
        if form.whole:
            refuse_partial(found, form.option)
    shown = door.redactor.everywhere(found)
    places = Places(prefix=_prefix(root), config=options.config.removeprefix("./"))
    for form, path in paths.items():
        write_atomically(path, form.text(shown, places))
    file = door.file("GITHUB_OUTPUT")
    if file:
        runtime.write_outputs(file, {form.option: str(path.absolute()) for form, path in paths.items()})
    said = f"{', '.join(map(str, paths.values()))}: {summary(found)}"
    print(safe(door.redactor.text(said)), file=door.stdout)


def _prefix(root: Path) -> str:
    """Return the working directory relative to where the command was started, as paths of the repository need it."""
    directory = Path.cwd().resolve()
    if directory == root or not directory.is_relative_to(root):
        return ""
    return f"{directory.relative_to(root).as_posix()}/"


def _ours(form: Format) -> Callable[[Path], bool]:
    """Return the test of whether a file was written by a format."""

    def ours(path: Path) -> bool:
        try:
            return path.stat().st_size <= _LARGEST and form.is_ours(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False

    return ours
