"""What deploy-model can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cd4ml.evidence.options import EvidenceOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.inputs.vocabulary import CommitWith, WriteBack
from cd4ml.stages import REQUIRED

EXAMPLE: Final = "--repository ../gitops.git --manifest credit/values.yaml --canary-weight 10"
OUTPUTS: Final[dict[str, str]] = {
    "image": "The image that is deployed, by digest.",
    "commit": "The commit in the GitOps repository; empty if there was nothing to change.",
    "pull-request": "Address of the pull request that asks for the change; empty if none does.",
    "manifest-changed": "`true` if a commit was pushed, `false` if the manifest needed no change.",
}


@dataclass(frozen=True, kw_only=True)
class Options(EvidenceOptions):
    """Options of deploy-model."""

    repository: str = vocabulary.REPOSITORY.here(required=True)
    branch: str = vocabulary.BRANCH.here(default="main")
    manifest: str = vocabulary.MANIFEST.here(required=True)
    manifest_path: str | None = vocabulary.MANIFEST_PATH.here()
    after_manifest: str | None = option(
        "Manifest of the environment before this one, on the same branch; only this image may get traffic there.",
        example="staging/values.yaml",
        group=Group.DELIVERY,
    )
    write_back: WriteBack = vocabulary.WRITE_BACK.here(default=WriteBack.PUSH)
    commit_with: CommitWith = vocabulary.COMMIT_WITH.here(default=CommitWith.GIT)
    commit_message: str | None = vocabulary.COMMIT_MESSAGE.here()
    sign_off: bool = vocabulary.SIGN_OFF.here(default=False)
    image: str | None = vocabulary.IMAGE.here("By digest; by default the one in build-image's report.")
    canary_weight: int = option(
        "Share of traffic in percent for the new image; a Rollout or Flagger's Canary follows its own steps.",
        default=10,
        group=Group.DELIVERY,
    )
    reports: str = vocabulary.REPORTS.here("They are the evidence that is verified.", default="reports")
    required_stages: tuple[str, ...] = vocabulary.REQUIRED_STAGES.here(default=REQUIRED)
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()
    allow_code: bool = vocabulary.ALLOW_CODE.here("Needed where build-image needed it.", default=False)
    redeploy: bool = option(
        "Deploy even if a newer commit's image is deployed, or this image was rolled back.",
        default=False,
        group=Group.DELIVERY,
    )
