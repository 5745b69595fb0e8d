"""What verify-evidence can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.evidence.options import EvidenceOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.stages import REQUIRED

EXAMPLE: Final = "--reports reports --evidence signed --public-key key.pub"
OUTPUTS: Final[dict[str, str]] = {
    "image": "The image that the evidence is about, by digest.",
    "commit": "The commit that the evidence is about.",
}


@dataclass(frozen=True, kw_only=True)
class Options(EvidenceOptions):
    """Options of verify-evidence."""

    reports: str | None = vocabulary.REPORTS.here("They are verified, with the bundles beside them.")
    image: str | None = vocabulary.IMAGE.here("By digest; what is attached to it in its registry is verified.")
    commit: str | None = option(
        "The commit that the evidence must be about, in full; by default the one that is checked out or, for an image, "
        "the one that it was built from.",
        group=Group.INPUT,
    )
    required_stages: tuple[str, ...] = vocabulary.REQUIRED_STAGES.here(default=REQUIRED)
