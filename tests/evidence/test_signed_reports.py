"""A stage signs its report where somebody signs, and says so where nobody does; the key stays the signer's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2  # type: ignore[import-untyped]

from cd4ml.digests import file_sha256
from cd4ml.evidence.dsse import verified_bundle
from cd4ml.evidence.keys import read_public_key
from cd4ml.evidence.result import PREDICATE, claim
from cd4ml.evidence.signer import TOKEN_REQUEST
from cd4ml.evidence.statement import Statement
from cd4ml.scoring.isolated import _KEPT
from tests.conftest import Run
from tests.evidence.keys import Pair, key_of, pair, pem
from tests.gitops.conftest import git

Command = Callable[..., Run]
ROWS = "y_true,y_pred\n" + "1,1\n0,0\n" * 20


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a committed project with a table of predictions and a configuration."""
    (tmp_path / "predictions.csv").write_text(ROWS)
    (tmp_path / "cd4ml.yaml").write_text(
        "evaluate-model:\n  predictions: predictions.csv\n  minimum: {accuracy: 0.5}\n  bootstrap: true\n"
    )
    (tmp_path / ".gitignore").write_text("*\n!cd4ml.yaml\n!predictions.csv\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Source")
    return tmp_path


def bundle(folder: Path, stage: str = "evaluate-model") -> Path:
    """Return where a stage's bundle lies."""
    return folder / "reports" / f"{stage}.sigstore.json"


def statement(folder: Path, keys: Pair, stage: str = "evaluate-model") -> Statement:
    """Return what the key signed."""
    return verified_bundle(bundle(folder, stage).read_bytes(), read_public_key(keys.public.read_bytes(), name="key"))


def test_a_report_is_signed_with_all_that_it_rests_on(project: Path, cd4ml: Command, tmp_path: Path) -> None:
    """The statement names commit, table, configuration and the report's file by digest, and says the same verdict."""
    keys = pair(tmp_path)
    run = cd4ml("evaluate-model", "--signing-key", "key.pem")
    assert run.code == 0 and run.report["run"]["signer"].startswith("key ")
    found = statement(project, keys)
    said, commit = claim(found), git(project, "rev-parse", "HEAD").strip()
    assert said.subjects == {commit} == {run.report["source"]["git_sha"]}  # the table names no model
    assert said.report == file_sha256(project / "reports" / "evaluate-model.json")
    assert said.config == file_sha256(project / "cd4ml.yaml")
    assert {table.sha256 for table in said.published.report.inputs} == {file_sha256(project / "predictions.csv")}
    assert said.published.report.status == "passed" and said.published.source.modified == []
    ids = [check["id"] for check in run.report["checks"]]
    assert [check.id for check in said.published.report.checks] == ids
    read = json_format.Parse(json.dumps(found.predicate), test_result_pb2.TestResult(), ignore_unknown_fields=True)
    assert (found.predicate_type, read.result, list(read.passed_tests)) == (PREDICATE, "PASSED", ids)


def test_a_report_that_did_not_pass_is_signed_as_such(project: Path, cd4ml: Command, tmp_path: Path) -> None:
    """A signature says who found it, not that it passed."""
    keys = pair(tmp_path)
    (project / "predictions.csv").write_text("y_true,y_pred\n" + "1,0\n0,1\n" * 20)
    assert cd4ml("evaluate-model", "--signing-key", "key.pem").code == 1
    said = claim(statement(project, keys))
    assert said.published.report.status == "failed" and statement(project, keys).predicate["result"] == "FAILED"
    assert said.published.source.modified == ["predictions.csv"]


@pytest.mark.parametrize("ended", ["unsigned", "error"])
def test_no_bundle_of_an_earlier_run_stays(project: Path, cd4ml: Command, tmp_path: Path, ended: str) -> None:
    """Neither a run that nobody signs nor one without a verdict leaves the bundle that was there."""
    pair(tmp_path)
    cd4ml("evaluate-model", "--signing-key", "key.pem")
    assert bundle(project).exists()
    if ended == "error":
        (project / "predictions.csv").unlink()
    code = cd4ml("evaluate-model", *(["--signing-key", "key.pem"] if ended == "error" else [])).code
    assert (code == 0) is (ended == "unsigned") and not bundle(project).exists()


def test_what_is_not_a_bundle_is_not_replaced(project: Path, cd4ml: Command) -> None:
    """A file of the bundle's name that cd4ml has not written stays, and the stage says so."""
    bundle(project).parent.mkdir()
    bundle(project).write_text('{"mine": 1}')
    assert cd4ml("evaluate-model").code == 2
    assert bundle(project).read_text() == '{"mine": 1}'


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--signing-key", "env://LOANS_KEY"], "LOANS_KEY is not set"), (["--keyless"], "no identity to sign with")],
)
def test_a_run_without_the_secret_is_unsigned_and_says_so(
    project: Path, cd4ml: Command, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """A fork's run has neither key nor identity: its verdict stands, and report and terminal say it is unsigned."""
    run = cd4ml("evaluate-model", *arguments, capsys=capsys)
    assert run.code == 0 and not bundle(project).exists()
    assert run.report["run"]["signer"] is None and words in run.report["run"]["unsigned"]
    assert f"unsigned: {run.report['run']['unsigned']}" in run.stderr


def test_a_report_that_could_not_be_signed_does_not_pass(
    project: Path, cd4ml: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the job's identity cannot be had at the end, the verdict is an error beside what was decided."""
    for name in TOKEN_REQUEST:
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    run = cd4ml("evaluate-model", "--keyless")
    assert run.code == 3 and run.report["status"] == "error" and not bundle(project).exists()
    assert "minimum:accuracy" in {check["id"] for check in run.report["checks"]}


def test_neither_key_nor_identity_reaches_the_tests_of_the_project(
    project: Path, cd4ml: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that check-code runs sees no variable of the signer's, whatever it is called, and the report is signed."""
    key = pem(key_of("ecdsa"), "correct horse").decode()
    secret = {"LOANS_KEY": key, "SIGNING_KEY": key, "SIGNING_PASSWORD": "correct horse"}
    secret |= dict.fromkeys(TOKEN_REQUEST, "https://token.example")
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    (project / ".gitignore").write_text("")
    test = f"import os\n\n\ndef test_env() -> None:\n    assert not set({sorted(secret)!r}) & os.environ.keys()\n"
    (project / "test_env.py").write_text(test)
    run = cd4ml("check-code", "--tools", "pytest", "--signing-key", "env://LOANS_KEY")
    assert (run.code, bundle(project, "check-code").exists()) == (0, True), run.report["summary"]
    assert set(_KEPT).isdisjoint(secret)


def test_a_test_that_checks_out_another_commit_makes_no_evidence(project: Path, cd4ml: Command, tmp_path: Path) -> None:
    """A passing run whose tests move HEAD to a commit whose tests fail is an error about the one that was judged."""
    pair(tmp_path)
    (project / ".gitignore").write_text("*\n!test_it.py\n!.gitignore\n")
    commits = []
    for body in ("assert False", "subprocess.run(['git', 'reset', '-q', '--hard', 'HEAD~1'], check=True)"):
        (project / "test_it.py").write_text(f"import subprocess\n\n\ndef test_it() -> None:\n    {body}\n")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", body)
        commits.append(git(project, "rev-parse", "HEAD").strip())
    run = cd4ml("check-code", "--tools", "pytest", "--signing-key", "key.pem")
    assert git(project, "rev-parse", "HEAD").strip() == commits[0]
    assert (run.code, run.report["status"], run.report["source"]["git_sha"]) == (2, "error", commits[1])
    assert {check["id"] for check in run.report["checks"]} == {"pytest", "commit-changed"}
    assert not bundle(project, "check-code").exists()


def test_what_was_changed_before_or_while_it_ran_counts_as_changed(project: Path, cd4ml: Command) -> None:
    """A test that restores an uncommitted file hides it no more than one that changes another file."""
    restore = "subprocess.run(['git', 'checkout', '-q', 'predictions.csv'], check=True)"
    change = "open('cd4ml.yaml', 'a').write('# changed')"
    text = f"import subprocess\n\n\ndef test_it() -> None:\n    {restore}\n    {change}\n"
    (project / "test_it.py").write_text(text)
    (project / ".gitignore").write_text("")
    git(project, "add", "test_it.py", ".gitignore")
    git(project, "commit", "--quiet", "--message", "Test")
    (project / "predictions.csv").write_text("changed")
    run = cd4ml("check-code", "--tools", "pytest")
    assert (run.code, run.report["source"]["modified"]) == (0, ["cd4ml.yaml", "predictions.csv"]), run.report["summary"]


def test_defaults_name_the_signer_for_every_stage(project: Path, cd4ml: Command, tmp_path: Path) -> None:
    """One line under `defaults` signs what every stage of a run finds; a pipeline signs each report."""
    pair(tmp_path)
    text = (project / "cd4ml.yaml").read_text()
    (project / "cd4ml.yaml").write_text(f"defaults:\n  signing-key: key.pem\n{text}")
    assert cd4ml("run").code == 0
    assert bundle(project).exists()
