"""What a run writes: whole, last, inside the workspace, and never over what is no result."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.actions.consumer import make_consumer
from tests.conftest import ROOT, Run, clean_environment

Cli = Callable[..., Run]
STAGE = "audit-fairness"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder whose audit passes, with the passed report of an earlier run in it."""
    make_consumer(tmp_path)
    report = tmp_path / "reports" / f"{STAGE}.json"
    report.parent.mkdir(exist_ok=True)
    report.write_text('{"schema_version": "1", "stage": "audit-fairness", "status": "passed", "checks": []}')
    return tmp_path


def run(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None, shell: str = "") -> Run:
    """Run the stage as a process, after `shell` has prepared it."""
    command = f'{shell} exec "$0" -m cd4ml "$@"'
    ended = subprocess.run(
        ["bash", "-c", command, sys.executable, *arguments],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(ROOT), **(environ or {})),
        capture_output=True,
        text=True,
        check=False,
    )
    path = folder / "reports" / f"{arguments[0]}.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    return Run(code=ended.returncode, stdout=ended.stdout, stderr=ended.stderr, report=report)


@pytest.mark.parametrize("arguments", [(STAGE,), ("run", "--stages", STAGE)], ids=["stage", "pipeline"])
@pytest.mark.parametrize(
    ("environ", "shell", "what"),
    [
        ({}, "ulimit -f 0;", "cannot be written"),  # every file is full at once
        ({"GITHUB_OUTPUT": "/dev/full"}, "", "/dev/full cannot be written: No space left on device"),
        ({"GITHUB_STEP_SUMMARY": "/dev/full"}, "", "/dev/full cannot be written: No space left on device"),
        ({}, "exec 1>/dev/full;", "The output cannot be written: No space left on device"),
    ],
    ids=["report", "outputs", "summary", "standard-output"],
)
def test_nothing_can_be_written__no_old_verdict_stays(
    project: Path, environ: Mapping[str, str], shell: str, what: str, arguments: tuple[str, ...]
) -> None:
    """Where a result cannot be written the run ends with 3 and one sentence, and no report says `passed`."""
    ended = run(project, *arguments, environ=environ, shell=shell)

    assert ended.code == 3
    assert what in ended.stderr and "Traceback" not in ended.stderr
    report = project / "reports" / f"{STAGE}.json"
    assert not report.exists() or json.loads(report.read_text())["status"] != "passed"
    pipeline = project / "reports" / "pipeline.json"
    assert not pipeline.exists() or json.loads(pipeline.read_text())["status"] != "passed"
    assert not list(project.glob("reports/.*"))


def test_pipeline__report_of_a_stage_that_does_not_come_to_run__removed(project: Path, cd4ml: Cli) -> None:
    """The reports of an earlier run go before the first stage of this one, those of blocked stages included."""
    make_consumer(project, broken=STAGE)
    config = (project / "cd4ml.yaml").read_text()
    (project / "cd4ml.yaml").write_text(f"{config}deploy-model:\n  repository: nowhere\n  manifest: x.yaml\n")
    old = project / "reports" / "deploy-model.json"
    old.write_text('{"schema_version": "1", "stage": "deploy-model", "status": "passed", "checks": []}')

    ended = cd4ml("run", "--stages", f"{STAGE},deploy-model")

    assert ended.code == 1
    assert not old.exists()


@pytest.mark.parametrize("name", ["predictions.parquet", "cd4ml.yaml", "settings.json", "reports"])
def test_report_over_another_file__refused(project: Path, cd4ml: Cli, name: str) -> None:
    """A report never replaces what is no report: an input, a setting, a folder."""
    (project / "settings.json").write_text('{"mine": true}')
    before = {path: path.read_bytes() for path in project.iterdir() if path.is_file()}

    ended = cd4ml(STAGE, "--report", name)

    assert ended.code == 2
    assert "report: " in ended.report["checks"][0]["message"]
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", ["../outside.json", "reports/../../outside.json", "link/outside.json"])
def test_report_outside_the_workspace__refused(tmp_path: Path, name: str) -> None:
    """A relative path does not lead out of the workspace, not through a link either."""
    project = tmp_path / "project"
    make_consumer(project)
    (project / "link").symlink_to(tmp_path)

    ended = run(project, STAGE, "--report", name)

    assert ended.code == 2
    assert "outside the workspace" in ended.report["summary"]
    assert not (tmp_path / "outside.json").exists()


def test_default_place_leads_outside__nothing_is_written(tmp_path: Path) -> None:
    """A folder `reports` that is a link to elsewhere is refused, though nobody named it."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    make_consumer(project)
    elsewhere.mkdir()
    (project / "reports").symlink_to(elsewhere)

    ended = run(project, STAGE)

    assert ended.code == 2
    assert "outside the workspace" in ended.stdout + ended.stderr
    assert not list(elsewhere.iterdir())


def test_absolute_path__on_a_runner_refused_else_taken(tmp_path: Path) -> None:
    """On a runner the files of a pull request name the path; elsewhere the user does."""
    project = tmp_path / "project"
    make_consumer(project)
    outside = tmp_path / "outside.json"

    assert run(project, STAGE, "--report", str(outside), environ={"GITHUB_WORKSPACE": str(project)}).code == 2
    assert not outside.exists()
    on_runner = {"GITHUB_WORKSPACE": str(project), "RUNNER_TEMP": str(tmp_path)}
    assert run(project, STAGE, "--report", str(outside), environ=on_runner).code == 0
    outside.unlink()
    assert run(project, STAGE, "--report", str(outside)).code == 0
    assert outside.exists()


@pytest.mark.parametrize("arguments", [(STAGE,), (STAGE, "--report", "reports/linked.json")], ids=["default", "named"])
def test_link_to_an_old_report__does_not_outlive_the_run(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A link in the report's place goes like a report: what it points at says `passed` of nobody, and is left alone."""
    project, old = tmp_path / "project", tmp_path / "old.json"
    make_consumer(project, broken=STAGE)
    old.write_text('{"schema_version": "1", "stage": "audit-fairness", "status": "passed", "checks": []}')
    place = project / "reports" / ("linked.json" if len(arguments) > 1 else f"{STAGE}.json")
    place.parent.mkdir()
    place.symlink_to(old)

    assert run(project, *arguments).code == 1

    assert not place.is_symlink()
    assert json.loads(place.read_text())["status"] == "failed"
    assert json.loads(old.read_text())["status"] == "passed"


def test_another_report_and_an_empty_file__replaced(project: Path, cd4ml: Cli) -> None:
    """What an earlier run wrote, and a file that `mktemp` made, are places for a report."""
    (project / "empty.json").touch()

    assert cd4ml(STAGE, "--report", "empty.json").code == 0
    assert cd4ml(STAGE, "--report", "empty.json").code == 0
    assert json.loads((project / "empty.json").read_text())["status"] == "passed"


@pytest.fixture
def failing(project: Path) -> Path:
    """Return a folder whose audit fails, and only warns."""
    make_consumer(project, broken=STAGE)
    config = (project / "cd4ml.yaml").read_text()
    (project / "cd4ml.yaml").write_text(f"{config}  on-failed: warn\n")
    return project


def test_failed_but_only_warns__exit_0_and_never_passed(failing: Path) -> None:
    """`on-failed: warn` lets a change through without saying that it passed: not in report, outputs or summary."""
    outputs, summary = failing / "outputs", failing / "summary"
    platform = {"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}

    ended = run(failing, STAGE, environ=platform)

    assert (ended.code, ended.report["status"]) == (0, "failed")
    written = outputs.read_text()
    assert "\npassed\n" not in written
    assert written.rpartition("passed<<")[2].splitlines()[1] == "false"
    assert written.rpartition("warned<<")[2].splitlines()[1] == "true"
    assert "only warns" in summary.read_text()
    assert "::warning " in ended.stderr and "::error " not in ended.stderr


def test_error_never_only_warns(failing: Path) -> None:
    """What could not be decided blocks, whatever a failure does."""
    (failing / "predictions.parquet").unlink()

    assert run(failing, STAGE).code == 3


def test_warning_in_the_pipeline__open_but_not_passed_and_nothing_acts(failing: Path) -> None:
    """A pipeline with a warning ends with 0 and is not passed; what delivers does not run."""
    config = (failing / "cd4ml.yaml").read_text()
    (failing / "cd4ml.yaml").write_text(f"{config}deploy-model:\n  repository: nowhere\n  manifest: x.yaml\n")
    outputs = failing / "outputs"

    ended = run(failing, "run", "--stages", f"{STAGE},deploy-model", environ={"GITHUB_OUTPUT": str(outputs)})

    pipeline = json.loads((failing / "reports" / "pipeline.json").read_text())
    assert (ended.code, pipeline["status"]) == (0, "failed")
    assert [stage["status"] for stage in pipeline["stages"] if stage["stage"] == "deploy-model"] == ["not-run"]
    assert outputs.read_text().rpartition("warned<<")[2].splitlines()[1] == "true"
    assert "\npassed\n" not in outputs.read_text()
