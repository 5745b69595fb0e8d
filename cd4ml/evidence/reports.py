"""The reports that the stages of a run left in a folder. One that cannot be read is told from one that is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.report import Published
from cd4ml.report.reading import read_file

SPLIT: Final = "check-split"
SCORING: Final = "score-model"
EVALUATION: Final = "evaluate-model"
BUILD: Final = "build-image"


def report_in(folder: Path, stage: str) -> Published | str | None:
    """Return a stage's report, why it cannot be taken as one, or None if there is none."""
    return report_at(folder / f"{stage}.json", stage)


def required_in(folder: Path, stage: str) -> Published | str:
    """Return a stage's report, or why there is none that counts."""
    return report_in(folder, stage) or absent(folder / f"{stage}.json")


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
