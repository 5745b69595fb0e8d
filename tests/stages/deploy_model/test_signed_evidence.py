"""deploy-model deploys on evidence that is signed as it demands, and says plainly where none need be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.evidence.key_signer import key_signer
from tests.conftest import Run
from tests.evidence.keys import pair
from tests.evidence.signed_folder import SignedFolder, make
from tests.evidence.test_forged import other_key
from tests.gitops.conftest import GitOps


@pytest.fixture
def signed(tmp_path: Path) -> SignedFolder:
    """Return reports that a key has signed."""
    keys = pair(tmp_path)
    return make(tmp_path, lambda commit: key_signer(keys.private.read_bytes(), None, name="key").sign)


def test_who_can_write_a_report_cannot_deploy(signed: SignedFolder, gitops: GitOps, cd4ml: Callable[..., Run]) -> None:
    """Signed evidence lands; a report written by hand, signed by nobody or by somebody else, changes nothing."""
    head = gitops.head()
    target = ("--repository", str(gitops.bare), "--manifest", "credit/values.yaml", "--public-key", "key.pub")
    signed.bundle("evaluate-model").unlink()
    assert cd4ml("deploy-model", *target).code == 1
    signed.signed("evaluate-model", by=other_key)
    run = cd4ml("deploy-model", *target)
    assert (run.code, gitops.head()) == (1, head) and "signed it, not key" in run.report["summary"]
    signed.signed("evaluate-model")
    run = cd4ml("deploy-model", *target)
    [said] = [check for check in run.report["checks"] if check["id"] == "evidence-signatures"]
    assert run.code == 0 and gitops.head() != head and "6 reports are signed by key " in said["message"]


def test_unsigned_evidence_is_called_so(signed: SignedFolder, gitops: GitOps, cd4ml: Callable[..., Run]) -> None:
    """Where nothing is demanded, signatures are not looked at, and the report says that anybody could have made it."""
    run = cd4ml("deploy-model", "--repository", str(gitops.bare), "--manifest", "credit/values.yaml")
    [said] = [check for check in run.report["checks"] if check["id"] == "evidence-signatures"]
    assert run.code == 0 and said["reason"] == "unsigned" and "The evidence is unsigned" in said["message"]


def test_promotion_demands_reports_with_its_evidence(
    signed: SignedFolder, gitops: GitOps, cd4ml: Callable[..., Run]
) -> None:
    """A promotion that demands signatures and names no reports is refused: it would verify nothing."""
    target = ("--repository", str(gitops.bare), "--manifest", "credit/values.yaml")
    run = cd4ml("promote-model", *target, "--public-key", "key.pub")
    assert run.code == 2 and "no reports are given" in run.report["summary"]
