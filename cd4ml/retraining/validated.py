"""What a report of validate-data says of the tables that a search rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cd4ml.reading import missing_file
from cd4ml.report import Status
from cd4ml.report.reading import read_file

STAGE: Final = "validate-data"


def validated(path: Path) -> tuple[bool, list[str | None]]:
    """Return whether validate-data passed, and the digests of the tables that it read.

    Raises:
        UnavailableError: there is no report.
        OptionsError: it is none of validate-data.
    """
    try:
        report = read_file(path, STAGE).report
    except FileNotFoundError as error:
        raise missing_file(path) from error
    return report.status is Status.PASSED, [one.sha256 for one in report.inputs]
