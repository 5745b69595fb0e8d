"""`retrain.yml`, step by step: what each refuses, and what the verdict is made of. It runs as a whole in
tests/real_engines/test_retrain.py."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from cd4ml.digests import file_sha256
from tests.actions import runner_oracle
from tests.actions.test_lint import load
from tests.conftest import ROOT

JOBS: Final = ("request", "plan", "search", "select", "train", "gates")
MAIN: Final = {"EVENT": "workflow_dispatch", "REF": "refs/heads/main", "DEFAULT": "main", "TYPED": "", "SENT": '""'}


def step(job: str, name: str) -> str:
    """Return the shell text of a step."""
    steps = load(ROOT / ".github" / "workflows" / "retrain.yml")["jobs"][job]["steps"]
    (found,) = [one["run"] for one in steps if one.get("name") == name]
    return str(found)


def bash(folder: Path, text: str, **env: str) -> tuple[int, dict[str, str]]:
    """Run a step's text; return its exit code and its outputs."""
    output = folder.parent / "output"
    output.write_text("")
    ended = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "GITHUB_OUTPUT": str(output), **env},
        check=False,
        capture_output=True,
        text=True,
    )
    return ended.returncode, runner_oracle.outputs(output.read_text())


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """Return an empty folder to run steps in."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({}, ""),
        ({"TYPED": "17"}, "17"),
        ({"EVENT": "schedule", "DEFAULT": ""}, ""),
        ({"EVENT": "repository_dispatch", "SENT": "17"}, "17"),
        ({"EVENT": "repository_dispatch", "SENT": "17", "TYPED": "17"}, "17"),
    ],
)
def test_request__read(room: Path, given: dict[str, str], number: str) -> None:
    """The number of the request comes from the event or from who starts the run; without one nobody asked."""
    assert bash(room, step("request", "Read who asks"), **{**MAIN, **given}) == (0, {"number": number})


@pytest.mark.parametrize(
    "given",
    [
        *({"SENT": text, "EVENT": "repository_dispatch"} for text in ('""', "null", '"17"', "0", "-1", "17.5", "1e3")),
        *(
            {"SENT": text, "EVENT": "repository_dispatch"}
            for text in ("[17]", "17\n18", "99999999999", "$(touch here)")
        ),
        {"SENT": "17", "TYPED": "18", "EVENT": "repository_dispatch"},
        {"SENT": "17", "REF": "refs/heads/other", "EVENT": "repository_dispatch"},
        *({"TYPED": text} for text in ("1; touch here", " 1", "#1", "0", "x", "`touch here`")),
        {"REF": "refs/heads/other"},
        {"REF": "refs/heads/", "DEFAULT": ""},
        *({"EVENT": event} for event in ("push", "pull_request", "pull_request_target", "issue_comment", "")),
    ],
)
def test_request__refused(room: Path, given: dict[str, str]) -> None:
    """An event that brings no number, or another one than was named, is refused, and so are other events and branches;
    nothing of it is ever run."""
    assert bash(room, step("request", "Read who asks"), **{**MAIN, **given}) == (2, {})
    assert not list(room.iterdir())


def verdict(room: Path, jobs: Mapping[str, str] | None = None, *, served: str = "", version: str = "v") -> Any:
    """Run the step of the verdict; jobs that are not named passed."""
    lines = "".join(f"{name} {(jobs or {}).get(name, 'success true')}\n" for name in JOBS)
    text = step("verdict", "Every step passed, or nothing was due")
    return bash(room, text, JOBS=lines, SERVED=served, VERSION=version, REQUEST="17")


def test_verdict__green(room: Path) -> None:
    """All that passed is green and passed; a stage that only warns, and a request that was served, are green alone."""
    skipped = dict.fromkeys(JOBS[2:], "skipped ") | {"search": "skipped true"}

    assert verdict(room) == (0, {"passed": "true"})
    assert verdict(room, {"gates": "success false"}) == (0, {"passed": "false"})
    assert verdict(room, skipped, served="models:/credit/7", version="") == (0, {"passed": "false"})


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("told", ["failure ", "failure true", "cancelled ", "skipped ", "success ", "success ***", ""])
def test_verdict__red(room: Path, name: str, told: str) -> None:
    """A step that failed, was left out or says nothing of what it found is red, served or not."""
    assert verdict(room, {name: told}) == (1, {"passed": "false"})
    if told != "skipped " or name not in JOBS[2:]:
        skipped = dict.fromkeys(JOBS[2:], "skipped ") | {name: told}
        assert verdict(room, skipped, served="models:/credit/7", version="") == (1, {"passed": "false"})


@pytest.mark.parametrize(("served", "version"), [("", ""), ("models:/credit/7", "v")])
def test_verdict__of_no_version(room: Path, served: str, version: str) -> None:
    """Where no version was registered, or one although the request was served, the verdict is red."""
    assert verdict(room, served=served, version=version) == (1, {"passed": "false"})


@pytest.mark.parametrize("harm", ["", "journal-1.log", "journal-0.sha256", "changed", "swapped"])
def test_journals__arrived(room: Path, harm: str) -> None:
    """A journal that is missing, changed, of another job or without its digest stops the selection."""
    for job in range(2):
        (room / f"journal-{job}.log").write_text(f"trials of job {job}\n")
        digest = file_sha256(room / f"journal-{job}.log")
        assert bash(room, step("search", "Write the journal's digest beside it"), JOB=str(job), SHA256=digest)[0] == 0
    if harm == "changed":
        (room / "journal-1.log").write_text("trials of job 1, and more\n")
    elif harm == "swapped":
        (room / "journal-0.log").rename(room / "journal-1.log")
    elif harm:
        (room / harm).unlink()

    code, _ = bash(room, step("select", "Check that each journal arrived as its job wrote it"), JOBS="0 1")

    assert code == bool(harm)


@pytest.mark.parametrize(
    ("job", "name", "file"),
    [
        ("search", "Check that the plan is the one that was made", "plan.json"),
        ("select", "Check that the plan is the one that was made", "plan.json"),
        ("train", "Check that the plan is the one that was made", "plan.json"),
        ("train", "Check that the parameters are the ones that were selected", "selected.json"),
    ],
)
def test_files__arrived(room: Path, job: str, name: str, file: str) -> None:
    """A plan or a selection is used only if its digest is the one that its job told; no digest is no match."""
    (room / file).write_text("{}\n")

    assert bash(room, step(job, name), SHA256=file_sha256(room / file))[0] == 0
    assert bash(room, step(job, name), SHA256="0" * 64)[0] != 0
    assert bash(room, step(job, name), SHA256="")[0] != 0


def test_jobs__one_after_the_other() -> None:
    """Each step asks for the verdict of the one before; the gates judge the version that was registered, and get every
    input and secret of the pipeline; the verdict waits for all."""
    document = load(ROOT / ".github" / "workflows" / "retrain.yml")
    called = load(ROOT / ".github" / "workflows" / "pipeline.yml")["on"]["workflow_call"]
    jobs = document["jobs"]

    assert "needs.plan.outputs.passed == 'true'" in jobs["search"]["if"]
    assert set(jobs["select"]["needs"]) == {"plan", "search"} and "if" not in jobs["select"]
    assert jobs["train"]["if"] == "${{ needs.select.outputs.passed == 'true' }}"
    assert jobs["gates"]["if"] == "${{ needs.train.outputs.passed == 'true' && needs.train.outputs.version != '' }}"
    assert jobs["gates"]["with"]["candidate"] == "${{ needs.train.outputs.version }}"
    assert set(jobs["gates"]["with"]) == set(called["inputs"]) - {"sarif"}  # which needs a permission of its own
    assert set(jobs["gates"]["secrets"]) == set(called["secrets"]) == set(document["on"]["workflow_call"]["secrets"])
    assert tuple(jobs["verdict"]["needs"]) == JOBS and jobs["verdict"]["if"] == "${{ always() }}"
    assert all("timeout-minutes" in job for name, job in jobs.items() if name != "gates")


def test_secrets__not_where_training_code_runs() -> None:
    """The jobs that score parameters see no secret; of the others only the step that asks the registry does."""
    jobs = load(ROOT / ".github" / "workflows" / "retrain.yml")["jobs"]
    seeing = {
        (name, one["uses"]) for name, job in jobs.items() for one in job.get("steps", ()) if "secrets." in str(one)
    }

    assert seeing == {("plan", "$/actions/plan-search"), ("train", "$/actions/train-model")}
