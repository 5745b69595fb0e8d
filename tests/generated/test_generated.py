"""What is generated is up to date, and the schemas hold for what is really written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from cd4ml.errors import OptionsError
from cd4ml.published import EDITOR_HEADER, RELEASE, REPOSITORY
from cd4ml.report import v1
from cd4ml.report.reading import read
from cd4ml.scoring.behaviour.reading import read_behaviour
from cd4ml.stages import STAGES
from tests.actions.consumer import make_consumer
from tests.conftest import ROOT, Run, missing

SCHEMAS = ["cd4ml.schema.json", "report.v1.schema.json", "behaviour.schema.json", "prediction-event.v1.schema.json"]


def schema(name: str) -> Any:
    """Return a published JSON Schema."""
    return json.loads((ROOT / "docs" / name).read_text())


def problems(name: str, document: Any) -> list[str]:
    """Return what a schema finds wrong with a document."""
    found = jsonschema.Draft202012Validator(schema(name)).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


def test_generated__up_to_date() -> None:
    """Actions, tables and schemas are what the options say; else the message names the command to run."""
    result = subprocess.run(
        [sys.executable, "bin/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy what is generated, and what it is generated from."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (
            name.startswith(("cd4ml/", "docs/", "bin/", "action", "README", ".github/", "templates/", "charts/"))
            and (ROOT / name).is_file()
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator of a copy."""
    command = [sys.executable, str(folder / "bin" / "generate.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def change(path: Path, old: str, new: str) -> str:
    """Change a file in one place; return what it was."""
    original = path.read_text()
    assert old in original
    path.write_text(original.replace(old, new, 1))
    return original


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("actions/audit-fairness/action.yml", "required: false", "default: x"),
        ("docs/reference.md", "| stage | it passes only if |", "| stage | it passes if |"),
        (".github/workflows/pipeline.yml", "needs: [plan, score-model]", "needs: [plan]"),
        (".github/workflows/pipeline.yml", "            deploy-model ${{", "            # ${{"),
        ("templates/gitlab/template.yml", "needs: [cd4ml-score-model]", "needs: []"),
        ("templates/jenkins/Jenkinsfile", "judge('evaluate-model score-model')", "judge('evaluate-model')"),
    ],
)
def test_generated__drift_is_found(copy: Path, name: str, old: str, new: str) -> None:
    """A changed file fails the check by name, and writing makes it what it was."""
    original = change(copy / name, old, new)

    checked = generate(copy, "--check")
    assert checked.returncode == 1
    assert name in checked.stderr and "make generate" in checked.stderr
    assert generate(copy).returncode == 0
    assert (copy / name).read_text() == original


@pytest.mark.parametrize(
    ("name", "old", "new", "marker"),
    [
        ("docs/reference.md", "<!-- /inputs -->", "", "<!-- inputs -->"),
        ("docs/reference.md", "<!-- outputs -->", "<!-- outputs ->", "<!-- outputs -->"),
        ("docs/reference.md", "<!-- stages -->", "<!-- /stages -->\n<!-- stages -->", "<!-- stages -->"),
        ("docs/reference.md", "<!-- exit-codes -->", "<!-- exit-codes -->\n<!-- exit-codes -->", "<!-- exit-codes -->"),
        ("docs/stages/check-code.md", "<!-- options -->", "", "<!-- options -->"),
        (".github/workflows/pipeline.yml", "# </gate-jobs>", "", "# <gate-jobs>"),
        (".github/workflows/pipeline.yml", "# <check-code>", "# check-code", "# <check-code>"),
    ],
)
@pytest.mark.parametrize("arguments", [("--check",), ()], ids=["check", "write"])
def test_markers__missing_or_doubled(
    copy: Path, name: str, old: str, new: str, marker: str, arguments: tuple[str, ...]
) -> None:
    """A generated part whose markers are not there once each is an error that names file and marker, not an old text
    that counts as up to date."""
    change(copy / name, old, new)
    broken = (copy / name).read_text()

    run = generate(copy, *arguments)

    assert run.returncode == 1
    assert f"{name}: expected {marker}" in run.stderr
    assert (copy / name).read_text() == broken


def add_stage(folder: Path, declared: str) -> None:
    """Add a stage `trial-stage` to the graph of a copy, with all that is written by hand but a job."""
    graph = folder / "cd4ml" / "stages" / "__init__.py"
    change(graph, '    "build-image": StageInfo(', f'    "trial-stage": {declared},\n    "build-image": StageInfo(')
    stage = folder / "cd4ml" / "stages" / "trial_stage"
    stage.mkdir()
    (stage / "options.py").write_bytes((graph.parent / "check_code" / "options.py").read_bytes())
    (folder / "docs" / "stages" / "trial-stage.md").write_text("# trial-stage\n<!-- options -->\n<!-- /options -->\n")


@pytest.mark.parametrize(
    ("needs", "waits_for"),
    [("", ["plan"]), (', needs=("score-model",)', ["plan", "score-model"])],
    ids=["free", "needs"],
)
def test_stage_without_a_job(copy: Path, needs: str, waits_for: list[str]) -> None:
    """A stage that is in the pipeline and has no job fails the check; writing gives it one that the others wait for."""
    add_stage(copy, f'StageInfo(summary="No row is in both."{needs})')

    checked = generate(copy, "--check")
    assert checked.returncode == 1 and ".github/workflows/pipeline.yml" in checked.stderr
    assert generate(copy).returncode == 0
    assert generate(copy, "--check").returncode == 0

    jobs = YAML(typ="safe").load((copy / ".github" / "workflows" / "pipeline.yml").read_text())["jobs"]
    assert jobs["trial-stage"]["needs"] == waits_for
    assert [step["uses"] for step in jobs["trial-stage"]["steps"] if step.get("id")] == ["$/actions/trial-stage"]
    assert all("trial-stage" in jobs[name]["needs"] for name in ("build-image", "deploy-model", "gate"))
    assert "trial-stage" in jobs["gate"]["steps"][0]["env"]["JOBS"]
    assert (copy / "templates" / "gitlab" / "template.yml").read_text().count(", cd4ml-trial-stage") == 2
    assert "judge('trial-stage" in (copy / "templates" / "jenkins" / "Jenkinsfile").read_text()
    assert "score-model" not in str(jobs["trial-stage"]["steps"]) or needs


def test_stage_that_acts_without_a_job(copy: Path) -> None:
    """The job of a stage that changes the world is never made up: it is asked for."""
    add_stage(copy, 'StageInfo(summary="No row is in both.", acts=True)')

    run = generate(copy)

    assert run.returncode == 1
    assert "pipeline.yml: trial-stage has no job; write it" in run.stderr


def test_job_without_a_stage(copy: Path) -> None:
    """A job that belongs to no stage is an error: nobody would wait for it."""
    change(copy / ".github" / "workflows" / "pipeline.yml", "\njobs:\n", "\njobs:\n  trial-stage:\n    steps: []\n\n")

    run = generate(copy, "--check")

    assert run.returncode == 1
    assert "trial-stage is not a stage of the pipeline" in run.stderr


def test_schemas__valid() -> None:
    """The published schemas are schemas."""
    for name in SCHEMAS:
        jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.filterwarnings("ignore")
def test_report__meets_its_schema(cd4ml: Callable[..., Run], tmp_path: Path, stage: str) -> None:
    """Every stage's report meets the schema and is read back: a verdict where one is quick, an error for the others."""
    make_consumer(tmp_path)

    run = cd4ml(stage)

    assert problems("report.v1.schema.json", run.report) == []
    assert v1.document(read(run.report)) == run.report
    assert run.report["stage"] == stage


@pytest.mark.parametrize("broken", ["validate-data", "evaluate-model", "audit-fairness"])
def test_failed_report__meets_its_schema(cd4ml: Callable[..., Run], tmp_path: Path, broken: str) -> None:
    """The report of a blocked change meets the schema as well."""
    make_consumer(tmp_path, broken=broken)

    run = cd4ml(broken)

    assert run.report["status"] == "failed"
    assert problems("report.v1.schema.json", run.report) == []


def test_report_schema__refuses() -> None:
    """The schema is not one that everything meets: unknown keys, states and NaN-like texts are refused."""
    good = {"schema_version": "1", "tool": {"name": "cd4ml", "version": "1"}, "stage": "check-code", "status": "passed"}

    assert problems("report.v1.schema.json", good)
    assert problems("report.v1.schema.json", {**good, "status": "ok"})
    assert problems("report.v1.schema.json", {**good, "more": 1})


CONFIGURATIONS = sorted((ROOT / "examples").glob("*/cd4ml.yaml"))


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=[path.parent.name for path in CONFIGURATIONS])
def test_config_schema__accepts_the_examples(path: Path) -> None:
    """An example's configuration meets the schema that editors use, and its first line tells them where that is."""
    assert problems("cd4ml.schema.json", YAML(typ="safe").load(path.read_text())) == []
    assert path.read_text().splitlines()[0] == EDITOR_HEADER


@pytest.mark.parametrize(
    ("test", "good"),
    [
        ({"columns": ["a", "b"], "change": "noise", "step": 0.5, "maximum-flips": 0}, True),
        ({"columns": "a", "change": "unit", "factor": 10, "may-refuse": True}, True),
        ({"columns": "a", "change": "missing", "step": 0.5}, False),
        ({"columns": "a", "change": "case"}, False),
        ({"columns": "a", "change": "missing", "maximum-flips": 2}, False),
        ({"columns": "a", "change": "missing", "maximum-flips": 1}, False),
        ({"columns": [], "change": "missing"}, False),
        ({"column": "a", "change": "missing"}, False),
    ],
)
def test_behaviour_schema__says_what_the_reader_says(tmp_path: Path, test: dict[str, Any], good: bool) -> None:
    """An editor accepts the test of a behaviour file that score-model accepts, and no other."""
    document = {"robustness": [test]}
    (tmp_path / "behaviour.yaml").write_text(json.dumps(document))

    try:
        read_behaviour(tmp_path / "behaviour.yaml")
        read = True
    except OptionsError:
        read = False

    assert read == good == (problems("behaviour.schema.json", document) == [])


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema__has_the_address_of_its_file(name: str) -> None:
    """A schema's `$id` is where its own file is published, so that a reference to it and a download are the same."""
    address = schema(name)["$id"]

    assert address == f"https://raw.githubusercontent.com/{REPOSITORY}/{RELEASE}/docs/{name}"
    assert EDITOR_HEADER.endswith(schema("cd4ml.schema.json")["$id"])
    assert f"\n{EDITOR_HEADER}\n" in (ROOT / "docs" / "command-line.md").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "audit-fairnes: {}",
        "evaluate-model: {minimun: {accuracy: 0.8}}",
        "defaults: {predictionz: p.parquet}",
        "evaluate-model: {task: binry}",
        "audit-fairness: {limit: 1}",
        "check-code: [src]",
        "evaluate-model: {bootstrap: maybe}",
    ],
)
def test_config_schema__refuses(text: str) -> None:
    """Unknown stages, unknown options and values of another kind are marked in the editor already."""
    assert problems("cd4ml.schema.json", YAML(typ="safe").load(text))


def test_pages__examples_are_valid() -> None:
    """Every YAML example of a stage's page meets the schema."""
    for stage in STAGES:
        text = (ROOT / "docs" / "stages" / f"{stage}.md").read_text()
        for block in re.findall(r"```yaml\n(.*?)```", text, re.S):
            document = YAML(typ="safe").load(block)
            if set(document) <= {*STAGES, "defaults"}:
                assert problems("cd4ml.schema.json", document) == [], stage


def test_locks__up_to_date() -> None:
    """The lock files are what their sources resolve to, and name no index."""
    result = subprocess.run(["bin/lock", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    if "Failed to fetch" in result.stderr or "error sending request" in result.stderr:
        missing("no package index can be reached")

    assert result.returncode == 0, result.stderr
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text()
