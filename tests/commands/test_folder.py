"""What lies in a folder of reports is found by one rule, and every door that shows a verdict says the same of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cd4ml.commands.folder import look
from tests import reports
from tests.commands.test_comment import only, say
from tests.conftest import Run
from tests.platform import Platform, serve

Command = Callable[..., Run]
DOCUMENT = json.dumps(reports.document("validate-data"))
# Name of a file, its content, and what is then called unreadable.
UNREADABLE = {
    "half-written": ("validate-data-eu.json", DOCUMENT[: len(DOCUMENT) // 2].encode(), "validate-data-eu.json"),
    "empty": ("eu.json", b"", "eu.json"),
    "not-utf-8": ("eu.json", b'{"stage": "\xff"}', "eu.json"),
    "nested": ("eu.json", b"[" * 200_000, "eu.json"),
    "no-stage": ("eu.json", b'{"schema_version": "1", "stage": null}', "eu.json"),
    "another-version": ("eu.json", DOCUMENT.replace('"1"', '"9"', 1).encode(), "eu.json"),
    "not-a-number": ("eu.json", DOCUMENT.replace("{}", '{"x": NaN}', 1).encode(), "eu.json"),
    "twice": ("eu.json", DOCUMENT.replace("{", '{"status": "failed", ', 1).encode(), "eu.json"),
    "another-stage": ("validate-data.json", json.dumps(reports.document("check-code")).encode(), "validate-data"),
    "the-stage's-own": ("validate-data.json", b"{}", "validate-data"),
    "the-pipeline's": ("pipeline.json", b"{", "pipeline.json"),
}


@pytest.fixture
def platform() -> Iterator[Platform]:
    """Run the platform."""
    state = Platform()
    with serve(state):
        yield state


@pytest.mark.parametrize(("file", "content", "name"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable__an_error_at_every_door(
    file: str,
    content: bytes,
    name: str,
    cd4ml: Command,
    platform: Platform,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A damaged report, whatever its name, is no pass: named by verdict, page, comment and each export."""
    folder = tmp_path / "reports"
    reports.write(folder, "check-code")
    (folder / "coverage.json").write_text('{"totals": {}}')
    (folder / file).write_bytes(content)
    exports = ("--junit", "j.xml", "--code-quality", "q.json", "--sarif", "s.sarif", "--badge", "b.json")

    verdict = cd4ml("verdict", "--planned", "check-code", capsys=capsys)
    exported = cd4ml("export", *exports, "--planned", "check-code", capsys=capsys)
    page = cd4ml("report", capsys=capsys)
    commented, _ = say(platform, tmp_path)

    assert (verdict.code, exported.code, page.code, commented) == (3, 0, 0, 0)
    assert f"{name}: unreadable: " in verdict.stdout
    assert f"verdict error. Cannot be read: {name}." in exported.stdout
    assert page.stdout.endswith(f"verdict error. Cannot be read: {name}. Not reports, so left out: coverage.json.\n")
    assert f">{name}<" in (folder / "index.html").read_text()
    assert "🛑 cd4ml error" in only(platform) and only(platform).count("could not be read") == 2
    assert json.loads((tmp_path / "b.json").read_text())["message"] == f"error: {name}"
    (finding,) = json.loads((tmp_path / "q.json").read_text())
    assert finding["severity"] == "blocker" and finding["description"].startswith(f"{name}: ")
    (result,) = json.loads((tmp_path / "s.sarif").read_text())["runs"][0]["results"]
    stage = "validate-data" if name == "validate-data" else "reports"
    assert (result["level"], result["ruleId"]) == ("error", f"{stage}/unreadable-report")
    assert f'name="cd4ml {name}" tests="1" failures="0" errors="1"' in (tmp_path / "j.xml").read_text()


def test_links_and_folders(tmp_path: Path) -> None:
    """A report that is a link, one that leads nowhere, and a folder of a report's name are unreadable."""
    outside = reports.write(tmp_path / "outside", "check-code")
    folder = tmp_path / "reports"
    reports.write(folder, "validate-data")
    (folder / "check-code.json").symlink_to(outside)
    (folder / "nowhere.json").symlink_to("none")
    (folder / "folder.json").mkdir()

    found = look(folder)

    assert sorted(found.unreadable) == ["check-code", "folder.json", "nowhere.json"]
    assert [entry.name for entry in found.entries] == ["validate-data"]


def test_second_report__beside_the_first(platform: Platform, tmp_path: Path) -> None:
    """A stage's second report, under a name of its own, stands in the comment like on the page, and decides as well."""
    failed = [{"id": "x", "status": "failed", "message": "A gift is missing."}]
    reports.write(tmp_path / "reports", "validate-data", summary="All there.")
    second = reports.document("validate-data", status="failed", checks=failed)
    (tmp_path / "reports" / "validate-data-eu.json").write_text(json.dumps(second))

    assert say(platform, tmp_path, "--planned", "validate-data")[0] == 0

    body = only(platform)
    assert "❌ cd4ml failed" in body and "✅ validate-data ·" in body and "did not run" not in body
    assert body.count("A gift is missing") == 1 and "validate&#45;data &#40;validate&#45;data&#45;eu" in body


def test_hostile_names__text(platform: Platform, tmp_path: Path) -> None:
    """Names of files, and of stages that a report makes up, mention nobody and link nowhere in the comment."""
    folder = tmp_path / "reports"
    name = "@octocat fixes #1 [x](y) <img src=x>"
    reports.write(folder, "check-code")
    (folder / f"{name}.json").write_text("{")
    (folder / "other.json").write_text(json.dumps(reports.document("check-code", stage=name)))

    assert say(platform, tmp_path)[0] == 0

    assert "🛑 cd4ml error" in only(platform) and "octocat" in only(platform)
    assert not any(part in only(platform) for part in ("@octocat", "#1", "](y)", "<img"))
