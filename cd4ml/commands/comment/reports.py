"""What a run left, for the comment: in a folder, or as artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cd4ml.commands.folder import look
from cd4ml.commands.planned import went_through
from cd4ml.report import Published
from cd4ml.stages import PIPELINE


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run left.

    Attributes:
        reports: by stage; of a report that has not its stage's name, by both names.
        unreadable: reports that are there and cannot be read, by stage or file, and why.
        planned: stages that the pipeline's own report names.
    """

    reports: Mapping[str, Published] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    planned: Sequence[str] = ()


def of_folder(folder: str) -> Found:
    """Return the reports in a folder; one that is not there holds none.

    Raises:
        Cd4mlError: the folder cannot be read.
    """
    if not Path(folder).exists():
        return Found()
    left = look(Path(folder))
    return Found(
        reports={entry.name: entry.published for entry in left.entries},
        unreadable=left.unreadable,
        planned=[stage for stage in went_through(left.said) if stage in PIPELINE],
    )
