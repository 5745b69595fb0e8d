"""A consumer's repository runs every action and the reusable workflow with act: what passes, and what must not."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cd4ml.digests import file_sha256, folder_sha256
from cd4ml.evidence.bundles import bundle_path
from cd4ml.evidence.key_signer import key_signer
from cd4ml.evidence.result import CONFIG, result_statement
from cd4ml.evidence.statement import Resource
from cd4ml.report.reading import read_file
from cd4ml.stages import about
from tests.actions.act import ActRun, commit, git, run_act
from tests.actions.consumer import GATES, make_consumer
from tests.actions.test_story import results
from tests.conftest import clean_environment
from tests.evidence.keys import Key, key_of, pem
from tests.models import classifier, people, save
from tests.platform import Platform, serve
from tests.stages.detect_drift.conftest import customers

pytestmark = pytest.mark.timeout(900)
DELIVERY: Final = {"build-image", "deploy-model"}
STABLE: Final = "sha256:" + "a" * 64
VALUES: Final = f"""\
image:
  repository: localhost:1/credit
  digest: {STABLE}
canary:
  enabled: false
  image:
    digest: ""
  weight: 0
"""


def consumer(folder: Path, workflow: str, *, broken: str | None = None, **values: str) -> Path:
    """Make the consumer's repository with one workflow, and values for the capital words in it."""
    make_consumer(folder, broken=broken)
    text = (Path(__file__).parent / "workflows" / workflow).read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    path = folder / ".github" / "workflows" / "model.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return commit(folder)


def gitops(folder: Path, *, values: str = VALUES) -> Path:
    """Make a bare GitOps repository with a manifest; the usual one has a stable image."""
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "values.yaml").write_text(values)
    commit(folder / "work")
    git(folder, "clone", "--quiet", "--bare", "work", "gitops.git")
    return folder / "gitops.git"


def steps(run: ActRun, job: str) -> dict[str, Any]:
    """Return what the steps of a job said: outcome and outputs by step id."""
    found = json.loads((run.artifacts / f"{job}.json").read_text())
    return {name: step for name, step in found.items() if not name.isdigit()}


def without_run(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without the one block that differs between two runs on the same inputs."""
    return {key: value for key, value in report.items() if key != "run"}


@pytest.fixture(scope="module")
def actions(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ActRun, Path]:
    """Run the workflow that uses every action, with its jobs; return the run and the consumer's folder."""
    scratch = tmp_path_factory.mktemp("actions")
    repository = gitops(scratch / "gitops")
    folder = consumer(scratch / "credit", "actions.yml", GITOPS=str(repository))
    return run_act(suite, folder, "model.yml", scratch=scratch / "act"), folder


def test_actions__pass(actions: tuple[ActRun, Path]) -> None:
    """Every action on good inputs succeeds and says `passed=true`, `status=passed` and where its report is."""
    run, _ = actions
    said = steps(run, "passing")

    assert run.jobs["passing"] == "success", run.text[-4000:]
    plan = said.pop("plan")
    assert json.loads(plan["outputs"]["stages"]) == list(GATES)
    assert set(said) == {*GATES, "deploy-model", "promote-model", "root"}
    for name, step in said.items():
        assert (step["outcome"], step["outputs"]["passed"], step["outputs"]["status"]) == (
            "success",
            "true",
            "passed",
        ), name
        assert step["outputs"]["report"].endswith(".json")
    assert said["promote-model"]["outputs"]["image"] == "localhost:1/credit@sha256:" + "b" * 64


def test_actions__must_fail(actions: tuple[ActRun, Path]) -> None:
    """Every action on a bad input fails its step and says `passed=false`; what could not look says `error`."""
    run, _ = actions
    said = steps(run, "failing")
    expected = {
        "check-code": "failed",
        "validate-data": "failed",
        "score-model": "error",
        "evaluate-model": "failed",
        "audit-fairness": "error",
        "build-image": "error",
        "deploy-model": "failed",
        "promote-model": "error",
        "root": "error",
    }

    assert said.pop("plan")["outcome"] == "failure"
    assert {name: step["outputs"]["status"] for name, step in said.items()} == expected
    assert {step["outcome"] for step in said.values()} == {"failure"}
    assert {step["outputs"]["passed"] for step in said.values()} == {"false"}


def test_severities__through_the_action(actions: tuple[ActRun, Path]) -> None:
    """One bad row blocks, or warns, or stays within its budget of one row in 50; not within one in 100."""
    run, _ = actions
    said = {name: step["outputs"]["status"] for name, step in steps(run, "severities").items()}
    warned, within = (
        {check["id"]: check for check in json.loads((run.artifacts / f"{name}.json").read_text())["checks"]}
        for name in ("warned", "within-budget")
    )

    assert said == {
        "blocked": "failed",
        "warned": "passed",
        "within-budget": "passed",
        "over-budget": "failed",
        "misspelt": "error",
    }
    assert warned["greater_than_or_equal_to:amount"]["reason"] == "warning"
    assert within["greater_than_or_equal_to:amount"]["limit"] == within["greater_than_or_equal_to:amount"]["value"] == 1


def test_actions__caller_unchanged(actions: tuple[ActRun, Path]) -> None:
    """The steps after the actions have the environment, the Python and the folder of the steps before."""
    run, _ = actions

    assert (run.artifacts / "before").read_text() == (run.artifacts / "after").read_text()


@pytest.mark.parametrize("stage", GATES)
def test_doors__same_report(actions: tuple[ActRun, Path], stage: str) -> None:
    """A stage through the command line gives the report of the action, but for the run block."""
    run, folder = actions
    through_action = json.loads((run.artifacts / "reports" / f"{stage}.json").read_text())
    command = [str(Path(sys.executable).parent / "cd4ml"), stage]
    environ = {name: value for name, value in clean_environment().items() if name != "CD4ML_MYPY_CACHE"}
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    through_cli = json.loads((folder / "reports" / f"{stage}.json").read_text())

    assert without_run(through_cli) == without_run(through_action)
    assert through_action["run"] != through_cli["run"]


@pytest.mark.parametrize("stage", ["validate-data", "evaluate-model", "audit-fairness"])
def test_root_action__same_report(actions: tuple[ActRun, Path], stage: str) -> None:
    """The root action gives the report of the single action, but for the run block."""
    run, _ = actions
    single, root = (
        json.loads((run.artifacts / where / f"{stage}.json").read_text()) for where in ("reports", "root-reports")
    )

    assert without_run(single) == without_run(root)


def test_pipeline__gate_fails(suite: Path, tmp_path: Path) -> None:
    """A failed gate fails its job and `gate`; the other gates report, and on main nothing is built or deployed."""
    folder = consumer(tmp_path / "credit", "pipeline.yml", STAGES='""', broken="audit-fairness")
    more = "build-image: {model: nowhere, image: localhost:1/credit, simulate: false}\n"
    (folder / "cd4ml.yaml").write_text((folder / "cd4ml.yaml").read_text() + more)
    git(folder, "commit", "--all", "--quiet", "--message", "deliver")
    run = run_act(suite, folder, "model.yml", scratch=tmp_path / "act", event="push")

    assert run.code != 0
    assert {job for job, result in run.jobs.items() if result == "failure"} == {"audit-fairness", "gate"}
    assert not DELIVERY & {job for job, result in run.jobs.items() if result == "success"}
    assert run.artifact("cd4ml-report-audit-fairness", "audit-fairness.json")["status"] == "failed"


@pytest.mark.parametrize(
    "event, stages", [("pull_request", "audit-fairnes"), ("pull_request", "build-image"), ("pull_request_target", '""')]
)
def test_pipeline__nothing_decided(suite: Path, tmp_path: Path, event: str, stages: str) -> None:
    """A misspelled or unconfigured stage, or an event that checks out something else, ends red with no stage run."""
    folder = consumer(tmp_path / "credit", "pipeline.yml", STAGES=stages)
    run = run_act(suite, folder, "model.yml", scratch=tmp_path / "act", event=event)

    assert run.code != 0
    assert run.jobs == {"plan": "failure", "gate": "failure"}


def test_promote__and_back(suite: Path, tmp_path: Path) -> None:
    """The workflow makes the approved canary the stable image and signs that, refuses another and evidence that was
    changed, and takes the promotion back, for which it asks no evidence."""
    canary = "sha256:" + "b" * 64
    key, model = key_of("ed25519"), "c" * 64
    repository = gitops(tmp_path / "gitops")
    first = git(repository, "rev-parse", "main")
    secrets = ["--var", f"SIGNING_PUBLIC_KEY={public(key)}", "--secret", f"SIGNING_KEY={pem(key).decode()}"]

    def deployed(source: str) -> None:
        work = tmp_path / "gitops" / "work"
        git(work, "reset", "--quiet", "--hard", first)
        (work / "values.yaml").write_text(
            VALUES.replace('digest: ""', f"digest: {canary}")
            .replace("enabled: false", "enabled: true")
            .replace("weight: 0", "weight: 10")
        )
        said = f"Cd4ml-Image: localhost:1/credit@{canary}\nCd4ml-Source: {source}\nCd4ml-Model: sha256:{model}"
        git(work, "commit", "--quiet", "--all", "--message", f"Deploy\n\n{said}\nCd4ml-Manifest: values.yaml")
        git(work, "push", "--quiet", "--force", str(repository), "main")

    def promote(name: str, image: str, rollback: str, *, forged: bool = False) -> tuple[ActRun, str]:
        given = {
            "GITOPS": str(repository),
            "IMAGE": f"localhost:1/credit@{image}" if image else '""',
            "ROLLBACK": rollback,
        }
        folder, scratch = consumer(tmp_path / name / "credit", "promote.yml", **given), tmp_path / name / "act"
        if image:
            signed_build(folder, scratch, key, model)
            deployed(git(folder, "rev-parse", "HEAD"))
        if forged:
            report = scratch / "artifacts" / "cd4ml-report-build-image" / "build-image.json"
            report.write_text(report.read_text().replace("runs no code", "runs no code at all"))
        run = run_act(suite, folder, "model.yml", scratch=scratch, event="workflow_dispatch", more=secrets)
        return run, git(repository, "show", "main:values.yaml").split("canary:")[0]

    run, manifest = promote("other", STABLE, "false", forged=True)
    assert run.code != 0 and STABLE in manifest
    checks = run.artifact("cd4ml-report-promote-model", "promote-model.json")["checks"]
    assert {"changed-report", "other-image"} <= {check.get("reason") for check in checks}, checks
    run, manifest = promote("approved", canary, "false")
    assert run.code == 0 and canary in manifest, run.text[-4000:]
    assert (run.artifacts / "cd4ml-report-promote-model" / "promote-model.sigstore.json").exists()
    run, manifest = promote("back", "", "true")
    assert run.code == 0 and STABLE in manifest, run.text[-4000:]


def models(folder: Path) -> None:
    """Give the consumer's repository two models, rows to score them on, and the stages that judge them."""
    (folder / "predictions.parquet").unlink()
    frame = people()
    for name, rows in (("candidate", 200), ("production", 60)):
        save(classifier(frame.head(rows)), folder / "models" / name, frame[["age", "income", "city"]])
    frame.to_parquet(folder / "test.parquet", index=False)
    (folder / "cd4ml.yaml").write_text(
        "score-model: {candidate: models/candidate, production: models/production, test-data: test.parquet,"
        " target: approve, keep: [city]}\n"
        "evaluate-model: {predictions: predictions.parquet, minimum: {accuracy: 0.7},"
        " maximum-regression: {accuracy: 0.2}}\n"
        "audit-fairness: {predictions: predictions.parquet, sensitive-features: [city], minimum-ratio: 0.01}\n"
    )


def public(key: Key) -> str:
    """Return a key's public half as it is written."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signed_build(folder: Path, scratch: Path, key: Key, model: str) -> None:
    """Leave the report of build-image for the newest commit, as the key signs it: the stage needs a registry."""
    report = scratch / "artifacts" / "cd4ml-report-build-image" / "build-image.json"
    report.parent.mkdir(parents=True)
    (folder / "reports").mkdir()
    subprocess.run([sys.executable, "build_report.py"], cwd=folder, check=True)
    document = json.loads((folder / "reports" / "build-image.json").read_text())
    document["candidate"]["sha256"] = model
    report.write_text(json.dumps(document))
    statement = result_statement(
        read_file(report, "build-image"),
        of=about("build-image"),
        at=datetime.datetime.now(datetime.UTC),
        report=file_sha256(report),
        config=Resource(name=CONFIG, digest={"sha256": file_sha256(folder / "cd4ml.yaml")}),
    )
    bundle_path(report).write_bytes(key_signer(pem(key), None, name="key").sign(statement))


def test_pipeline__signed_and_forged(suite: Path, tmp_path: Path) -> None:
    """Models are scored in one job, judged in others on the predictions of this very run, and deployed in the last on
    what each of them signed; where a report was changed between two jobs, nothing is deployed."""
    password = "correct horse"
    repository = gitops(tmp_path / "gitops")
    folder = consumer(tmp_path / "credit", "signed.yml")
    models(folder)
    key = key_of("ecdsa")
    (folder / "key.pub").write_text(public(key))
    required = "evaluate-model, audit-fairness, score-model, build-image"
    with (folder / "cd4ml.yaml").open("a") as stream:
        stream.write(
            f"deploy-model: {{repository: {repository}, manifest: values.yaml, required-stages: [{required}]}}\n"
        )
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "models")
    signed_build(folder, tmp_path / "act", key, folder_sha256(folder / "models" / "candidate"))
    secrets = {"SIGNING_KEY": pem(key, password).decode(), "SIGNING_PASSWORD": password}
    more = [word for name, value in secrets.items() for word in ("--secret", f"{name}={value}")]

    run = run_act(suite, folder, "model.yml", scratch=tmp_path / "act", event="push", more=more)

    judged = ("plan", "score-model", "evaluate-model", "audit-fairness", "deploy-model", "gate")
    assert results(run, "model") == dict.fromkeys(judged, "success"), run.text[-4000:]
    deployed = run.artifact("cd4ml-report-deploy-model", "deploy-model.json")
    (signatures,) = [check for check in deployed["checks"] if check["id"] == "evidence-signatures"]
    assert signatures["message"].startswith("4 reports are signed by key ")
    assert (run.artifacts / "cd4ml-report-deploy-model" / "deploy-model.sigstore.json").exists()
    evaluated = run.artifact("cd4ml-report-evaluate-model", "evaluate-model.json")
    assert evaluated["candidate"]["sha256"] == deployed["candidate"]["sha256"]
    assert password not in run.text and "PRIVATE KEY" not in run.text

    refused = run.artifact("forged-report-deploy-model", "deploy-model.json")
    failed = {check["id"]: check["reason"] for check in refused["checks"] if check["status"] == "failed"}
    assert failed["evidence:audit-fairness"] == "changed-report"
    assert "evidence:evaluate-model" not in failed
    assert results(run, "forged") == {"plan": "success", "deploy-model": "failure", "gate": "failure"}
    assert git(repository, "rev-list", "--count", "main") == "2"


def test_monitor__asks(suite: Path, tmp_path: Path) -> None:
    """Significant drift turns `detect` red, and `request` opens an issue and sends the event all the same."""
    folder = consumer(tmp_path / "credit", "monitor.yml")
    customers().to_parquet(folder / "reference.parquet")
    customers(seed=2).assign(age=90).to_parquet(folder / "current.parquet")
    (folder / "cd4ml.yaml").write_text(
        "detect-drift: {reference: reference.parquet, current: current.parquet}\n"
        "request-retraining: {windows: 1, violations: 1, github-repository: owner/model}\n"
    )
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "monitor")
    github = Platform()
    with serve(github) as address:
        more = ["--secret", "GITHUB_TOKEN=t0ken", "--env", f"GITHUB_API_URL={address}"]
        run = run_act(suite, folder, "model.yml", scratch=tmp_path / "act", event="push", more=more)

    assert run.jobs == {"detect": "failure", "request": "success"}, run.text[-4000:]
    assert run.artifact("cd4ml-report-request-retraining", "request-retraining.json")["outputs"]["requested"] == "true"
    assert len(github.issues) == len(github.dispatches) == 1
