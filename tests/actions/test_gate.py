"""The last job of the reusable workflow: green only if every stage that had to run said that it passed."""

from __future__ import annotations

import fnmatch
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from cd4ml.render.comment.body import NAME
from cd4ml.stages import PIPELINE
from tests.actions import runner_oracle
from tests.conftest import ROOT

STAGES: Final = PIPELINE
PASSED: Final = ("true", "success", "true")
SKIPPED: Final = ("false", "skipped", "")


def workflow() -> Any:
    """Return the reusable workflow."""
    return YAML(typ="safe").load((ROOT / ".github" / "workflows" / "pipeline.yml").read_text())


def gate(
    folder: Path,
    jobs: Mapping[str, tuple[str, ...]] | None = None,
    *,
    plan: str = "success",
    planned: Sequence[str] | None = None,
) -> tuple[int, str]:
    """Run the gate's step; return its exit code and its output `passed`. What it prints goes to the file `log`.

    Args:
        jobs: by stage, whether it had to run, the job's result, the stage's verdict, and whether that only warns (by
            default not); others passed.
        planned: the stages of the plan, by default those that had to run.
    """
    (step,) = workflow()["jobs"]["gate"]["steps"]
    given = {stage: (jobs or {}).get(stage, PASSED) for stage in STAGES}
    told = {stage: values if len(values) > 3 else (*values, "false") for stage, values in given.items()}
    lines = "".join(f"{stage} {' '.join(values[:3])} warned:{values[3]}\n" for stage, values in told.items())
    if planned is None:
        planned = [stage for stage, values in told.items() if values[0] == "true"]
    output = folder / "output"
    output.write_text("")
    result = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "PLAN": plan,
            "PLANNED": " ".join(planned),
            "JOBS": lines,
            "GITHUB_OUTPUT": str(output),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    (folder / "log").write_text(result.stdout)
    return result.returncode, runner_oracle.outputs(output.read_text())["passed"]


def log(folder: Path) -> str:
    """Return what the gate printed."""
    return (folder / "log").read_text()


def test_all_passed__green(tmp_path: Path) -> None:
    """Where every stage passed the gate is green."""
    assert gate(tmp_path) == (0, "true")


def test_not_configured__green(tmp_path: Path) -> None:
    """Stages that are not configured, and delivery on a pull request, do not stand in the way."""
    assert gate(tmp_path, dict.fromkeys(("score-model", "build-image", "deploy-model"), SKIPPED)) == (0, "true")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "job",
    [
        ("true", "failure", "false"),
        ("true", "success", "false"),
        ("true", "success", ""),
        ("true", "success", "***"),
        ("true", "success", "True"),
        ("true", "success", "true true"),
        ("true", "skipped", ""),
        ("true", "cancelled", ""),
        ("true", "failure", "true"),
        ("true", "", ""),
        ("false", "success", "true"),
        ("false", "failure", ""),
        ("false", "skipped", "true"),
        ("", "skipped", ""),
    ],
    ids=lambda job: "-".join(job),
)
def test_anything_else__red(tmp_path: Path, stage: str, job: tuple[str, str, str]) -> None:
    """A verdict that is missing, masked or contradicts the job's result is red."""
    assert gate(tmp_path, {stage: job}) == (1, "false")


@pytest.mark.parametrize("stage", STAGES)
def test_warning__does_not_block_and_does_not_pass(tmp_path: Path, stage: str) -> None:
    """A stage that only warns leaves the gate open, but nothing that asks for `passed` goes on."""
    assert gate(tmp_path, {stage: ("true", "success", "false", "true")}) == (0, "false")


@pytest.mark.parametrize(
    "job",
    [
        ("true", "failure", "false", "true"),
        ("true", "success", "true", "true"),
        ("true", "success", "", "true"),
        ("true", "success", "false", "***"),
        ("true", "success", "false", ""),
        ("true", "skipped", "", "true"),
        ("false", "skipped", "true", "true"),
    ],
    ids=lambda job: "-".join(job),
)
def test_warning__that_is_not_whole__red(tmp_path: Path, job: tuple[str, ...]) -> None:
    """A warning beside another verdict, of a job that failed, or masked is red."""
    assert gate(tmp_path, {"audit-fairness": job}) == (1, "false")


@pytest.mark.parametrize("plan", ["failure", "skipped", "cancelled", ""])
def test_no_plan__red(tmp_path: Path, plan: str) -> None:
    """Where it is not known which stages had to run the gate is red."""
    assert gate(tmp_path, plan=plan) == (1, "false")
    assert gate(tmp_path, dict.fromkeys(STAGES, SKIPPED), plan=plan) == (1, "false")


def test_nothing_ran__red(tmp_path: Path) -> None:
    """A run of no stage at all is red."""
    assert gate(tmp_path, dict.fromkeys(STAGES, SKIPPED)) == (1, "false")


@pytest.mark.parametrize("stage", ["trial-stage", "code", "check", "model", "*", "***"])
def test_planned_stage_without_a_job__red(tmp_path: Path, stage: str) -> None:
    """A stage that is in the plan and has no job turns the gate red and is named, whatever the others say."""
    assert gate(tmp_path, planned=[*STAGES, stage]) == (1, "false")

    assert f"::error title=cd4ml::{stage} had to run, but this workflow has no job for it." in log(tmp_path)


def test_only_planned_stage_without_a_job__red(tmp_path: Path) -> None:
    """A plan of one stage that has no job is red, though nothing failed."""
    assert gate(tmp_path, dict.fromkeys(STAGES, SKIPPED), planned=["trial-stage"]) == (1, "false")


def test_gate__is_told_the_whole_plan() -> None:
    """The gate takes the planned stages from the plan itself, not from the list of jobs."""
    (step,) = workflow()["jobs"]["gate"]["steps"]

    assert step["env"]["PLANNED"] == "${{ join(fromJSON(needs.plan.outputs.stages || '[]'), ' ') }}"


def test_report__no_part_of_the_verdict() -> None:
    """The job that shows what was found waits for every stage, nothing waits for it, and it turns no run red unless a
    comment is insisted on."""
    jobs = workflow()["jobs"]

    assert jobs["report"]["needs"] == ["plan", *STAGES]
    assert not [name for name, job in jobs.items() if "report" in job.get("needs", [])]
    assert jobs["report"]["continue-on-error"] == "${{ inputs.comment != 'always' }}"


def test_report__every_door_knows_the_plan() -> None:
    """Page, comment and findings are told the whole plan, also where nothing is delivered, and the findings whether it
    is."""
    steps = {step["id"]: step for step in workflow()["jobs"]["report"]["steps"] if "id" in step}
    told = {id: steps[id]["with"]["planned"] for id in ("page", "findings", "comment")}

    assert set(told.values()) == {"${{ join(fromJSON(needs.plan.outputs.stages || '[]'), ',') }}"}
    assert steps["findings"]["with"]["deliver"] == "${{ needs.plan.outputs.deliver == 'true' }}"
    assert "needs.plan.result == 'success'" in steps["findings"]["if"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("cd4ml", 0),
        ("credit-reports", 0),
        ("report", 0),
        ("reporting-eu", 0),
        ("credit-report", 2),
        ("credit-report-eu", 2),
        ("credit-Report", 2),
        ("credit-report-report-check-code", 2),
        ("a b", 2),
        ("*", 2),
        ("", 2),
        ("x\ny", 2),
        ("$(touch here)", 2),
    ],
)
def test_name__not_one_of_another_calls_artifacts(tmp_path: Path, name: str, code: int) -> None:
    """A name whose artifacts another call would download as its own reports is refused, by the comment as well."""
    steps = workflow()["jobs"]["plan"]["steps"]
    (step,) = [step for step in steps if step.get("env") == {"NAME": "${{ inputs.name }}"}]
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    env = {"PATH": "/usr/bin:/bin", "NAME": name}

    run = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)

    assert run.returncode == code and ("::error title=cd4ml::" in run.stdout) is bool(code)
    assert (NAME.fullmatch(name) is None) is bool(code) and not list(tmp_path.iterdir())
    if code == 0:
        assert not fnmatch.fnmatch(f"{name}-report-check-code", "credit-report-*")


@pytest.mark.parametrize(
    ("repository", "code"),
    [("gitops", 0), ("Git.Ops_1-x", 0), ("", 2), (" ", 2), (",", 2), ("a,b", 2), ("a\nb", 2), ("OWNER/gitops", 2)],
)
def test_app__for_one_repository(tmp_path: Path, repository: str, code: int) -> None:
    """An app whose token would be for all repositories that it may reach, or for several, is refused before any job."""
    jobs = workflow()["jobs"]
    (step,) = [step for step in jobs["plan"]["steps"] if "inputs.gitops-app-id" in str(step.get("if"))]
    (app,) = [step for step in jobs["deploy-model"]["steps"] if step.get("id") == "app"]
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    env = {"PATH": "/usr/bin:/bin", "REPOSITORY": repository}

    run = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)

    assert run.returncode == code and ("::error title=cd4ml::" in run.stdout) is bool(code)
    assert step["if"] == app["if"] and step["env"]["REPOSITORY"] == app["with"]["repositories"]


@pytest.mark.parametrize(
    ("candidate", "code"),
    [
        ("models:/credit/7", 0),
        ("models:/credit risk-2/12", 0),
        ("models:/credit@challenger", 2),
        ("models:/credit/latest", 2),
        ("models:/credit/Production", 2),
        ("models:/credit", 2),
        ("models:/a/b/7", 2),
        ("models:/a\\b/7", 2),
        ("models:/%2e/7", 2),
        ("models", 2),
        ("runs:/abc/model", 2),
        ("models:/credit/7\n", 2),
        ("x\nmodels:/credit/7", 2),
        ("$(touch here)", 2),
    ],
)
def test_candidate__one_version(tmp_path: Path, candidate: str, code: int) -> None:
    """Only a version is taken as candidate: an alias could point at another model between two jobs."""
    run = candidate_step(tmp_path, "Refuse a candidate that is not one version", CANDIDATE=candidate)

    assert run.returncode == code and ("::error title=cd4ml::" in run.stdout) is bool(code)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("stages", "code"),
    [
        ('["score-model", "evaluate-model"]', 0),
        ('["check-code", "score-model", "evaluate-model", "audit-fairness"]', 0),
        ('["evaluate-model"]', 2),
        ('["score-model", "audit-fairness"]', 2),
        ('["score-models", "evaluate-model"]', 2),
        ("[]", 2),
        ("", 2),
    ],
)
def test_candidate__is_judged(tmp_path: Path, stages: str, code: int) -> None:
    """A candidate that no stage would score and evaluate is refused before any stage runs."""
    assert candidate_step(tmp_path, "Refuse not to judge the candidate", STAGES=stages).returncode == code


def candidate_step(folder: Path, name: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a step that looks at the candidate; it is there only where one was named."""
    steps = workflow()["jobs"]["plan"]["steps"]
    (step,) = [step for step in steps if step.get("name") == name]
    assert step["if"] == "${{ inputs.candidate != '' }}"
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    env = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(command, cwd=folder, env=env, check=False, capture_output=True, text=True)


def test_candidate__scored_and_built() -> None:
    """The model that is scored and the one that is built are the candidate that was named."""
    jobs = workflow()["jobs"]
    given = {
        name: step["with"]
        for name in ("score-model", "build-image")
        for step in jobs[name]["steps"]
        if "with" in step and step.get("id") == "stage"
    }

    assert given["score-model"]["candidate"] == given["build-image"]["model"] == "${{ inputs.candidate }}"


def test_gate__needs_every_job() -> None:
    """The gate always runs, waits for every job that judges or acts, and asks for each stage's verdict."""
    jobs = workflow()["jobs"]
    (step,) = jobs["gate"]["steps"]

    assert set(jobs["gate"]["needs"]) == set(jobs) - {"gate", "report"} == {"plan", *STAGES}
    assert jobs["gate"]["if"] == "${{ always() }}"
    assert [line.split()[0] for line in step["env"]["JOBS"].splitlines()] == list(STAGES)
    for stage in STAGES:
        for asked in ("result", "outputs.passed", "outputs.warned"):
            assert f"needs.{stage}.{asked} " in step["env"]["JOBS"]
        assert jobs[stage]["outputs"]["warned"] == "${{ steps.stage.outputs.warned }}"


@pytest.mark.parametrize("stage", ["build-image", "deploy-model"])
def test_delivery__asks_for_every_gate(stage: str) -> None:
    """Building and deploying need the word `true` of every configured gate, and the default branch's own events."""
    jobs = workflow()["jobs"]
    condition = jobs[stage]["if"]

    for gate_stage in STAGES[: STAGES.index(stage)]:
        assert f"needs.{gate_stage}.outputs.passed == 'true'" in condition
    assert "needs.plan.outputs.deliver == 'true'" in condition
    assert '["push", "workflow_dispatch", "schedule"]' in jobs["plan"]["outputs"]["deliver"]
