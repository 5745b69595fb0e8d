"""Forged, stale, foreign, unsigned and tampered evidence is refused, each kind for its own reason."""

from __future__ import annotations

import base64
import datetime
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from cd4ml.context import Context
from cd4ml.evidence.key_signer import key_signer
from cd4ml.evidence.statement import Resource, Statement
from cd4ml.report import Report
from cd4ml.stages.verify_evidence.options import Options
from cd4ml.stages.verify_evidence.run import run
from tests.evidence.keys import key_of, pair, pem
from tests.evidence.signed_folder import SignedFolder, make, predicate
from tests.evidence.sigstore_lab import ISSUER, REPOSITORY, WORKFLOW, Sigstore
from tests.gitops.conftest import REQUIRED

Forge = Callable[[SignedFolder], object]
EVALUATION: Final = "evaluate-model"
TABLE: Final = "predictions-table"
OTHERS: Final = "signatures"


@pytest.fixture
def by_key(tmp_path: Path) -> SignedFolder:
    """Return reports that a key has signed."""
    keys = pair(tmp_path)
    return make(tmp_path, lambda commit: key_signer(keys.private.read_bytes(), None, name="key").sign)


@pytest.fixture
def by_workflow(tmp_path: Path) -> SignedFolder:
    """Return reports that a workflow has signed as itself."""
    lab = Sigstore()
    lab.trusted_root(tmp_path / "root.json")
    return make(tmp_path, lambda commit: lambda statement: lab.signed(statement, commit=commit))


def options(**more: Any) -> Options:
    """Return options as they are resolved."""
    return Options(required_stages=REQUIRED, certificate_oidc_issuer=ISSUER, **more)


def with_key(signed: SignedFolder, **more: Any) -> Report:
    """Verify with the key."""
    found = options(reports=str(signed.folder), public_key=str(signed.root / "key.pub"), **more)
    return run(found, Context(directory=signed.root))


def with_identity(signed: SignedFolder) -> Report:
    """Verify with the workflow's identity."""
    found = options(
        reports=str(signed.folder),
        certificate_identity=WORKFLOW,
        certificate_github_workflow_repository=REPOSITORY,
        trusted_root=str(signed.root / "root.json"),
    )
    return run(found, Context(directory=signed.root))


def reason(report: Report) -> set[tuple[str, str | None]]:
    """Return what did not pass, and why."""
    return {(check.id.removeprefix("evidence"), check.reason) for check in report.checks if check.status != "passed"}


def other_key(statement: Statement) -> bytes:
    """Sign with a key of one's own."""
    return key_signer(pem(key_of("ecdsa")), None, name="key").sign(statement)


def _envelope(change: Callable[[dict[str, Any]], object]) -> Forge:
    return lambda s: s.edit(s.bundle(EVALUATION), lambda document: change(document["dsseEnvelope"]))


def _flipped(envelope: dict[str, Any]) -> None:
    payload = base64.b64decode(envelope["payload"]).replace(b'"FAILED"', b'"PASSED"').replace(b"0", b"1")
    envelope["payload"] = base64.b64encode(payload).decode()


def _own_hint(signed: SignedFolder) -> None:
    hint = json.loads(signed.bundle(EVALUATION).read_bytes())["verificationMaterial"]
    signed.signed(EVALUATION, by=other_key)
    signed.edit(signed.bundle(EVALUATION), lambda document: document.update(verificationMaterial=hint))


def _passed_by_hand(signed: SignedFolder) -> None:
    signed.write(EVALUATION, status="failed", checks=[{"id": "x", "status": "failed", "message": "Too low."}])
    passed = {"status": "passed", "checks": [{"id": "x", "status": "passed", "message": "Fine."}]}
    signed.edit(signed.report(EVALUATION), lambda document: document.update(passed))


def _replayed(signed: SignedFolder) -> None:
    """An honest pass of an earlier commit, with its own honest signature, in the place of today's."""
    replace(signed, commit="1" * 40).write(EVALUATION)


def _link(path: Path) -> None:
    moved = path.with_name("moved")
    path.rename(moved)
    path.symlink_to(moved)


def _typed(payload_type: str) -> Forge:
    return _envelope(lambda envelope: envelope.update(payloadType=payload_type))


def _failed(status: str) -> Forge:
    checks = [{"id": "x", "status": status, "message": "No."}]
    return lambda s: s.write(EVALUATION, status=status, checks=checks)


def _other_subject(statement: Statement) -> Statement:
    return replace(statement, subjects=(Resource(name="model", digest={"sha256": "9" * 64}),))


def _source(**changes: Any) -> Forge:
    """Sign a statement whose commit has fields of another kind."""

    def change(statement: Statement) -> Statement:
        configuration = [item | (changes if item["name"] == "source" else {}) for item in _items(statement)]
        return predicate(configuration=configuration)(statement)

    return lambda s: s.signed(EVALUATION, change=change)


def _items(statement: Statement) -> list[dict[str, Any]]:
    return list(statement.predicate["configuration"])


def _other_table(signed: SignedFolder) -> None:
    table = {"name": "predictions", "path": "predictions.parquet", "sha256": "8" * 64, "rows": 9}
    signed.write(EVALUATION, inputs=[table], options={"predictions": "predictions.parquet"})


_OTHER_MODEL: Final = {"uri": "models:/credit/2", "sha256": "9" * 64}

FORGED: Final[dict[str, tuple[Forge, str, str]]] = {
    "no bundle": (lambda s: s.bundle(EVALUATION).unlink(), EVALUATION, "unsigned"),
    "a link for a bundle": (lambda s: _link(s.bundle(EVALUATION)), EVALUATION, "unsigned"),
    "no report": (lambda s: s.report(EVALUATION).unlink(), EVALUATION, "missing"),
    "a link for a report": (lambda s: _link(s.report(EVALUATION)), EVALUATION, "unreadable"),
    "a number changed in the report": (
        lambda s: s.edit(s.report(EVALUATION), lambda d: d.update(metrics={"accuracy": 0.99})),
        EVALUATION,
        "changed-report",
    ),
    "a failed report made to pass": (_passed_by_hand, EVALUATION, "changed-report"),
    "the statement changed": (_envelope(_flipped), EVALUATION, "invalid-signature"),
    "no signature": (_envelope(lambda e: e.update(signatures=[])), EVALUATION, "invalid-signature"),
    "the signature of another statement": (
        _envelope(lambda e: e.update(signatures=[{"sig": base64.b64encode(b"0" * 70).decode()}])),
        EVALUATION,
        "invalid-signature",
    ),
    "another key": (lambda s: s.signed(EVALUATION, by=other_key), EVALUATION, "wrong-key"),
    "another key under our key's name": (_own_hint, EVALUATION, "invalid-signature"),
    "half a bundle": (
        lambda s: s.bundle(EVALUATION).write_bytes(s.bundle(EVALUATION).read_bytes()[:300]),
        EVALUATION,
        "not-a-bundle",
    ),
    "another kind of payload": (_typed("application/json"), EVALUATION, "not-a-bundle"),
    "another stage's bundle": (
        lambda s: shutil.copy(s.bundle("audit-fairness"), s.bundle(EVALUATION)),
        EVALUATION,
        "other-stage",
    ),
    "an earlier commit's evidence": (_replayed, EVALUATION, "foreign-commit"),
    "another model's evidence": (lambda s: s.write(EVALUATION, candidate=_OTHER_MODEL), EVALUATION, "foreign-model"),
    "no model": (lambda s: s.write(EVALUATION, candidate=None), EVALUATION, "unknown-model"),
    "another kind of statement": (
        lambda s: s.signed(
            EVALUATION, change=lambda one: replace(one, predicate_type="https://slsa.dev/provenance/v1")
        ),
        EVALUATION,
        "wrong-predicate",
    ),
    "a statement that contradicts itself": (
        lambda s: s.signed(EVALUATION, change=predicate(failedTests=["minimum:accuracy"])),
        EVALUATION,
        "wrong-predicate",
    ),
    "a statement about another model": (
        lambda s: s.signed(EVALUATION, change=_other_subject),
        EVALUATION,
        "other-subject",
    ),
    "a failed verdict": (_failed("failed"), EVALUATION, "not-passed"),
    "an inconclusive verdict": (_failed("inconclusive"), EVALUATION, "not-passed"),
    "too old": (lambda s: s.signed(EVALUATION, at=datetime.timedelta(days=-8)), EVALUATION, "stale"),
    "from the future": (lambda s: s.signed(EVALUATION, at=datetime.timedelta(hours=1)), EVALUATION, "in-the-future"),
    "files that were not committed": (
        lambda s: s.write("check-code", source={"git_sha": s.commit, "modified": ["train.py"]}),
        "check-code",
        "modified",
    ),
    "another configuration": (lambda s: s.signed(EVALUATION, config="d"), OTHERS, "other-configuration"),
    "no configuration": (lambda s: s.signed(EVALUATION, config=None), OTHERS, "other-configuration"),
    "changed files that are no list": (_source(annotations={"modified": 1}), EVALUATION, "wrong-predicate"),
    "a commit that is no text": (_source(digest={"gitCommit": 1}), EVALUATION, "wrong-predicate"),
    "a table that score-model did not write": (_other_table, TABLE, "predictions-changed"),
    "a workflow's signature in a key's place": (
        lambda s: s.signed(EVALUATION, by=lambda one: Sigstore().signed(one, commit=s.commit)),
        EVALUATION,
        "wrong-key",
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_evidence_is_refused(by_key: SignedFolder, kind: str) -> None:
    """A report that is not what the key signed for this commit and model blocks, and is named with its reason."""
    forge, stage, expected = FORGED[kind]
    forge(by_key)
    found = with_key(by_key, maximum_evidence_age=7.0)
    named = f"-{stage}" if stage == OTHERS else f":{stage}"
    assert found.status == "failed" and (named, expected) in reason(found), reason(found)


def test_true_evidence_is_accepted(by_workflow: SignedFolder) -> None:
    """What a workflow signed as itself for this commit and model passes, and the report says who."""
    found = with_identity(by_workflow)
    assert found.status == "passed", reason(found)
    assert found.details["signer"] == f"{WORKFLOW} in {REPOSITORY}" and len(found.details["signed"]) == 6


def test_true_evidence_of_a_key_is_accepted(by_key: SignedFolder) -> None:
    """The good control of the forged kinds: nothing is refused where nothing is forged."""
    found = with_key(by_key, maximum_evidence_age=7.0)
    assert found.status == "passed" and found.details["signer"].startswith("key "), reason(found)


def _as(**other: str) -> Forge:
    """Sign in the same Sigstore as somebody else."""

    def forge(signed: SignedFolder) -> None:
        lab = _labs[-1]
        signed.signed(EVALUATION, by=lambda one: lab.signed(one, **{"commit": signed.commit, **other}))

    return forge


_labs: list[Sigstore] = []


def _logged(change: Callable[[dict[str, Any]], object]) -> Forge:
    return lambda s: s.edit(
        s.bundle(EVALUATION), lambda document: change(document["verificationMaterial"]["tlogEntries"][0])
    )


def _other_entry(signed: SignedFolder) -> None:
    other = json.loads(signed.bundle("audit-fairness").read_bytes())["verificationMaterial"]["tlogEntries"]
    signed.edit(signed.bundle(EVALUATION), lambda d: d["verificationMaterial"].update(tlogEntries=other))


IMPOSTORS: Final[dict[str, tuple[Forge, str]]] = {
    "another workflow": (_as(workflow=WORKFLOW.replace("pipeline", "other")), "wrong-identity"),
    "another ref of the workflow": (_as(workflow=WORKFLOW.replace("tags/v1", "heads/mine")), "wrong-identity"),
    "the workflow in another repository": (_as(repository="MALLORY/credit"), "wrong-identity"),
    "another issuer": (_as(issuer="https://accounts.example"), "wrong-identity"),
    "a run on another commit": (_as(commit="2" * 40), "wrong-identity"),
    "a certificate without a commit": (_as(commit=""), "wrong-identity"),
    "another Sigstore": (
        lambda s: s.signed(EVALUATION, by=lambda one: Sigstore().signed(one, commit=s.commit)),
        "invalid-signature",
    ),
    "a key": (lambda s: s.signed(EVALUATION, by=other_key), "no-identity"),
    "the statement changed": (_envelope(_flipped), "invalid-signature"),
    "another entry of the log": (_other_entry, "invalid-signature"),
    "no entry of the log": (
        lambda s: s.edit(s.bundle(EVALUATION), lambda d: d["verificationMaterial"].update(tlogEntries=[])),
        "not-a-bundle",
    ),
    "signed when the certificate had expired": (
        _logged(lambda entry: entry.update(integratedTime=str(int(entry["integratedTime"]) + 3600))),
        "invalid-signature",
    ),
    "a log that promised nothing": (
        _logged(
            lambda entry: entry.update(inclusionPromise={"signedEntryTimestamp": base64.b64encode(b"0" * 70).decode()})
        ),
        "invalid-signature",
    ),
    "nothing": (lambda s: s.bundle(EVALUATION).write_text("{}"), "not-a-bundle"),
}


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_impostors_are_refused(tmp_path: Path, kind: str) -> None:
    """Where a workflow's identity is demanded, no other, and no log or certificate that does not hold, will do."""
    lab = Sigstore()
    _labs[:] = [lab]
    lab.trusted_root(tmp_path / "root.json")
    signed = make(tmp_path, lambda commit: lambda statement: lab.signed(statement, commit=commit))
    forge, expected = IMPOSTORS[kind]
    forge(signed)
    found = with_identity(signed)
    assert found.status == "failed" and reason(found) >= {(f":{EVALUATION}", expected)}, reason(found)
