"""Reports as the signed statements say that are attached to an image: the image alone carries its verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cd4ml.evidence.proof import Proof, Refused
from cd4ml.evidence.reports import BUILD
from cd4ml.evidence.result import Claim
from cd4ml.report import Published

# Statements of other kinds, such as bills of materials, are attached as well.
_OTHERS = ("wrong-predicate",)


@dataclass(frozen=True, kw_only=True)
class AttachedReports:
    """What trusted statements say of each stage.

    Attributes:
        image: its digest, without the algorithm.
        said: every statement that counts.
        refused: why the others do not.
        commit: the only one whose statements are looked at; None takes the one that the image was built from.
    """

    image: str
    said: tuple[Claim, ...]
    refused: tuple[Refused, ...]
    commit: str | None
    claims: dict[str, Claim] = field(default_factory=dict)

    @classmethod
    def of(cls, image: str, bundles: Iterable[bytes], proof: Proof, commit: str | None) -> AttachedReports:
        """Verify what is attached to an image."""
        found = [proof.claim(bundle) for bundle in bundles]
        return cls(
            image=image,
            said=tuple(one for one in found if isinstance(one, Claim)),
            refused=tuple(one for one in found if isinstance(one, Refused) and one.reason not in _OTHERS),
            commit=commit,
        )

    @property
    def built_from(self) -> str | None:
        """The commit that the evidence must be about, None if it is not known, or if there are several."""
        builds = [one for one in self.said if one.published.report.stage == BUILD and self.image in one.subjects]
        commits = {one.published.source.git_sha for one in builds}
        return self.commit or (commits.pop() if len(commits) == 1 else None)

    def find(self, stage: str) -> Published | Refused | None:
        """See Reports."""
        said = [one for one in self.said if one.published.report.stage == stage]
        if stage == BUILD:
            said = [one for one in said if self.image in one.subjects]
        commit = self.built_from
        here = [one for one in said if one.published.source.git_sha == commit]
        if len({str(one.published.report.status) for one in here}) > 1:
            return Refused("contradicting", f"signed statements about {stage} contradict each other")
        if said and not here and commit is None:
            return Refused("contradicting", "the image was built from several commits; name the one that is meant")
        latest = max(here or said, key=lambda one: one.at, default=None)
        if latest is None:
            return None
        self.claims[stage] = latest
        return latest.published

    def need(self, stage: str) -> Published | Refused:
        """See Reports."""
        found = self.find(stage)
        if found is not None:
            return found
        if self.refused:
            return Refused(
                self.refused[0].reason, f"no statement about it counts; of one that is attached: {self.refused[0]}"
            )
        return Refused("missing", "no signed statement about it is attached to the image")
