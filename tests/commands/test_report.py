"""`cd4ml report`: reads a folder of reports strictly, and writes one page or says why not."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import reports
from tests.conftest import ROOT, Run, run_cd4ml

FOLDER = "reports"
Command = Callable[..., Run]


def pipeline(folder: Path, **stages: str) -> None:
    """Write the pipeline's own report."""
    said = [{"stage": name.replace("_", "-"), "status": status} for name, status in stages.items()]
    (folder / "pipeline.json").write_text(json.dumps({"schema_version": "1", "status": "failed", "stages": said}))


def test_writes_a_page(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page lies beside the reports, the exit code is 0 whatever the verdict, and a second run replaces it."""
    check = {"id": "x", "status": "failed", "message": "Bad."}
    reports.write(tmp_path / FOLDER, "check-code", status="failed", checks=[check])
    assert cd4ml("report", capsys=capsys).code == 0
    first = (tmp_path / FOLDER / "index.html").read_text()

    run = cd4ml("report", capsys=capsys)

    assert run.code == 0 and (tmp_path / FOLDER / "index.html").read_text() == first
    assert run.stdout == "reports/index.html: 1 report, verdict failed.\n"


def test_output(cd4ml: Command, tmp_path: Path) -> None:
    """`--reports` and `--output` say where reports are and where the page goes."""
    reports.write(tmp_path / "there", "check-code")

    assert cd4ml("report", "--reports", "there", "--output", "here/page.html").code == 0
    assert (tmp_path / "here" / "page.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["index.html", "index.txt"])
def test_output__never_over_another_file(
    name: str, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no page of an earlier run is not replaced, and no other kind of file is written."""
    reports.write(tmp_path / FOLDER, "check-code")
    (tmp_path / name).write_text("<!doctype html><p>Mine.</p>")

    run = cd4ml("report", "--output", name, capsys=capsys)

    assert run.code == 2 and name in run.stderr
    assert (tmp_path / name).read_text() == "<!doctype html><p>Mine.</p>"


def test_nothing_to_read(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is missing ends with 3, one without reports with 2; both say what to do, and no page is written."""
    missing = cd4ml("report", capsys=capsys)
    (tmp_path / FOLDER).mkdir()
    empty = cd4ml("report", capsys=capsys)

    assert (missing.code, empty.code) == (3, 2)
    assert "reports cannot be read" in missing.stderr and "Run the stages first" in missing.stderr
    assert "holds no report" in empty.stderr and "Run the stages first" in empty.stderr
    assert not (tmp_path / FOLDER / "index.html").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": "9"}', "\x00"])
@pytest.mark.parametrize("name", ["audit-fairness.json", "pipeline.json"])
def test_damaged(name: str, content: str, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged report is named on the page, whose verdict is an error: what it would say could be what blocks."""
    reports.write(tmp_path / FOLDER, "check-code")
    (tmp_path / FOLDER / name).write_text(content)

    run = cd4ml("report", capsys=capsys)

    assert run.code == 0 and f"verdict error. Cannot be read: {name.removesuffix('s.json')}" in run.stdout
    text = (tmp_path / FOLDER / "index.html").read_text()
    assert "<title>cd4ml: error</title>" in text and f"{FOLDER}/{name}" in text and "unreadable" in text


def test_status_that_contradicts_its_checks(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report that says `passed` above a failed check is taken for none."""
    check = {"id": "x", "status": "failed", "message": "Bad."}
    reports.write(tmp_path / FOLDER, "check-code", checks=[check])

    run = cd4ml("report", capsys=capsys)

    assert run.code == 0 and run.stdout.endswith("0 reports, verdict error. Cannot be read: check-code.\n")
    assert "the worst of its checks is &#x27;failed&#x27;" in (tmp_path / FOLDER / "index.html").read_text()


def test_other_files(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stage's second report is read under its own name; a file that is no report is left out, and that is said."""
    folder = tmp_path / FOLDER
    reports.write(folder, "validate-data")
    (folder / "serving.json").write_text(json.dumps(reports.document("validate-data")))
    (folder / "coverage.json").write_text("{}")

    run = cd4ml("report", capsys=capsys)

    assert run.code == 0 and "2 reports" in run.stdout and "left out: coverage.json" in run.stdout
    assert "validate-data (serving.json)" in (folder / "index.html").read_text()


def test_absent_stages(cd4ml: Command, tmp_path: Path) -> None:
    """What the pipeline says of stages without a report is on the page; a report that is gone is an error."""
    reports.write(tmp_path / FOLDER, "check-code")
    pipeline(
        tmp_path / FOLDER, check_code="passed", validate_data="skipped", audit_fairness="failed", build_image="not-run"
    )

    assert cd4ml("report").code == 0
    text = (tmp_path / FOLDER / "index.html").read_text()

    assert "<title>cd4ml: error</title>" in text
    assert "its report is not in the folder" in text and "did not run" in text and "not configured" in text


def test_planned__missing_or_held_back(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A planned stage without a report is an error, unless one that it needs failed; an unknown name is refused."""
    reports.write(tmp_path / FOLDER, "check-code")
    told = [
        cd4ml("report", "--planned", names, capsys=capsys)
        for names in ("check-code,build-image", "check-code,validate-data", "check-cod")
    ]
    assert [run.code for run in told] == [0, 0, 2] and "did you mean `check-code`" in told[2].stderr
    assert [run.stdout.rpartition("verdict ")[2] for run in told] == ["passed.\n", "error.\n", ""]

    failed = [{"id": "x", "status": "failed", "message": "Columns differ."}]
    reports.write(tmp_path / FOLDER, "score-model", status="failed", checks=failed)
    held = cd4ml("report", "--planned", "check-code,score-model,evaluate-model", capsys=capsys)
    assert held.stdout.endswith("verdict failed.\n")


def test_secrets(tmp_path: Path) -> None:
    """A secret of the caller's environment that a report of elsewhere holds does not reach the page."""
    reports.write(tmp_path / FOLDER, "check-code", summary="Token hunter2hunter2 in https://user:pass@example.org/x.")

    assert run_cd4ml(tmp_path, "report", env={"MY_TOKEN": "hunter2hunter2"}).code == 0
    text = (tmp_path / FOLDER / "index.html").read_text()

    assert "hunter2" not in text and "user:pass" not in text and "***" in text


def test_documented(cd4ml: Command, tmp_path: Path) -> None:
    """The command that the page in the documentation shows works as it stands."""
    (line,) = re.findall(r"^\$ cd4ml report (.*)$", (ROOT / "docs" / "report.md").read_text(), re.M)
    reports.write(tmp_path / FOLDER, "check-code")

    assert cd4ml("report", *line.split()).code == 0
    assert (tmp_path / FOLDER / "index.html").exists()


def test_without_the_library(
    cd4ml: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the library that draws, the command ends with 3, one message names it, and no page is written."""
    reports.write(tmp_path / FOLDER, "check-code")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "vl_convert" else found(name))

    run = cd4ml("report", capsys=capsys)

    assert run.code == 3 and "vl_convert" in run.stderr and "requirements/report.txt" in run.stderr
    assert not (tmp_path / FOLDER / "index.html").exists()


def test_help_is_light() -> None:
    """The command's help does not load the library that draws."""
    code = "import sys; from cd4ml.cli import main; main(['report', '--help']); print(*sys.modules, file=sys.stderr)"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)

    assert "usage" in ran.stdout and "vl_convert" not in ran.stderr
