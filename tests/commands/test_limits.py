"""Findings point at the line that sets their limit, and at no other one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cd4ml.data.schema.lines import Lines
from tests.conftest import Run

Command = Callable[..., Run]
CONFIG = """\
# A comment, and an empty section.
check-code:

defaults:
  positive-label: 1
  maximum-relative-regression: {recall: 0.01}

evaluate-model:
  predictions: predictions.csv
  task: binary
  minimum:
    accuracy: 0.99
    roc_auc: 0.99   # scikit-learn's spelling
  maximum: [log-loss=0.01]
  minimum-test-rows: 20
  slices: [sex]

audit-fairness:
  predictions: predictions.csv
  sensitive-features: [sex, city]
  minimum-ratio:
    "*": 0.95
    sex: 0.99
  maximum-demographic-parity-difference: 0.01
"""
SCHEMA = """\
columns:
  age:
    dtype: int64
    checks:
      in_range:
        min_value: 30
        max_value: 40
      isin: [31, 32]
  city:
    dtype: str
    nullable: false
    checks:
      - min_value: 9
        options: {check_name: str_length}
      - options: {check_name: str_matches}
        pattern: x
      - {max_value: 1, options: {check_name: str_length}}
  gone:
    dtype: int64
    required: true
  '^s.*$':
    dtype: int64
    regex: true
strict: true
ordered: false
"""


def line_of(text: str, beginning: str) -> int:
    """Return the number of the one line that begins so."""
    (number,) = [n for n, line in enumerate(text.split("\n"), 1) if line.strip().startswith(beginning)]
    return number


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose model misses every limit."""
    rows = [
        {
            "y_true": n % 2,
            "y_pred": int(n % 3 == 0 or n % 5 > 2 or n % 4 == 0),
            "y_score": (n % 7) / 7,
            "sex": "FM"[n % 5 > 2],
            "city": "ab"[n % 4 > 0],
        }
        for n in range(200)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "predictions.csv", index=False)
    (tmp_path / "cd4ml.yaml").write_text(CONFIG)
    return tmp_path


def places(run: Run) -> dict[str, Any]:
    """Return where each check that did not pass says that its limit is set, by its id."""
    failed = [check for check in run.report["checks"] if check["status"] != "passed"]
    return {check["id"]: (at["path"], at["line"]) if (at := check.get("set_at")) else None for check in failed}


def test_limits__at_their_lines(cd4ml: Command, project: Path) -> None:
    """A metric, whatever its spelling, a list, a slice: each points at the line of cd4ml.yaml that sets the limit."""
    found = places(cd4ml("evaluate-model", "--bootstrap", "true"))

    def at(beginning: str) -> tuple[str, int]:
        return "cd4ml.yaml", line_of(CONFIG, beginning)

    assert found["minimum:accuracy"] == at("accuracy:")
    assert found["minimum:roc-auc"] == at("minimum:")
    assert found["maximum:log-loss"] == at("maximum:")
    assert found["minimum:accuracy:sex=F"] == at("accuracy:")


def test_fairness__feature_by_feature(cd4ml: Command, project: Path) -> None:
    """A feature with a limit of its own points at that, another one at the option."""
    found = places(cd4ml("audit-fairness"))

    ratios = {id: place for id, place in found.items() if id.startswith("disparate-impact:")}
    assert ratios and {
        place == ("cd4ml.yaml", line_of(CONFIG, "sex: 0.99" if "sex" in id else "minimum-ratio:"))
        for id, place in ratios.items()
    } == {True}
    gaps = {place for id, place in found.items() if id.startswith("demographic-parity-difference:")}
    assert gaps == {("cd4ml.yaml", line_of(CONFIG, "maximum-demographic-parity-difference:"))}


@pytest.mark.parametrize("door", ["command line", "CD4ML_MINIMUM", "CD4ML_INPUT_MINIMUM"])
def test_set_elsewhere__no_place(
    door: str, cd4ml: Command, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit that the command line, an input or a variable sets has no place in the file, whatever it says."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    if door.startswith("CD4ML"):
        monkeypatch.setenv(door, "accuracy=0.98")
    given = () if door.startswith("CD4ML") else ("--minimum", "accuracy=0.98")

    run = cd4ml("evaluate-model", "--bootstrap", "true", *given, capsys=capsys)

    found = places(run)
    assert found["minimum:accuracy"] is None and found["maximum:log-loss"] is not None
    (said,) = [line for line in run.stderr.splitlines() if line.startswith("::error") and "::accuracy 0.39" in line]
    assert "file=" not in said
    monkeypatch.delenv("CD4ML_MINIMUM", raising=False)
    assert cd4ml("export", "--sarif", "cd4ml.sarif").code == 0
    results = json.loads((project / "cd4ml.sarif").read_text())["runs"][0]["results"]
    (line,) = [
        result["locations"][0]["physicalLocation"]["region"]["startLine"]
        for result in results
        if result["message"]["text"].startswith("accuracy 0.39")
    ]
    assert line == 1


def test_default__the_section(cd4ml: Command, project: Path) -> None:
    """A limit that nobody sets points at the section."""
    text = CONFIG.replace('  minimum-ratio:\n    "*": 0.95\n    sex: 0.99\n', "")
    (project / "cd4ml.yaml").write_text(text)

    found = places(cd4ml("audit-fairness"))

    ratios = {place for id, place in found.items() if id.startswith("disparate-impact:")}
    assert ratios == {("cd4ml.yaml", line_of(text, "audit-fairness:"))}


def test_no_file__no_place(cd4ml: Command, project: Path) -> None:
    """Without a configuration file nothing is pointed at."""
    (project / "cd4ml.yaml").unlink()
    arguments = ("--predictions", "predictions.csv", "--task", "binary", "--positive-label", "1", "--bootstrap", "true")

    found = places(cd4ml("evaluate-model", *arguments, "--minimum", "accuracy=0.99"))

    assert found["minimum:accuracy"] is None


def test_defaults__their_line(cd4ml: Command, project: Path) -> None:
    """A limit in `defaults` is found there."""
    text = CONFIG.replace("  positive-label: 1\n", "  positive-label: 1\n  minimum: {accuracy: 0.97}\n")
    text = text.replace("  minimum:\n    accuracy: 0.99\n    roc_auc: 0.99   # scikit-learn's spelling\n", "")
    (project / "cd4ml.yaml").write_text(text)

    found = places(cd4ml("evaluate-model", "--bootstrap", "true"))

    assert found["minimum:accuracy"] == ("cd4ml.yaml", line_of(text, "minimum: {"))


def test_schema__at_its_rule(cd4ml: Command, tmp_path: Path) -> None:
    """Each rule that data break points at its line of the schema; with a budget it is the budget that counts."""
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    data = pd.DataFrame({"age": [30, 50, 60], "city": ["ab", None, "abc"], "score": [0.5, 1.5, 2.5], "more": [1, 2, 3]})
    data.to_csv(tmp_path / "data.csv", index=False)
    config = "validate-data:\n  data: data.csv\n  schema: schema.yaml\n  budget:\n    in_range:age: 0.1\n"
    (tmp_path / "cd4ml.yaml").write_text(config)

    found = places(cd4ml("validate-data"))

    lines = {id: place[1] for id, place in found.items() if place and place[0] == "schema.yaml"}
    text = SCHEMA.split("\n")
    assert {id: text[line - 1].strip().split(":")[0].removeprefix("- ") for id, line in lines.items()} == {
        "isin:age": "isin",
        "not-nullable:city": "nullable",
        "str_length:city": "min_value",
        "str_matches:city": "options",
        "str_length#2:city": "{max_value",
        "present:gone": "required",
        "dtype:score": "dtype",
        "strict": "strict",
    }
    assert lines["str_length#2:city"] > lines["str_matches:city"] > lines["str_length:city"]
    assert lines["dtype:score"] == line_of(SCHEMA, "'^s.*$'") + 1
    assert found["in_range:age"] == ("cd4ml.yaml", line_of(config, "in_range:age"))


@pytest.mark.parametrize(
    ("rule", "column"),
    [("dtype", "unknown"), ("dtype", ""), ("in_range", ""), ("unique", "a, b"), ("dtype", "both")],
)
def test_schema__no_line_that_is_not_certain(tmp_path: Path, rule: str, column: str) -> None:
    """What the file does not name, or names twice, has no line."""
    path = tmp_path / "schema.yaml"
    path.write_text("columns:\n  '^b': {regex: true, dtype: str}\n  '^bo': {regex: true, dtype: str}\nunique: [a, c]\n")

    assert Lines(str(path)).of(rule, column) is None
    assert Lines(str(path)).of("unique", "a, c") == 4
    assert Lines("module:schema").of(rule, column) is None


def test_annotation_and_exports__point_there(
    cd4ml: Command, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Annotations and SARIF show a finding of data at the line that sets its limit."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    run = cd4ml("evaluate-model", "--bootstrap", "true", capsys=capsys)
    line = line_of(CONFIG, "accuracy:")

    assert f"file=cd4ml.yaml,line={line}::accuracy" in run.stderr
    assert cd4ml("export", "--sarif", "cd4ml.sarif").code == 0
    results = json.loads((project / "cd4ml.sarif").read_text())["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in results]
    assert line in places
