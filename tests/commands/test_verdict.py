"""`cd4ml verdict`: 0 only if every planned stage passed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from tests.conftest import Run

Command = Callable[..., Run]


def status(name: str, **more: Any) -> dict[str, Any]:
    """Return the parts of a report with one check of a status."""
    return {"status": name, "checks": [{"id": "x", "status": name, "message": "Said."}], **more}


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("passed", {}, 0),
        ("failed", {}, 1),
        ("error", {}, 3),
        ("inconclusive", {}, 4),
        ("failed", {"on-failed": "warn"}, 1),
        ("inconclusive", {"on-inconclusive": "warn"}, 4),
    ],
)
def test_codes(
    name: str, options: dict[str, str], code: int, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worst verdict decides, and one that only warns is not a pass."""
    reports.write(tmp_path / "reports", "check-code")
    reports.write(tmp_path / "reports", "validate-data", **status(name, options=options))

    run = cd4ml("verdict", "--planned", "check-code,validate-data", capsys=capsys)

    assert run.code == code and run.stdout == f"check-code: passed\nvalidate-data: {name}\n"


def test_missing(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stage without a report is no pass; one that waited for another that failed is said not to have run."""
    reports.write(tmp_path / "reports", "check-code")
    missing = cd4ml("verdict", "--planned", "check-code,validate-data", capsys=capsys)
    reports.write(tmp_path / "reports", "score-model", **status("failed"))
    waited = cd4ml("verdict", "--planned", "score-model,evaluate-model", capsys=capsys)

    assert missing.code == 3 and "validate-data: missing" in missing.stdout
    assert waited.code == 1 and "evaluate-model: not-run" in waited.stdout


def test_refusals(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is not known what had to run, or nothing was looked at, there is no verdict."""
    reports.write(tmp_path / "reports", "check-code")
    unknown = cd4ml("verdict", capsys=capsys)
    reports.write(tmp_path / "reports", "check-code", status="skipped", checks=[])
    skipped = cd4ml("verdict", "--planned", "check-code", capsys=capsys)

    assert unknown.code == 2 and "--planned" in unknown.stderr
    assert skipped.code == 3 and "had to run" in skipped.stdout


@pytest.mark.parametrize("planned", [("--planned", "score-model,evaluate-model"), ()])
def test_pipeline_report__not_believed(
    planned: tuple[str, ...], cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage that pipeline.json calls `not-run` is missing where the one that it waited for has passed since."""
    reports.write(tmp_path / "reports", "score-model")
    said = [{"stage": "score-model", "status": "error"}, {"stage": "evaluate-model", "status": "not-run"}]
    (tmp_path / "reports" / "pipeline.json").write_text(json.dumps({"stages": said}))

    run = cd4ml("verdict", *planned, capsys=capsys)

    assert run.code == 3 and run.stdout == "score-model: passed\nevaluate-model: missing\n"


def test_pipeline_report__does_not_overrule_planned(
    cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A planned stage without a report is missing, though pipeline.json calls it skipped."""
    reports.write(tmp_path / "reports", "check-code")
    said = [{"stage": "check-code", "status": "passed"}, {"stage": "evaluate-model", "status": "skipped"}]
    (tmp_path / "reports" / "pipeline.json").write_text(json.dumps({"stages": said}))

    run = cd4ml("verdict", "--planned", "check-code,evaluate-model", capsys=capsys)

    assert run.code == 3 and "evaluate-model: missing" in run.stdout


def test_pipeline_report__without_stages(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A pipeline.json that names no stage does not say what had to run, so that there is no verdict."""
    reports.write(tmp_path / "reports", "check-code")
    (tmp_path / "reports" / "pipeline.json").write_text('{"status": "error", "stages": []}')

    run = cd4ml("verdict", capsys=capsys)

    assert run.code == 3 and "pipeline.json: unreadable: " in run.stdout and "names no stage" in run.stdout


def sources(cd4ml: Command, folder: Path, capsys: pytest.CaptureFixture[str], **sources: Any) -> Run:
    """Return the verdict on reports of stages about these sources, by commit and changed files."""
    for stage, (commit, modified) in sources.items():
        reports.write(folder / "reports", stage.replace("_", "-"), source={"git_sha": commit, "modified": modified})
    return cd4ml("verdict", "--planned", ",".join(sources).replace("_", "-"), capsys=capsys)


def test_modified__said(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reports of one modified checkout stand together, and are said to be no evidence of the commit."""
    changed = ["a.py", "b.py", "c.py", "d.py"]
    same = sources(cd4ml, tmp_path, capsys, check_code=("a" * 40, changed), validate_data=("a" * 40, changed[::-1]))
    clean = sources(cd4ml, tmp_path, capsys, check_code=("a" * 40, []), validate_data=("a" * 40, []))
    outside = sources(cd4ml, tmp_path, capsys, check_code=(None, None), validate_data=(None, None))

    said = "check-code, validate-data: no evidence of the commit itself (not committed: a.py, b.py, c.py and 1 more).\n"
    assert (same.code, same.stderr) == (0, said)
    assert (clean.code, clean.stderr) == (outside.code, outside.stderr) == (0, "")


@pytest.mark.parametrize(("one", "other"), [([], ["a.py"]), (["a.py"], ["b.py"]), ([], None), (None, ["a.py"])])
def test_modified__disagreement_is_no_verdict(
    one: Any, other: Any, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reports of one commit that are about different files of it lead to no verdict and no badge."""
    run = sources(cd4ml, tmp_path, capsys, check_code=("a" * 40, one), validate_data=("a" * 40, other))
    badge = cd4ml("export", "--badge", "badge.json", "--planned", "check-code,validate-data", capsys=capsys)

    assert (run.code, badge.code) == (2, 2) and "different files of one commit" in run.stderr
    assert run.stdout == "" and not (tmp_path / "badge.json").exists()


def test_modified__by_the_run_itself(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tracked predictions that this run wrote do not part what is judged on the model from the rest."""
    own = ["predictions.parquet"]
    run = sources(cd4ml, tmp_path, capsys, check_code=("a" * 40, []), evaluate_model=("a" * 40, own))

    assert run.code == 0 and run.stderr.startswith("evaluate-model: no evidence of the commit itself")


def test_different_test_rows(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reports about different test rows are named, and those about the same ones are not."""
    for stage, digest in (("check-split", "a"), ("score-model", "b")):
        inputs = [{"name": "test-data", "path": "t", "sha256": digest * 64}]
        reports.write(tmp_path / "reports", stage, inputs=inputs)
    other = cd4ml("verdict", "--planned", "check-split,score-model", capsys=capsys)
    reports.write(tmp_path / "reports", "check-split", inputs=inputs)
    same = cd4ml("verdict", "--planned", "check-split,score-model", capsys=capsys)

    told = f"different test rows: check-split ({'a' * 12}); score-model ({'b' * 12})"
    assert told in other.stderr and "different test rows" not in same.stderr
