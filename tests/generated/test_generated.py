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

from cd4ml.stages import STAGES
from tests.actions.consumer import make_consumer
from tests.conftest import ROOT, Run, missing


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


def test_generated__drift_is_found(tmp_path: Path) -> None:
    """A changed file fails the check by name, and writing mends it."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if name.startswith(("cd4ml/", "docs/", "bin/", "action", "README")) and (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    changed = tmp_path / "actions" / "audit-fairness" / "action.yml"
    original = changed.read_text()
    changed.write_text(original.replace("required: false", "default: x", 1))

    def generate(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tmp_path / "bin" / "generate.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    checked = generate("--check")
    assert checked.returncode == 1
    assert "actions/audit-fairness/action.yml" in checked.stderr and "make generate" in checked.stderr
    assert generate().returncode == 0
    assert changed.read_text() == original


def test_schemas__valid() -> None:
    """The published schemas are schemas."""
    for name in ("cd4ml.schema.json", "report.v1.schema.json"):
        jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.filterwarnings("ignore")
def test_report__meets_its_schema(cd4ml: Callable[..., Run], tmp_path: Path, stage: str) -> None:
    """The report of every stage meets the schema: a verdict where one is quick to reach, an error for the others."""
    make_consumer(tmp_path)

    run = cd4ml(stage)

    assert problems("report.v1.schema.json", run.report) == []
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


@pytest.mark.parametrize("path", [ROOT / "examples" / "loan-approval" / "cd4ml.yaml"], ids=["loan-approval"])
def test_config_schema__accepts_the_example(path: Path) -> None:
    """The example's configuration meets the schema that editors use."""
    assert problems("cd4ml.schema.json", YAML(typ="safe").load(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    ["audit-fairnes: {}", "audit-fairness: {limit: 1}", "check-code: [src]", "evaluate-model: {bootstrap: maybe}"],
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
