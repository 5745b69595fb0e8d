"""The parameters that a search selected: a file that is there only if everything about the search was in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cd4ml.errors import OptionsError
from cd4ml.reading import missing_file, text_file
from cd4ml.search.space import Value
from cd4ml.writing import write_atomically


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was selected.

    Attributes:
        plan: digest of the plan.
        search: digest of the journals.
        job, number: of the trial.
        cross_validated, nested: as of `Selected`.
    """

    plan: str
    search: str
    job: int
    number: int
    parameters: Mapping[str, Value]
    cross_validated: float
    nested: float


def write(selection: Selection, path: Path) -> None:
    """Write a selection.

    Raises:
        UnavailableError: it cannot be written.
    """
    write_atomically(path, json.dumps(asdict(selection), indent=2, sort_keys=True, allow_nan=False) + "\n")


def read(path: Path, plan: str) -> Selection:
    """Read the selection of a plan.

    Raises:
        UnavailableError: there is none.
        OptionsError: it is none, or of another plan.
    """
    try:
        document: Any = json.loads(text_file(path))
        selection = Selection(**document)
    except FileNotFoundError as error:
        raise missing_file(path) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise OptionsError(f"{path} is not a selection of select-trial", advice="Run select-trial again.") from error
    if selection.plan != plan or not isinstance(selection.parameters, dict):
        raise OptionsError(f"{path} is the selection of another plan", advice="Run select-trial on this plan.")
    return selection


def is_selection(path: Path) -> bool:
    """Whether a file is a selection of an earlier run."""
    try:
        return set(json.loads(path.read_bytes())) == set(Selection.__dataclass_fields__)
    except (OSError, ValueError, TypeError, RecursionError):
        return False
