"""What promote-model can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.evidence.options import EvidenceOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.inputs.vocabulary import CommitWith, WriteBack
from cd4ml.stages import REQUIRED

EXAMPLE: Final = "--repository ../gitops.git --manifest credit/values.yaml --registered-model credit --version 7"
OUTPUTS: Final[dict[str, str]] = {
    "image": "The stable image afterwards.",
    "commit": "The commit in the GitOps repository; empty if there was nothing to change.",
    "pull-request": "Address of the pull request that asks for the change; empty if none does.",
    "version": "The version that the alias points at afterwards; empty if it was not moved.",
}


@dataclass(frozen=True, kw_only=True)
class Options(EvidenceOptions):
    """Options of promote-model."""

    repository: str = vocabulary.REPOSITORY.here(required=True)
    branch: str = vocabulary.BRANCH.here(default="main")
    manifest: str = vocabulary.MANIFEST.here(required=True)
    manifest_path: str | None = vocabulary.MANIFEST_PATH.here()
    write_back: WriteBack = vocabulary.WRITE_BACK.here(default=WriteBack.PUSH)
    commit_with: CommitWith = vocabulary.COMMIT_WITH.here(default=CommitWith.GIT)
    commit_message: str | None = vocabulary.COMMIT_MESSAGE.here()
    sign_off: bool = vocabulary.SIGN_OFF.here(default=False)
    image: str | None = vocabulary.IMAGE.here(
        "The one that was approved, by digest; any other canary is refused. With rollback: the one to roll back."
    )
    registered_model: str | None = vocabulary.REGISTERED_MODEL.here()
    version: str | None = option(
        "Version to promote; its files must be the ones in the canary's image.", example="7", group=Group.MODEL
    )
    alias: str = vocabulary.ALIAS.here(default="champion")
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    reports: str | None = vocabulary.REPORTS.here("Those that the canary was deployed on, to verify them once more.")
    required_stages: tuple[str, ...] = vocabulary.REQUIRED_STAGES.here(
        "Only where reports are given.", default=REQUIRED
    )
    rollback: bool = option(
        "Roll back the canary if one is running, otherwise the last promotion.", default=False, group=Group.DELIVERY
    )
