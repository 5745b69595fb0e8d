"""Provenance says from what and by whom an image was built, and nothing that nobody else may read."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from cd4ml.evidence.about import About
from cd4ml.evidence.provenance import provenance, source
from cd4ml.evidence.result import result_statement
from cd4ml.evidence.statement import Resource, Statement, read_statement
from cd4ml.report import Check, InputDigest, ModelIdentity, Published, Report, Source, Status

IMAGE = Resource(name="ghcr.io/owner/loans", digest={"sha256": "a" * 64})
WORKFLOW = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "owner/loans",
    "GITHUB_WORKFLOW_REF": "owner/loans/.github/workflows/deliver.yml@refs/heads/main",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "3",
}


def stated(environ: dict[str, str], **parameters: Any) -> Statement:
    """Return the provenance of an image."""
    commit = source("https://user:pass@github.com/owner/loans", "c" * 40, environ, modified=False)
    return provenance(IMAGE, parameters=parameters, dependencies=[commit] if commit else [], environ=environ)


def test_a_workflow_is_named_as_the_builder() -> None:
    """In a workflow the builder is the workflow's file at its ref, and the run is named."""
    run = stated(WORKFLOW).predicate["runDetails"]
    assert run["builder"]["id"] == "https://github.com/owner/loans/.github/workflows/deliver.yml@refs/heads/main"
    assert run["metadata"] == {"invocationId": "https://github.com/owner/loans/actions/runs/42/attempts/3"}


def test_another_machine_is_no_workflow() -> None:
    """Outside a workflow the builder is said to be somebody's machine, even if single variables are set."""
    forged = {"GITHUB_WORKFLOW_REF": WORKFLOW["GITHUB_WORKFLOW_REF"], "GITHUB_REPOSITORY": "owner/loans"}
    run = stated(forged).predicate["runDetails"]
    assert run["builder"]["id"].endswith("#a-build-outside-a-workflow") and "metadata" not in run


def test_nothing_secret_is_repeated() -> None:
    """Neither a password in an address nor the value of a secret variable gets into a statement that is published."""
    environ = {"MLFLOW_TRACKING_TOKEN": "s3cr3t-t0ken"}
    text = stated(environ, model="https://me:hunter2@mlflow.example/x?sig=abc", label="s3cr3t-t0ken").payload.decode()
    assert not [word for word in ("hunter2", "sig=abc", "s3cr3t", "user:pass") if word in text]


@pytest.mark.parametrize("modified", [True, False])
def test_changed_files_are_told(modified: bool) -> None:
    """A commit whose files were changed before the build is not passed off as the source alone."""
    found = source(None, "c" * 40, WORKFLOW, modified=modified)
    assert found is not None
    assert found.document["digest"] == {"gitCommit": "c" * 40}
    assert found.document["uri"] == "git+https://github.com/owner/loans"
    assert ("annotations" in found.document) is modified


def test_the_same_run_makes_the_same_statement() -> None:
    """No time and no order of a dictionary gets into the bytes that are signed."""
    first, second = stated(WORKFLOW, a=1, b=[2]), stated(dict(reversed(WORKFLOW.items())), b=[2], a=1)
    assert first.payload == second.payload and read_statement(first.payload) == first


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        ((Status.PASSED, Status.PASSED), "PASSED"),
        ((Status.PASSED, Status.FAILED), "FAILED"),
        ((Status.PASSED, Status.INCONCLUSIVE), "FAILED"),
        ((Status.ERROR,), "FAILED"),
        ((), "FAILED"),
    ],
)
def test_only_passed_checks_are_a_passed_test(statuses: tuple[Status, ...], result: str) -> None:
    """Whatever did not pass, and no check at all, is a failed test result."""
    checks = [Check(id=f"check-{place}", status=status, message="m") for place, status in enumerate(statuses)]
    table = InputDigest(name="test-data", path="/home/me/test.parquet", sha256="b" * 64)
    model = ModelIdentity(uri="models:/credit/1", sha256="c" * 64)
    report = Report(stage="build-image", checks=checks, inputs=[table], candidate=model)
    published = Published(report=report, source=Source(git_sha=None))
    found = result_statement(published, of=About.MODEL, at=datetime.datetime.now(datetime.UTC))
    document = json.loads(found.payload)["predicate"]
    assert document["result"] == result
    assert len(document["passedTests"]) + len(document["failedTests"]) == len(statuses)
    table_read = {"name": "test-data", "digest": {"sha256": "b" * 64}, "annotations": {"role": "read"}}
    assert table_read in document["configuration"] and found.about("c" * 64)
    assert "/home/me" not in found.payload.decode()
