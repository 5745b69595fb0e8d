"""What run-trial can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--search-plan search/plan.json --job 0"
OUTPUTS: Final[dict[str, str]] = {
    "journal": "Path of the job's journal.",
    "journal-sha256": "Digest of the job's journal.",
    "trials": "Number of trials that have scores.",
}


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of run-trial."""

    search_plan: str = vocabulary.SEARCH_PLAN.here(default="search/plan.json")
    job: int = option(
        "Number of this job, from 0: `matrix.job` in a workflow.", required=True, example="0", group=Group.INPUT
    )
    journals: str = vocabulary.JOURNALS.here("The job's own is written there.", default="search")
