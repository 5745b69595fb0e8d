"""The reports that the stages of a run left in a folder. One that cannot be read is told from one that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.report import Published, Report
from cd4ml.report.reading import read_file

VALIDATION: Final = "validate-data"
SPLIT: Final = "check-split"
SCORING: Final = "score-model"
EVALUATION: Final = "evaluate-model"
BUILD: Final = "build-image"
# Their tables are those that the model was made of and is judged on; what later stages read is made of these.
_READERS: Final = frozenset({VALIDATION, SPLIT, SCORING})


def report_in(folder: Path, stage: str) -> Published | str | None:
    """Return a stage's report, why it cannot be taken as one, or None if there is none."""
    return report_at(folder / f"{stage}.json", stage)


def report_at(path: Path, stage: str) -> Published | str | None:
    """Return a stage's report in a file, why it cannot be taken as one, or None if there is none."""
    if path.is_symlink():  # no stage writes one: it would be somebody else's, or an earlier run's
        return f"{path} is a link"
    try:
        return read_file(path, stage)
    except FileNotFoundError:
        return None
    except (OptionsError, UnavailableError) as error:
        return error.message


def absent(path: Path) -> str:
    """Say that there is no report."""
    return f"{path} does not exist: the stage did not run, or its report was not passed on"


def tables(reports: Iterable[Report]) -> Iterator[tuple[str, str]]:
    """Yield path and digest of each table that the stages before the evaluation read."""
    for report in reports:
        if report.stage in _READERS:
            yield from ((one.path or one.name, one.sha256) for one in report.inputs)
