"""The workflow that `cd4ml init` writes, run as the platform runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.actions.act import commit, run_act
from tests.conftest import run_cd4ml
from tests.platform import REPOSITORY, Platform, pull, serve
from tests.project import makes

pytestmark = pytest.mark.timeout(600)


def test_workflow__gates_and_comment(suite: Path, tmp_path: Path) -> None:
    """On a pull request the workflow of a new project runs its gates, keeps reports and page, and comments."""
    folder = makes.sklearn_and_csv(tmp_path / "loans")
    (folder / "requirements.txt").write_text("black\n")  # there already, so that the tests' environment stays as it is
    subprocess.run([sys.executable, "-m", "black", "--quiet", str(folder)], check=True)
    made = run_cd4ml(folder, "init", "--yes", "--no-run")
    assert made.code == 0, made.stderr
    commit(folder)
    platform = Platform()
    platform.folders[70] = tmp_path / "act" / "artifacts"

    with serve(platform) as address:
        environ = {"GITHUB_API_URL": address, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_RUN_ID": "70"}
        environ["GITHUB_WORKFLOW_REF"] = f"{REPOSITORY}/.github/workflows/model.yml@refs/heads/any"
        more = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
        run = run_act(
            suite,
            folder,
            "model.yml",
            scratch=tmp_path / "act",
            payload={"repository": {"default_branch": "main"}, "pull_request": pull(7)},
            more=["--secret", "GITHUB_TOKEN=t0ken", *more],
        )

    assert run.code == 0 and run.jobs == {"gates": "success", "comment": "success"}, run.text[-4000:]
    stages = ("check-code", "validate-data", "evaluate-model", "audit-fairness")
    for stage in stages:
        assert run.artifact(f"cd4ml-report-{stage}", f"{stage}.json")["status"] == "passed"
    assert (run.artifacts / "cd4ml-report" / "index.html").read_text().startswith("<!doctype html>")
    (comment,) = platform.comments[7]
    assert "## ✅ cd4ml passed" in comment["body"] and all(stage in comment["body"] for stage in stages)
