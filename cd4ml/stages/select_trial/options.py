"""What select-trial can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.inputs import options as declaration
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option

EXAMPLE: Final = "--search-plan search/plan.json --journals search"
OUTPUTS: Final[dict[str, str]] = {
    "selected": "Path of the file with the selected parameters; empty where none were.",
    "selected-sha256": "Digest of the file with the selected parameters.",
    "search-sha256": "Digest of the journals of all jobs: the log of the search.",
}


@dataclass(frozen=True, kw_only=True)
class Options(declaration.Options):
    """Options of select-trial."""

    search_plan: str = vocabulary.SEARCH_PLAN.here(default="search/plan.json")
    journals: str = vocabulary.JOURNALS.here("They are also written there as one, `search.log`.", default="search")
    score_tolerance: float = option(
        "Largest difference between two scores of the same parameters on the same rows.",
        default=1e-6,
        group=Group.LIMITS,
    )
    selected: str = vocabulary.SELECTED.here("Where they are written.", default="search/selected.json")
