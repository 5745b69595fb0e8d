"""The reports in a folder, and what is known of those that are missing or damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cd4ml.errors import Cd4mlError
from cd4ml.reading import text_file
from cd4ml.report import Published, Status
from cd4ml.report.reading import read_file
from cd4ml.stages import PIPELINE, STAGES

_PIPELINE: Final = "pipeline.json"


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run left.

    Attributes:
        reports: by stage.
        unreadable: stages whose report is there and cannot be read, and why.
        planned: stages that the pipeline's own report names.
    """

    reports: Mapping[str, Published] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    planned: Sequence[str] = ()


def of_folder(folder: str) -> Found:
    """Return the reports in a folder; one that is not there holds none."""
    reports: dict[str, Published] = {}
    unreadable: dict[str, str] = {}
    for stage in STAGES:
        try:
            reports[stage] = read_file(Path(folder) / f"{stage}.json", stage)
        except FileNotFoundError:
            continue
        except Cd4mlError as error:
            unreadable[stage] = error.message
    return Found(reports=reports, unreadable=unreadable, planned=_planned(Path(folder) / _PIPELINE))


def _planned(path: Path) -> list[str]:
    """Return the stages that `cd4ml run` had to run; none where it did not run, or its report is damaged."""
    try:
        said = {str(one["stage"]): str(one["status"]) for one in json.loads(text_file(path))["stages"]}
    except (FileNotFoundError, Cd4mlError, ValueError, RecursionError, KeyError, TypeError):
        return []
    return [stage for stage, status in said.items() if stage in PIPELINE and status != Status.SKIPPED]
