"""What advance-rollout can be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cd4ml.evidence.options import EvidenceOptions
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.inputs.vocabulary import CommitWith, WriteBack

EXAMPLE: Final = (
    "--repository ../gitops.git --manifest credit/values.yaml --rollout-report reports/analyze-rollout.json"
)
OUTPUTS: Final[dict[str, str]] = {
    "action": "What was done: `advanced`, `promoted` or `rolled-back`; `waits`, `held` or `ready` if nothing was; "
    "`none` if there is nothing to do.",
    "canary": "The canary's image by digest, as this run found it; empty if there is none.",
    "model": "SHA-256 of the canary's model, as the commit that deployed it says.",
    "weight": "The canary's weight afterwards, in percent.",
    "since": "When its step began (RFC 3339), as this run found it.",
    "commit": "The commit in the GitOps repository; empty if nothing was changed.",
}


class OnTimeout(StrEnum):
    """What becomes of a canary on which the analysis cannot decide."""

    FAIL = "fail"
    ROLLBACK = "rollback"


@dataclass(frozen=True, kw_only=True)
class Options(EvidenceOptions):
    """Options of advance-rollout."""

    repository: str = vocabulary.REPOSITORY.here(required=True)
    branch: str = vocabulary.BRANCH.here(default="main")
    manifest: str = vocabulary.MANIFEST.here(required=True)
    manifest_path: str | None = vocabulary.MANIFEST_PATH.here()
    commit_with: CommitWith = vocabulary.COMMIT_WITH.here(default=CommitWith.GIT)
    commit_message: str | None = vocabulary.COMMIT_MESSAGE.here()
    sign_off: bool = vocabulary.SIGN_OFF.here(default=False)
    rollout_report: str = option(
        "The report of analyze-rollout on the canary, with its bundle beside it where evidence must be signed.",
        default="reports/analyze-rollout.json",
        group=Group.INPUT,
    )
    look: bool = option(
        "Only say which canary runs, and since when; no report is read and nothing is changed.",
        default=False,
        in_config=False,
        group=Group.INPUT,
    )
    steps: tuple[str, ...] = option(
        "Weights in percent, ascending. 100 makes the canary the stable image; where it is left out, a person does "
        "(promote-model).",
        default=("1", "5", "10", "50", "100"),
        group=Group.DELIVERY,
    )
    minimum_minutes: float = option(
        "How long each step lasts at least, from its commit until the analysis.", default=10.0, group=Group.LIMITS
    )
    maximum_minutes: float = option(
        "How long a step may last without a verdict of the analysis.", default=1440.0, group=Group.LIMITS
    )
    on_timeout: OnTimeout = option(
        "What a step without a verdict leads to: `fail` leaves the canary to a person, `rollback` rolls it back.",
        default=OnTimeout.FAIL,
        group=Group.DECISION,
    )
    report_minutes: float = option(
        "How old the report may be; an older one decides nothing.", default=30.0, group=Group.LIMITS
    )
    resume: bool = option(
        "Go on from what a person has set; without it, a change by hand ends the automation.",
        default=False,
        in_config=False,
        group=Group.DECISION,
    )
    registered_model: str | None = vocabulary.REGISTERED_MODEL.here()
    alias: str = vocabulary.ALIAS.here(default="champion")
    tracking_uri: str | None = vocabulary.TRACKING_URI.here()

    @property
    def write_back(self) -> WriteBack:
        """A step is pushed: a pull request would leave it to a person when it is taken."""
        return WriteBack.PUSH
