"""promote.yml: one digest moves from environment to environment, and nothing that was not asked for looks done."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest, State
from tests.actions import runner_oracle
from tests.actions.act import ActRun, git, run_act
from tests.actions.test_act import STABLE, VALUES, consumer, gitops
from tests.conftest import ROOT

NEW: Final = "sha256:" + "b" * 64
IMAGE: Final = f"localhost:1/credit@{NEW}"
ENVIRONMENTS: Final = ("development", "staging", "production")


def workflow() -> Any:
    """Return the workflow."""
    return YAML(typ="safe").load((ROOT / ".github" / "workflows" / "promote.yml").read_text())


def files(folder: Path) -> Path:
    """Make a GitOps repository with a manifest for each environment."""
    repository = gitops(folder)
    for name in ("dev", "staging", "production"):
        (folder / "work" / f"{name}.yaml").write_text(VALUES)
    git(folder / "work", "add", "--all")
    git(folder / "work", "commit", "--quiet", "--message", "Environments")
    git(folder / "work", "push", "--quiet", str(repository), "HEAD:main")
    return repository


def move(suite: Path, folder: Path, repository: Path, **more: str) -> ActRun:
    """Run the workflow of a consumer who moves the image, or rolls an environment back."""
    given = {"STAGING": "staging.yaml", "ROLLBACK": "false", "ENVIRONMENT": "production", "IMAGE": IMAGE, **more}
    place = consumer(folder / "credit", "environments.yml", GITOPS=str(repository), **given)
    # The gates on the consumer's table of predictions name no model; those on code and data are about the commit.
    with (place / "cd4ml.yaml").open("a") as stream:
        stream.write("deploy-model: {required-stages: [check-code, validate-data, build-image]}\n")
    git(place, "commit", "--quiet", "--all", "--message", "Deliver")
    return run_act(suite, place, "model.yml", scratch=folder / "act", event="workflow_dispatch")


def test_environments__one_after_the_other_and_back(suite: Path, tmp_path: Path) -> None:
    """The image is all of development and staging and a canary in production; then one environment is taken back."""
    repository = files(tmp_path / "gitops")

    run = move(suite, tmp_path / "forth", repository)

    assert run.code == 0, run.text[-4000:]
    assert {name: run.jobs.get(name) for name in ENVIRONMENTS} == dict.fromkeys(ENVIRONMENTS, "success")
    held = {name: git(repository, "show", f"main:{name}.yaml") for name in ("dev", "staging", "production")}
    for name, weight in {"dev": 100, "staging": 100, "production": 20}.items():
        assert Manifest(held[name]).state == State(stable=STABLE, canary=NEW, weight=weight)
    assert run.artifact("cd4ml-production", "deploy-model.json")["outputs"]["image"] == IMAGE

    back = move(suite, tmp_path / "back", repository, ROLLBACK="true", ENVIRONMENT="staging", IMAGE='""')

    assert back.code == 0 and not set(ENVIRONMENTS) & set(back.jobs)
    assert Manifest(git(repository, "show", "main:staging.yaml")).state == State(stable=STABLE, canary=None, weight=0)
    assert git(repository, "show", "main:dev.yaml") == held["dev"]
    assert git(repository, "show", "main:production.yaml") == held["production"]


def test_environments__what_fails_stops(suite: Path, tmp_path: Path) -> None:
    """Staging refuses an image that somebody holds back in development; what is behind it stays as it is."""
    repository = files(tmp_path / "gitops")
    work = tmp_path / "gitops" / "work"
    (work / "dev.yaml").write_text(Manifest(VALUES).with_canary(image(IMAGE), 50))
    deployed = f"Deploy\n\nCd4ml-Image: {IMAGE}\nCd4ml-Canary-Weight: 100\n"
    git(work, "commit", "--quiet", "--all", "--message", deployed)
    git(work, "push", "--quiet", str(repository), "HEAD:main")

    run = move(suite, tmp_path / "forth", repository)

    assert run.code != 0 and "production" not in run.jobs
    assert (run.jobs["development"], run.jobs["staging"]) == ("success", "failure"), run.text[-4000:]
    assert run.artifact("cd4ml-staging", "deploy-model.json")["checks"][-1]["reason"] == "not-there-yet"
    assert git(repository, "rev-parse", "main") == git(work, "rev-parse", "HEAD")


def test_environments__approved_digest_alone(suite: Path, tmp_path: Path) -> None:
    """A digest that is not the one in the evidence gets nowhere: the first environment refuses it."""
    repository = files(tmp_path / "gitops")
    before = git(repository, "rev-parse", "main")

    run = move(suite, tmp_path / "forth", repository, IMAGE=IMAGE.replace("b" * 64, "c" * 64))

    assert run.code != 0 and not {"staging", "production"} & set(run.jobs)
    report = run.artifact("cd4ml-development", "deploy-model.json")
    assert run.jobs["development"] == "failure"
    assert [check["reason"] for check in report["checks"] if check["status"] != "passed"] == ["other-image"]
    assert git(repository, "rev-parse", "main") == before


@pytest.mark.parametrize(
    ("asked", "code", "manifest"),
    [
        ({"MANIFEST": "a.yaml"}, 0, "a.yaml"),
        ({"STAGING": "s.yaml", "IMAGE": IMAGE}, 0, ""),
        ({"ROLLBACK": "true", "STAGING": "s.yaml", "PRODUCTION": "p.yaml", "ENVIRONMENT": "staging"}, 0, "s.yaml"),
        ({"ROLLBACK": "true", "MANIFEST": "a.yaml", "ENVIRONMENT": "eu"}, 0, "a.yaml"),
        ({"MANIFEST": "a.yaml", "APP": "1"}, 0, "a.yaml"),
        ({"MANIFEST": "a.yaml", "APP": "1", "REPOSITORY": "git@github.com:OWNER/gitops.git"}, 0, "a.yaml"),
        ({"MANIFEST": "a.yaml", "APP": "1", "REPOSITORY": "https://github.com/OWNER/"}, 2, ""),
        ({"MANIFEST": "a.yaml", "APP": "1", "REPOSITORY": "https://github.com/OWNER/ "}, 2, ""),
        ({"MANIFEST": "a.yaml", "APP": "1", "REPOSITORY": "https://github.com/OWNER/a,b"}, 2, ""),
        ({"MANIFEST": "a.yaml", "APP": "1", "REPOSITORY": ""}, 2, ""),
        ({}, 2, ""),
        ({"STAGING": "s.yaml"}, 2, ""),
        ({"STAGING": "s.yaml", "IMAGE": "localhost:1/credit:v1"}, 2, ""),
        ({"STAGING": "s.yaml", "IMAGE": IMAGE, "MANIFEST": "a.yaml"}, 2, ""),
        ({"ROLLBACK": "true", "STAGING": "s.yaml", "ENVIRONMENT": "production"}, 2, ""),
        ({"ROLLBACK": "true", "STAGING": "s.yaml", "ENVIRONMENT": "$(touch here)"}, 2, ""),
    ],
)
def test_request__nothing_forgotten(tmp_path: Path, asked: dict[str, str], code: int, manifest: str) -> None:
    """Without a manifest, the approved digest, or one repository for the app's token, no environment is asked."""
    (step,) = workflow()["jobs"]["request"]["steps"]
    output = tmp_path / "output"
    output.write_text("")
    env = dict.fromkeys(("MANIFEST", "DEVELOPMENT", "STAGING", "PRODUCTION", "IMAGE", "ENVIRONMENT", "APP"), "")
    env |= {"ROLLBACK": "false", "REPOSITORY": "https://github.com/OWNER/gitops.git", **asked}

    run = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output), **env},
        check=False,
        capture_output=True,
        text=True,
    )

    assert run.returncode == code, run.stdout + run.stderr
    assert ("::error title=cd4ml::" in run.stdout) is bool(code) and list(tmp_path.iterdir()) == [output]
    if code == 0:
        said = {"manifest": manifest, "owner": "OWNER", "repository": "gitops"}
        assert runner_oracle.outputs(output.read_text()) == said


def test_environments__each_behind_its_own() -> None:
    """Every job runs in its environment, waits for the ones before it, and takes the approved digest alone."""
    jobs = workflow()["jobs"]

    for position, name in enumerate(ENVIRONMENTS):
        job = jobs[name]
        (step,) = [step for step in job["steps"] if step.get("id") == "stage"]
        assert job["environment"] == name and step["with"]["manifest"] == f"${{{{ inputs.{name}-manifest }}}}"
        assert step["with"]["image"] == "${{ inputs.image }}" and "continue-on-error" not in step
        assert set(job["needs"]) == {"request", *ENVIRONMENTS[:position]}
        for earlier in ENVIRONMENTS[:position]:
            assert f"needs.{earlier}.outputs.passed == 'true'" in job["if"]
    assert jobs["promote"]["environment"] == "${{ inputs.environment }}"


def test_rollback__waits_for_nobody() -> None:
    """No other job is in the roll-back's queue, so that none that waits for its reviewers holds it up."""
    described = workflow()
    queue = described["jobs"]["promote"]["concurrency"]["group"]

    assert "${{ github.run_id }}" in described["concurrency"]["group"]
    assert queue.endswith("${{ inputs.rollback && '-rollback' || '' }}")
    assert all(not described["jobs"][name]["concurrency"]["group"].endswith("-rollback") for name in ENVIRONMENTS)
