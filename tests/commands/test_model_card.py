"""`cd4ml report --model-card`: what it asks for, what it blocks, and what it never leaves out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from tests.conftest import ROOT, Run, run_cd4ml
from tests.generated.test_generated import problems

Command = Callable[..., Run]
PAGE = ROOT / "docs" / "model-card.md"
CHECK = {"id": "minimum:accuracy", "status": "passed", "message": "Good.", "metric": "accuracy", "value": 0.9}


def example() -> str:
    """Return the section that the page shows."""
    return str(re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)[0])


def evaluated(folder: Path, **changes: Any) -> None:
    """Write a report of evaluate-model."""
    reports.write(
        folder / "reports", "evaluate-model", checks=[CHECK], metrics={"candidate": {"accuracy": 0.9}}, **changes
    )


def written(folder: Path) -> dict[str, Any]:
    """Return the card's JSON."""
    found: dict[str, Any] = json.loads((folder / "reports" / "model-card.json").read_text())
    return found


def test_documented(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the configuration that the page shows, its command writes a complete card in both forms; again, the same."""
    evaluated(tmp_path)
    (tmp_path / "cd4ml.yaml").write_text(example())
    (command,) = re.findall(r"^\$ cd4ml (.*)$", PAGE.read_text(), re.M)

    runs = [cd4ml(*command.split(), capsys=capsys) for _ in range(2)]

    assert [run.code for run in runs] == [0, 0] and runs[0].stderr == ""
    assert runs[0].stdout == "reports/model-card.md: 1 report, verdict passed, complete.\n"
    text, found = (tmp_path / "reports" / "model-card.md").read_text(), written(tmp_path)
    assert "A clerk makes every decision" in text and "(index.html#stage-1)" in text
    assert found["complete"] and found["fields"]["high-risk"] is False
    assert problems("model-card.v1.schema.json", found) == []
    assert (
        problems("cd4ml.schema.json", {"model-card": found["fields"] | {"version": "3"}}) != []
    )  # nulls are no fields
    fields = {name: value for name, value in found["fields"].items() if value is not None}
    assert problems("cd4ml.schema.json", {"model-card": fields}) == []


def test_incomplete(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A required field that nobody filled ends with exit code 1 and is named; the card is written and says so."""
    evaluated(tmp_path)
    (tmp_path / "cd4ml.yaml").write_text(example().replace("  owner:", "  contact:").replace("high-risk: false", ""))

    run = cd4ml("report", "--model-card", capsys=capsys)
    warned = cd4ml("report", "--model-card", "--on-incomplete", "warn", capsys=capsys)

    assert (run.code, warned.code) == (1, 0) and "2 required fields not stated" in run.stdout
    assert re.findall(r"^  ([a-z-]+): ", run.stderr, re.M) == ["owner", "high-risk"]
    assert "section model-card" in run.stderr
    assert "**Owner:** not stated" in (tmp_path / "reports" / "model-card.md").read_text()
    assert written(tmp_path)["missing"] == ["owner", "high-risk"] and not written(tmp_path)["complete"]


def test_without_configuration(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without cd4ml.yaml nothing is stated and nothing made up; one that is named must be there."""
    evaluated(tmp_path)

    run = cd4ml("report", "--model-card", capsys=capsys)
    named = cd4ml("report", "--model-card", "--config", "cd4ml.yaml", capsys=capsys)

    assert run.code == 1 and "intended-use: " in run.stderr
    assert all(value is None for value in written(tmp_path)["fields"].values())
    assert named.code == 2 and "no such file" in named.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model-card: {licence: mit}", "did you mean `license`?"),
        ("model-cart: {license: mit}", "did you mean `model-card`?"),
        ("defaults: {license: mit}", "unknown option `license` in `defaults`"),
        ("model-card: {high-risk: perhaps}", "expected true or false"),
        ("model-card: {owner: }", "has no value"),
        ("model-card: {minimum-rows: 3}", "unknown option"),
    ],
)
def test_configuration__strict(
    text: str, said: str, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown field, one in the wrong section and one that cannot be read are refused, and no card is written."""
    evaluated(tmp_path)
    (tmp_path / "cd4ml.yaml").write_text(text)

    run = cd4ml("report", "--model-card", capsys=capsys)

    assert run.code == 2 and said in run.stderr and not (tmp_path / "reports" / "model-card.md").exists()


def test_failed_and_missing_reports(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failed report is shown with why, and a planned one that is gone as missing, which makes the card incomplete."""
    evaluated(tmp_path)
    failed = {"id": "disparate-impact:sex=f", "status": "failed", "message": "Half as many.", "value": 0.5}
    reports.write(tmp_path / "reports", "audit-fairness", status="failed", checks=[failed])
    (tmp_path / "cd4ml.yaml").write_text(example())

    run = cd4ml("report", "--model-card", "--planned", "evaluate-model,audit-fairness,validate-data", capsys=capsys)

    assert run.code == 1 and "verdict error" in run.stdout and "no report of validate-data" in run.stderr
    found = written(tmp_path)
    assert found["missing"] == ["report:validate-data"]
    assert found["absent"] == [{"stage": "validate-data", "status": "missing"}]
    assert [report["status"] for report in found["reports"]] == ["passed", "failed"]
    assert found["reports"][1]["checks"][0]["message"] == "Half as many."
    assert "Half as many" in (tmp_path / "reports" / "model-card.md").read_text()


def test_unreadable_report(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report that cannot be read is shown with why, and makes the card incomplete and the verdict an error."""
    evaluated(tmp_path)
    (tmp_path / "reports" / "audit-fairness.json").write_text("{")
    (tmp_path / "cd4ml.yaml").write_text(example())

    run = cd4ml("report", "--model-card", capsys=capsys)

    assert run.code == 1 and "verdict error" in run.stdout and "audit-fairness" in run.stderr
    found = written(tmp_path)
    assert found["missing"] == ["report:audit-fairness"] and problems("model-card.v1.schema.json", found) == []
    (lost,) = found["unreadable"]
    assert lost["name"] == "audit-fairness" and lost["why"]
    assert "cannot be read" in (tmp_path / "reports" / "model-card.md").read_text()


@pytest.mark.parametrize("name", ["card.md", "card.json"])
def test_output__never_over_another_file(
    name: str, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the Markdown nor the JSON replaces a file that is no card, and then neither is written."""
    evaluated(tmp_path)
    (tmp_path / name).write_text('{"mine": 1}')

    run = cd4ml("report", "--model-card", "--output", "card.md", capsys=capsys)

    assert run.code == 2 and name in run.stderr
    assert [path.name for path in tmp_path.glob("card.*")] == [name]
    assert (tmp_path / name).read_text() == '{"mine": 1}'


def test_page__no_script(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Links lead to a path or to the web; an address that a browser would run is refused."""
    evaluated(tmp_path)

    refused = cd4ml("report", "--model-card", "--page", "javascript:alert(1)", capsys=capsys)
    assert refused.code == 2 and "javascript:" in refused.stderr
    cd4ml("report", "--model-card", "--page", "https://example.org/run 1/index.html")
    assert written(tmp_path)["reports"][0]["link"] == "https://example.org/run%201/index.html#stage-1"


def test_card_is_no_report(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The card that lies among the reports is neither read as one nor named as a file that was left out."""
    evaluated(tmp_path)
    cd4ml("report", "--model-card", capsys=capsys)

    run = cd4ml("report", capsys=capsys)

    assert run.stdout == "reports/index.html: 1 report, verdict passed.\n"


def test_secrets(tmp_path: Path) -> None:
    """A secret of the caller's environment reaches the card neither from a report nor from cd4ml.yaml."""
    evaluated(tmp_path, summary="Token hunter2hunter2 in https://user:pass@example.org/x.")
    (tmp_path / "cd4ml.yaml").write_text("model-card: {summary: hunter2hunter2}\n")

    assert run_cd4ml(tmp_path, "report", "--model-card", env={"MY_TOKEN": "hunter2hunter2"}).code == 1
    for name in ("model-card.md", "model-card.json"):
        text = (tmp_path / "reports" / name).read_text()
        assert "hunter2" not in text and "user:pass" not in text and "***" in text.replace("&#42;", "*")


def test_no_report(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No card is written from a folder in which there is no report, whatever was planned."""
    (tmp_path / "reports").mkdir()
    none = cd4ml("report", "--model-card", "--planned", "check-code", capsys=capsys)

    assert none.code == 2 and "holds no report" in none.stderr
    assert not (tmp_path / "reports" / "model-card.md").exists()


def test_unreadable_file(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file that could be a report is shown by its name, and the same card without it would be complete."""
    evaluated(tmp_path)
    (tmp_path / "cd4ml.yaml").write_text(example())
    (tmp_path / "reports" / "validate-data-eu.json").write_text('{"stage": "validate-da')

    assert cd4ml("report", "--model-card", capsys=capsys).code == 1
    (lost,) = written(tmp_path)["unreadable"]
    assert lost["name"] == "validate-data-eu.json" and "is not JSON" in lost["why"]
