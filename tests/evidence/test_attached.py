"""An image alone carries its verdicts: what is attached to it is verified as reports in a folder are."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.evidence.bundles import BUNDLE_TYPE
from cd4ml.evidence.key_signer import key_signer
from cd4ml.evidence.options import Evidence
from cd4ml.image.referrers import Artifact, attach
from cd4ml.image.registry_api.repository import Repository
from cd4ml.report import Report
from cd4ml.stages.verify_evidence.options import Options
from cd4ml.stages.verify_evidence.run import run
from tests.evidence.keys import pair
from tests.evidence.signed_folder import STAGES, SignedFolder, make
from tests.evidence.test_forged import other_key, reason
from tests.gitops.conftest import MODEL, REQUIRED
from tests.image.registries import registry
from tests.image.test_referrers import image


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """An image in a registry, and the reports of the run that made it."""

    place: Repository
    digest: str
    signed: SignedFolder

    @property
    def name(self) -> str:
        """The image by digest."""
        return f"{self.place.host}/{self.place.path}@{self.digest}"

    def attach(self, *stages: str) -> None:
        """Attach the bundles of stages, as build-image does."""
        contents = [self.signed.bundle(stage).read_bytes() for stage in stages]
        attach(self.place, self.digest, [Artifact(media_type=BUNDLE_TYPE, content=one) for one in contents])

    def verify(self, commit: str | None = None) -> Report:
        """Verify with nothing but the registry and the key."""
        key = str(self.signed.root / "key.pub")
        options = Options(image=self.name, public_key=key, required_stages=REQUIRED, commit=commit)
        return run(options, Context(directory=self.signed.root))


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Pushed]:
    """Return an image whose evidence is not attached yet."""
    keys = pair(tmp_path)
    signed = make(tmp_path, lambda commit: key_signer(keys.private.read_bytes(), None, name="key").sign)
    with registry(tmp_path / "registry") as host:
        place, digest = image(host, tmp_path, "loans")
        made = Pushed(place=place, digest=digest, signed=signed)
        signed.write("build-image", outputs={"image": made.name})
        yield made


def test_an_image_carries_its_verdicts(pushed: Pushed) -> None:
    """Without any report at hand, what is attached tells commit, model and every verdict, whatever else is."""
    pushed.attach(*STAGES)
    attach(pushed.place, pushed.digest, [Artifact(media_type="text/plain", content=b"a note")])
    found = pushed.verify()
    assert found.status == "passed", reason(found)
    assert found.outputs == {"image": pushed.name, "commit": pushed.signed.commit}
    assert found.candidate is not None and found.candidate.sha256 == MODEL


def test_an_image_without_a_verdict_is_refused(pushed: Pushed) -> None:
    """A stage whose statement is not attached, or is signed by somebody else, is named."""
    pushed.attach(*[stage for stage in STAGES if stage != "audit-fairness"])
    assert reason(pushed.verify()) == {(":audit-fairness", "missing")}
    pushed.signed.signed("audit-fairness", by=other_key)
    pushed.attach("audit-fairness")
    assert reason(pushed.verify()) == {(":audit-fairness", "wrong-key")}
    assert pushed.verify(commit="3" * 40).status == "failed"


def test_statements_that_contradict_each_other_are_refused(pushed: Pushed) -> None:
    """Of two signed verdicts on one commit, that failed and that passed, nobody picks the one he likes."""
    pushed.attach(*STAGES)
    failed = [{"id": "x", "status": "failed", "message": "No."}]
    pushed.signed.write("evaluate-model", status="failed", checks=failed)
    pushed.attach("evaluate-model")
    assert (":evaluate-model", "contradicting") in reason(pushed.verify())


def test_of_two_passes_the_latest_counts_and_of_two_commits_one_is_named(pushed: Pushed) -> None:
    """A stage that ran again adds its statement; of two commits that gave an image, the named one is verified."""
    pushed.attach(*STAGES)
    pushed.signed.signed("check-code", at=datetime.timedelta(seconds=2))
    pushed.attach("check-code")
    assert pushed.verify().status == "passed"
    other = replace(pushed.signed, commit="4" * 40)
    other.write("build-image", outputs={"image": pushed.name})
    pushed.attach("build-image")
    assert (":build-image", "contradicting") in reason(pushed.verify())
    assert pushed.verify(commit=pushed.signed.commit).status == "passed"


def test_a_refused_report_that_nobody_demands_is_named(tmp_path: Path) -> None:
    """An unsigned check-split beside signed reports blocks nothing, counts for nothing, and is not passed over."""
    keys = pair(tmp_path)
    signed = make(tmp_path, lambda commit: key_signer(keys.private.read_bytes(), None, name="key").sign)
    signed.write("check-split")
    signed.bundle("check-split").unlink()
    options = Options(reports=str(signed.folder), public_key=str(keys.public), required_stages=REQUIRED)
    found = run(options, Context(directory=tmp_path))
    (said,) = [check for check in found.checks if check.id == "evidence:check-split"]
    assert (found.status, said.reason) == ("passed", "unsigned") and "counts for nothing" in said.message
    demanded = replace(options, required_stages=(*REQUIRED, "check-split"))
    assert reason(run(demanded, Context(directory=tmp_path))) == {(":check-split", "unsigned")}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "either reports or image"),
        ({"reports": "reports", "image": "a.io/x@sha256:" + "a" * 64}, "either reports or image"),
        ({"image": "a.io/x@sha256:" + "a" * 64}, "only if it is signed"),
        ({"image": "a.io/x:1", "public_key": "key.pub"}, "by digest"),
        ({"reports": "r", "evidence": Evidence.SIGNED}, "needs public-key"),
        ({"reports": "r", "evidence": Evidence.IDENTITY}, "needs certificate-identity"),
        ({"reports": "r", "certificate_identity": "https://a"}, "needs certificate-github-workflow-repository"),
        ({"reports": "r", "evidence": Evidence.UNSIGNED, "public_key": "k"}, "public-key decides nothing"),
        ({"reports": "r", "maximum_evidence_age": 3.0}, "maximum-evidence-age decides nothing"),
        ({"reports": "r", "public_key": "k", "maximum_evidence_age": 0.0}, "greater than 0"),
        ({"reports": "r", "public_key": "k", "maximum_evidence_age": 1e12}, "at most 36500 days"),
        ({"reports": "r", "commit": "main"}, "commit: give it in full"),
        ({"reports": "r", "commit": "ccccccc"}, "commit: give it in full"),
        ({"reports": "r", "required_stages": ("check-code",)}, "must include build-image"),
    ],
)
def test_what_decides_nothing_is_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    """Options that contradict each other, or that demand nothing, are refused before anything is read."""
    options = Options(**{"required_stages": REQUIRED, **changes})  # type: ignore[arg-type]
    with pytest.raises(OptionsError, match=words):
        run(options, Context(directory=tmp_path))
