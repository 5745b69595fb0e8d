"""The reports in a folder: what the page, the comment, the verdict and the exports are about, found in one way.

Every JSON file counts, whatever its name. It is a stage's report if it has the stage's name or says that it is one. A
report that cannot be read as such is unreadable, and so is a file that is not JSON, of which nobody can say what it is:
either could be what blocks. JSON of another kind is somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cd4ml.commands import planned
from cd4ml.evidence.bundles import ENDING
from cd4ml.errors import Cd4mlError, OptionsError, UnavailableError
from cd4ml.reading import text_file
from cd4ml.render.numbers import plural
from cd4ml.render.pipeline_run import Entry, Run
from cd4ml.report import Published, reading
from cd4ml.stages import STAGES

_PIPELINE: Final = "pipeline.json"
# What cd4ml itself writes beside the reports.
_NO_REPORT: Final = "model-card.json"


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What lies in a folder.

    Attributes:
        entries: the reports, in the order of the stages.
        unreadable: reports, and files that could be one, that cannot be read, and why: each by its stage, or by its
            file's name where that is not a stage's.
        others: names of JSON files that are no reports.
        said: what the pipeline's own report says of each stage; None if there is none, or a damaged one.
    """

    entries: Sequence[Entry] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    others: Sequence[str] = ()
    said: Mapping[str, str] | None = None


def look(folder: Path) -> Folder:
    """Return what lies in a folder.

    Raises:
        OptionsError: it is not a folder.
        UnavailableError: it cannot be read.
    """
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix == ".json")
    except NotADirectoryError as error:
        raise OptionsError(f"reports: {folder} is not a folder") from error
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be read: {error.strerror}.", advice="Run the stages first.") from error
    entries: list[Entry] = []
    unreadable: dict[str, str] = {}
    others: list[str] = []
    said = None
    for name in names:
        path = folder / name
        try:
            if name == _PIPELINE:
                said = _said(path)
            elif stage := _stage(path):
                entries.append(Entry(file=name, published=_published(path, stage)))
            elif name != _NO_REPORT and not name.endswith(ENDING):
                others.append(name)
        except Cd4mlError as error:
            unreadable[path.stem if path.stem in STAGES else name] = f"{error.message.rstrip('.')}."
    known = list(STAGES)
    entries.sort(key=lambda one: (known.index(one.stage) if one.stage in known else len(known), one.file))
    return Folder(entries=entries, unreadable=unreadable, others=others, said=said)


def read(folder: Path, wanted: Sequence[str] = (), *, acting: bool = True) -> tuple[Run, list[str]]:
    """Return the run whose reports lie in a folder, and the names of JSON files there that are no reports.

    Args:
        wanted: stages that had to run.
        acting: whether those among them that act had to run, too: they may be for main alone.

    Raises:
        OptionsError: one of them is not a stage of the pipeline, or nothing is known: no report is there, and of no
            stage it is known that it had to run.
        UnavailableError: the folder cannot be read.
    """
    problems = planned.unknown(wanted)
    if problems:
        raise OptionsError(problems)
    found = look(folder)
    wanted = [name for name in wanted if acting or not STAGES[name].acts]
    if not (found.entries or found.unreadable or wanted):
        raise OptionsError(f"reports: {folder} holds no report", advice="Run the stages first, e.g. with cd4ml run.")
    return planned.settled(found.entries, wanted, found.said, found.unreadable), list(found.others)


def summary(run: Run) -> str:
    """Say in a line what was found in a folder."""
    lost = f" Cannot be read: {', '.join(run.unreadable)}." if run.unreadable else ""
    return f"{plural(len(run.entries), 'report')}, verdict {run.status}.{lost}"


def _published(path: Path, stage: str) -> Published:
    """Return a stage's report.

    Raises:
        Cd4mlError: it cannot be read as such.
    """
    if path.is_symlink():  # no stage writes one: it would be somebody else's, or an earlier run's
        raise OptionsError(f"{path} is a link")
    return reading.read_file(path, stage)


def _stage(path: Path) -> str | None:
    """Return the stage that a file is, or says that it is, the report of; None of JSON that is something else.

    Raises:
        Cd4mlError: it says that it is a report and names no stage, or it cannot be read as JSON.
    """
    if path.stem in STAGES:
        return path.stem  # never another one's, whatever it says
    try:
        document = json.loads(text_file(path, most=reading.LARGEST))
    except FileNotFoundError as error:
        raise UnavailableError(f"{path} leads nowhere.") from error
    except (ValueError, RecursionError) as error:
        raise OptionsError(f"{path} is not JSON, so it could be a damaged report") from error
    if not isinstance(document, dict) or not {"schema_version", "stage"} <= document.keys():
        return None
    if not isinstance(document["stage"], str):
        raise OptionsError(f"{path} is a report that names no stage")
    return document["stage"]


def _said(path: Path) -> dict[str, str]:
    """Return what the pipeline's own report says of each stage.

    Raises:
        Cd4mlError: it is damaged, or names no stage.
    """
    try:
        stages = json.loads(text_file(path, most=reading.LARGEST))["stages"]
        said = {str(one["stage"]): str(one["status"]) for one in stages}
    except FileNotFoundError as error:
        raise UnavailableError(f"{path} leads nowhere.") from error
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise OptionsError(f"{path} is not the report of a pipeline: {error}") from error
    if not said:
        raise OptionsError(f"{path} is not the report of a pipeline: it names no stage")
    return said
