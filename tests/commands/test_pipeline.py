"""`cd4ml run`: every configured gate runs, nothing acts after one that did not pass, and the verdict is the worst."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from cd4ml.cli import main
from cd4ml.commands import stage
from cd4ml.commands.results import Ended
from cd4ml.report import Status
from cd4ml.stages import PIPELINE
from tests.actions.consumer import make_consumer
from tests.conftest import Run

Cli = Callable[..., Run]
ACTS = """
build-image:
  model: model
  image: localhost:1/credit
deploy-model:
  repository: nowhere
  manifest: values.yaml
"""


@pytest.fixture
def consumer(tmp_path: Path) -> Callable[..., Path]:
    """Make a repository without check-code, with more configuration appended."""

    def make(*, broken: str | None = None, more: str = "") -> Path:
        make_consumer(tmp_path, broken=broken)
        text = (tmp_path / "cd4ml.yaml").read_text()
        (tmp_path / "cd4ml.yaml").write_text(text[text.index("validate-data:") :] + more)
        return tmp_path

    return make


def verdicts(folder: Path) -> dict[str, str]:
    """Return the stages' verdicts from the pipeline's report."""
    published = json.loads((folder / "reports" / "pipeline.json").read_text())
    return {stage["stage"]: stage["status"] for stage in published["stages"]}


def pipeline(folder: Path) -> Any:
    """Return the pipeline's report."""
    return json.loads((folder / "reports" / "pipeline.json").read_text())


def test_all_pass__passed(cd4ml: Cli, consumer: Callable[..., Path]) -> None:
    """Where every configured stage passes the run passes; what is not configured is skipped."""
    folder = consumer()

    assert cd4ml("run").code == 0
    assert pipeline(folder)["status"] == "passed"
    assert verdicts(folder) == {
        **dict.fromkeys(PIPELINE, "skipped"),
        "validate-data": "passed",
        "evaluate-model": "passed",
        "audit-fairness": "passed",
    }


@pytest.mark.parametrize("broken", ["validate-data", "evaluate-model", "audit-fairness"])
def test_gate_fails__others_run_and_nothing_acts(cd4ml: Cli, consumer: Callable[..., Path], broken: str) -> None:
    """After a failed gate the other gates still run, and building and deploying do not."""
    folder = consumer(broken=broken, more=ACTS)

    assert cd4ml("run").code == 1
    found = verdicts(folder)
    assert found.pop(broken) == "failed"
    assert (found.pop("build-image"), found.pop("deploy-model")) == ("not-run", "not-run")
    assert set(found.values()) == {"passed", "skipped"}
    assert pipeline(folder)["status"] == "failed"


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--on-failed=warn", "Set `on-failed` in the section of a stage in cd4ml.yaml"),
        ("--on-inconclusiv=warn", "did you mean `--on-inconclusive`?"),
        ("--report=x.json", "did you mean `--reports`?"),
    ],
)
def test_option_of_a_stage__where_to_set_it(
    cd4ml: Cli, consumer: Callable[..., Path], capsys: pytest.CaptureFixture[str], option: str, says: str
) -> None:
    """An option that only stages have is not answered with another one of `run`, but with where it is set."""
    consumer()

    run = cd4ml("run", option, capsys=capsys)

    assert run.code == 2 and says in run.stderr


def test_report_of_an_earlier_run__named(
    cd4ml: Cli, consumer: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A report that this run did not write, and that verdict and page would count, is named."""
    consumer()
    assert cd4ml("run").code == 0
    assert "earlier run" not in capsys.readouterr().err

    assert cd4ml("run", "--stages", "validate-data").code == 0
    said = capsys.readouterr().err
    assert "reports/evaluate-model.json is from an earlier run" in said and "validate-data.json is" not in said


def test_summary__begins_with_all_verdicts(
    cd4ml: Cli, consumer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One table says what became of each stage and why, above what the stages say themselves."""
    consumer(broken="audit-fairness", more=ACTS)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    cd4ml("run")
    table, _, rest = summary.read_text().partition("\n\n### ")

    assert table.startswith("## ❌ cd4ml: failed\n")
    rows = {row.split(" | ")[1]: row.split(" | ")[2:] for row in table.splitlines() if row.startswith("| ")}
    assert [rows[name][0] for name in ("check-code", "validate-data", "audit-fairness", "build-image")] == [
        "skipped",
        "passed",
        "failed",
        "not-run",
    ]
    assert rows["audit-fairness"][2].startswith("1 of 2 checks · 400 rows")
    assert rows["build-image"][2].startswith("audit&#45;fairness did not pass")
    assert rest.startswith("✅ validate-data passed")


def test_scores_missing__not_judged(cd4ml: Cli, consumer: Callable[..., Path]) -> None:
    """Where score-model does not pass, old predictions are never judged in its place."""
    folder = consumer(
        more="score-model: {candidate: nowhere, production: nowhere, test-data: data.csv, target: amount}\n"
    )
    old = pq.read_table(folder / "predictions.parquet")
    pq.write_table(old.replace_schema_metadata({"cd4ml.candidate": "{}"}), folder / "predictions.parquet")

    assert cd4ml("run").code == 3
    assert not (folder / "predictions.parquet").exists()
    found = verdicts(folder)
    assert (found["score-model"], found["evaluate-model"], found["audit-fairness"]) == ("error", "not-run", "not-run")


def test_judging_stage_not_run__warning_is_not_enough(
    cd4ml: Cli, consumer: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where score-model fails and only warns, the run is red: the stages that judge have judged nothing."""
    folder = consumer(more="score-model: {candidate: a, production: b, test-data: data.csv, target: amount}\n")
    failed = Ended(status=Status.FAILED, code=0, warned=True, told=[], outputs={})

    def run_stage(name: str, *rest: Any, **more: Any) -> Ended:
        return failed if name == "score-model" else stage.run_stage(name, *rest, **more)

    monkeypatch.setattr("cd4ml.commands.pipeline.run_stage", run_stage)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))

    assert cd4ml("run").code == 1
    assert verdicts(folder)["evaluate-model"] == "not-run"
    assert re.findall(r"warned<<.*\n(.*)\n", (tmp_path / "output").read_text())[-1] == "false"


def test_error_and_failure__error_wins(cd4ml: Cli, consumer: Callable[..., Path]) -> None:
    """A stage that could not look outranks one that failed, in status and exit code."""
    folder = consumer(broken="audit-fairness")
    (folder / "data.csv").unlink()

    assert cd4ml("run").code == 3
    assert pipeline(folder)["status"] == "error"


@pytest.mark.parametrize("mode, code", [("fail", 4), ("warn", 0)])
def test_inconclusive__never_passed(cd4ml: Cli, consumer: Callable[..., Path], mode: str, code: int) -> None:
    """Too little data does not become `passed` by on-inconclusive: warn, and nothing acts on it."""
    folder = consumer(more=ACTS)
    path = folder / "predictions.parquet"
    pd.read_parquet(path).head(20).to_parquet(path)

    run = cd4ml("run", "--stages", "evaluate-model,build-image", "--on-inconclusive", mode)

    assert run.code == code
    assert pipeline(folder)["status"] == "inconclusive"
    assert verdicts(folder)["build-image"] == "not-run"


@pytest.mark.parametrize(
    "config, arguments, message",
    [
        ("", (), "configures no stage"),
        ("defaults: {}\n", (), "configures no stage"),
        (None, (), "cd4ml.yaml: no such file. Create it"),
        ("audit-fairnes: {}\n", (), "did you mean `audit-fairness`"),
        ("audit-fairness: {}\n", ("--stages", "validate-data"), "has no section `validate-data`"),
        ("audit-fairness: {}\n", ("--stages", "audit-fairnes"), "did you mean `audit-fairness`"),
        ("promote-model: {}\n", (), "configures no stage"),
    ],
)
def test_nothing_to_check__refused(
    tmp_path: Path,
    cd4ml: Cli,
    capsys: pytest.CaptureFixture[str],
    config: str | None,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """A run that would check nothing, or not what was asked for, ends with exit code 2 and says why."""
    if config is not None:
        (tmp_path / "cd4ml.yaml").write_text(config)

    run = cd4ml("run", *arguments, capsys=capsys)

    assert run.code == 2
    assert message in run.stderr


def test_working_directory__entered_once(
    tmp_path: Path, cd4ml: Cli, monkeypatch: pytest.MonkeyPatch, consumer: Callable[..., Path]
) -> None:
    """A working directory from the environment holds for the run; its stages do not enter it a second time."""
    make_consumer(tmp_path / "project")
    monkeypatch.setenv("CD4ML_WORKING_DIRECTORY", "project")

    assert cd4ml("run", "--stages", "audit-fairness").code == 0
    assert verdicts(tmp_path / "project")["audit-fairness"] == "passed"


def test_json__one_document(cd4ml: Cli, consumer: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """With --json standard output holds the pipeline's document and nothing else."""
    folder = consumer()

    run = cd4ml("run", "--stages", "audit-fairness", "--json", capsys=capsys)

    assert json.loads(run.stdout) == pipeline(folder)


def test_report_cannot_be_written__exit_code_3(
    tmp_path: Path, cd4ml: Cli, capsys: pytest.CaptureFixture[str], consumer: Callable[..., Path]
) -> None:
    """A report that cannot be written ends the run with one sentence and exit code 3, not with a traceback."""
    consumer()
    (tmp_path / "reports").write_text("a file where the folder should be")

    run = cd4ml("audit-fairness", capsys=capsys)

    assert run.code == 3
    assert "cannot be written" in run.stderr and "Traceback" not in run.stderr


def test_help__exit_code_0(capsys: pytest.CaptureFixture[str]) -> None:
    """`cd4ml run --help` shows the options."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "--help"])

    assert ended.value.code == 0
    assert "--stages" in capsys.readouterr().out
