"""`cd4ml export`: the reports of a run as JUnit XML, Code Quality and a badge, whatever stands in them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import xmlschema
from ruamel.yaml import YAML

from cd4ml.commands.export import FORMATS
from tests import reports
from tests.conftest import ROOT, Run, run_cd4ml

FOLDER = "reports"
PAGE = ROOT / "docs" / "export.md"
Command = Callable[..., Run]
ALL = ("--junit", "junit.xml", "--code-quality", "quality.json", "--badge", "badge.json")
HOSTILE = (
    "]]><x>&amp;\x00\x1b[31m\x85\u2028\u202e\ufffe\uffff\U0001ffff'\""
    "\r\n::error::<!ENTITY a SYSTEM 'file:///etc/passwd'>"
)
# What docs.gitlab.com ("Code Quality report format") demands, and nothing beside it.
CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^(?!\\./)(?!/).+"},
                    "lines": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}
# What shields.io's endpoint badge reads.
BADGE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schemaVersion", "label", "message", "color", "isError"],
    "properties": {
        "schemaVersion": {"const": 1},
        "label": {"const": "cd4ml"},
        "message": {"type": "string", "minLength": 1, "maxLength": 60},
        "color": {"enum": ["brightgreen", "red", "orange", "critical", "lightgrey", "yellow"]},
        "isError": {"type": "boolean"},
    },
}


def check(name: str = "limit", status: str = "failed", **more: Any) -> dict[str, Any]:
    """Return a check that did not pass."""
    return {"id": name, "status": status, "message": "Too low.", **more}


def junit(path: Path) -> ElementTree.Element:
    """Return a document that meets the schema, with its sums counted again."""
    xmlschema.XMLSchema(ROOT / "tests" / "render" / "junit.xsd").validate(path)
    root = ElementTree.parse(path).getroot()
    for element, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        for suite in root:
            assert int(suite.attrib[element]) == len(list(suite.iter(tag)))
        assert element == "skipped" or int(root.attrib[element]) == len(list(root.iter(tag)))
    return root


def quality(path: Path) -> list[dict[str, Any]]:
    """Return findings that meet what GitLab documents, each with a fingerprint of its own."""
    found: list[dict[str, Any]] = json.loads(path.read_text())
    jsonschema.validate(found, CODE_QUALITY)
    assert len({one["fingerprint"] for one in found}) == len(found)
    return found


def badge(path: Path) -> dict[str, Any]:
    """Return a badge that meets what shields.io reads."""
    found: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(found, BADGE)
    return found


def pipeline(folder: Path, **stages: str) -> None:
    """Write the pipeline's own report."""
    said = [{"stage": name.replace("_", "-"), "status": status} for name, status in stages.items()]
    (folder / "pipeline.json").write_text(json.dumps({"schema_version": "1", "status": "failed", "stages": said}))


def test_writes_what_is_asked_for(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each format goes to the file that its option names, a second run replaces them, and the exit code is 0."""
    place = {"path": "src/credit.py", "line": 7, "column": 2}
    reports.write(tmp_path / FOLDER, "check-code", status="failed", checks=[check(location=place), reports.FINE])

    for _ in range(2):
        run = cd4ml("export", *ALL, "--planned", "check-code", capsys=capsys)
        assert run.code == 0, run.stderr

    assert run.stdout == "junit.xml, quality.json, badge.json: 1 report, verdict failed.\n"
    failure = junit(tmp_path / "junit.xml").find(".//failure")
    assert failure is not None and failure.text == "src/credit.py:7\nToo low."
    (finding,) = quality(tmp_path / "quality.json")
    assert finding["location"] == {"path": "src/credit.py", "lines": {"begin": 7}}
    assert finding["severity"] == "critical" and finding["check_name"] == "cd4ml/check-code/limit"
    assert badge(tmp_path / "badge.json") == {
        "schemaVersion": 1,
        "label": "cd4ml",
        "message": "failed: check-code",
        "color": "red",
        "isError": True,
    }


@pytest.mark.parametrize(
    ("status", "options", "element", "severity", "color"),
    [
        ("passed", {}, None, None, "brightgreen"),
        ("failed", {}, "failure", "critical", "red"),
        ("inconclusive", {}, "error", "major", "orange"),
        ("error", {}, "error", "blocker", "critical"),
        ("failed", {"on-failed": "warn"}, "failure", "minor", "yellow"),
        ("inconclusive", {"on-inconclusive": "warn"}, "error", "minor", "yellow"),
    ],
)
def test_every_verdict(
    status: str,
    options: dict[str, str],
    element: str | None,
    severity: str | None,
    color: str,
    cd4ml: Command,
    tmp_path: Path,
) -> None:
    """Only `passed` is green, a test case without a mark, and no finding; a warning is none of the three."""
    reports.write(tmp_path / FOLDER, "check-code", status=status, checks=[check(status=status)], options=options)

    assert cd4ml("export", *ALL, "--planned", "check-code").code == 0

    case = junit(tmp_path / "junit.xml").find(".//testcase")
    assert case is not None and [child.tag for child in case] == ([element] if element else [])
    assert [one["severity"] for one in quality(tmp_path / "quality.json")] == ([severity] if severity else [])
    assert badge(tmp_path / "badge.json")["color"] == color


def test_missing_report(cd4ml: Command, tmp_path: Path) -> None:
    """A stage that had to run and left no report is an error in every format, beside others that passed."""
    reports.write(tmp_path / FOLDER, "check-code")

    assert cd4ml("export", *ALL, "--planned", "check-code,evaluate-model").code == 0

    assert [one.tag for one in junit(tmp_path / "junit.xml").findall(".//testcase/*")] == ["error"]
    (finding,) = quality(tmp_path / "quality.json")
    assert finding["location"]["path"] == "cd4ml.yaml" and "evaluate-model" in finding["description"]
    assert badge(tmp_path / "badge.json")["message"] == "error: evaluate-model"


def test_deliver(cd4ml: Command, tmp_path: Path) -> None:
    """Where nothing is delivered what builds and deploys is not missed, and what judges is."""
    reports.write(tmp_path / FOLDER, "check-code")

    def missed(planned: str, *more: str) -> list[str]:
        assert cd4ml("export", "--sarif", "found.sarif", "--planned", planned, *more).code == 0
        results = json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"]
        return [result["ruleId"] for result in results]

    assert missed("check-code,evaluate-model,build-image", "--deliver", "false") == ["evaluate-model/missing-report"]
    assert missed("check-code,build-image", "--deliver", "false") == []
    assert missed("check-code,build-image") == ["build-image/missing-report"]


def test_no_report_at_all(cd4ml: Command, tmp_path: Path) -> None:
    """A planned stage is missed also where no stage left a report."""
    (tmp_path / FOLDER).mkdir()

    assert cd4ml("export", *ALL, "--planned", "check-code").code == 0

    assert [one.tag for one in junit(tmp_path / "junit.xml").findall(".//testcase/*")] == ["error"]
    assert badge(tmp_path / "badge.json")["message"] == "error: check-code"


@pytest.mark.parametrize("status", ["skipped", "error"])
def test_no_checks(status: str, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A planned stage whose report has no check, because it was skipped or could not look, is an error everywhere."""
    reports.write(tmp_path / FOLDER, "check-code")
    reports.write(tmp_path / FOLDER, "evaluate-model", status=status, checks=[])

    planned = ("--planned", "check-code,evaluate-model")
    assert cd4ml("export", *ALL, "--sarif", "found.sarif", *planned, capsys=capsys).stdout.endswith("verdict error.\n")
    assert cd4ml("report", *planned, capsys=capsys).stdout.endswith("verdict error.\n")

    assert [one.tag for one in junit(tmp_path / "junit.xml").findall(".//testcase/*")] == ["error"]
    (finding,) = quality(tmp_path / "quality.json")
    assert finding["severity"] == "blocker" and "evaluate-model" in finding["description"]
    (result,) = json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"]
    assert result["level"] == "error" and result["ruleId"] == "evaluate-model/no-checks"
    assert badge(tmp_path / "badge.json")["message"] == "error: evaluate-model"


def test_warned__not_without_what_judges(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What only warns is no warning where a stage that judges did not run for it."""
    options = {"on-failed": "warn"}
    reports.write(tmp_path / FOLDER, "score-model", status="failed", checks=[check()], options=options)

    assert cd4ml("export", *ALL, "--planned", "score-model,evaluate-model").code == 0
    assert cd4ml("report", "--planned", "score-model,evaluate-model").code == 0

    assert badge(tmp_path / "badge.json")["color"] == "red"
    assert "with a warning" not in (tmp_path / FOLDER / "index.html").read_text()


def test_what_the_pipeline_says(cd4ml: Command, tmp_path: Path) -> None:
    """From the pipeline's own report it is known which stages are not configured, did not run, or lost a report."""
    reports.write(tmp_path / FOLDER, "check-code", status="failed", checks=[check()])
    pipeline(tmp_path / FOLDER, check_code="failed", validate_data="skipped", build_image="not-run")
    assert cd4ml("export", *ALL).code == 0
    assert [one.tag for one in junit(tmp_path / "junit.xml").findall(".//testcase/*")] == [
        "failure",
        "skipped",
        "skipped",
    ]
    assert badge(tmp_path / "badge.json")["message"] == "failed: check-code"

    pipeline(tmp_path / FOLDER, check_code="failed", validate_data="passed")
    assert cd4ml("export", *ALL).code == 0
    assert badge(tmp_path / "badge.json")["message"] == "error: validate-data"


def test_badge__needs_the_whole(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No badge is written where a failed stage's report could be absent unseen, or reports do not belong together."""
    reports.write(tmp_path / FOLDER, "check-code", source={"git_sha": "a" * 40, "modified": []})
    unknown = cd4ml("export", "--badge", "badge.json", capsys=capsys)
    reports.write(tmp_path / FOLDER, "validate-data", source={"git_sha": "b" * 40, "modified": []})
    mixed = cd4ml("export", "--badge", "badge.json", "--planned", "check-code,validate-data", capsys=capsys)

    assert (unknown.code, mixed.code) == (2, 2) and not (tmp_path / "badge.json").exists()
    assert "which stages had to run" in unknown.stderr and "--planned" in unknown.stderr
    assert "different commits" in mixed.stderr


def test_hostile_texts(cd4ml: Command, tmp_path: Path) -> None:
    """Whatever a report holds is text: the XML stays well-formed and of its schema, and control characters are gone."""
    place = {"path": HOSTILE, "line": 1}
    checks = [check(HOSTILE, message=HOSTILE * 500, advice=HOSTILE, reason=HOSTILE, location=place), check(HOSTILE)]
    reports.write(
        tmp_path / FOLDER,
        "check-code",
        status="failed",
        checks=checks,
        source={"git_sha": HOSTILE, "modified": []},
        inputs=[{"name": HOSTILE, "path": HOSTILE, "sha256": HOSTILE, "rows": 1}],
        run={"seconds": 1.5, "started_at": "2026-01-02T03:04:05Z"},
    )
    other = reports.document(
        "check-code", stage=HOSTILE, status="failed", checks=[check()], source={"git_sha": HOSTILE, "modified": []}
    )
    (tmp_path / FOLDER / "other.json").write_text(json.dumps(other))

    assert cd4ml("export", *ALL, "--planned", "check-code").code == 0

    root = junit(tmp_path / "junit.xml")
    names = [case.attrib["name"] for case in root.iter("testcase")]
    assert len(set(names)) == len(names) == 3 and "<x>&amp;" in names[0]
    assert len(quality(tmp_path / "quality.json")) == 3
    badge(tmp_path / "badge.json")
    for name in ("junit.xml", "quality.json", "badge.json"):
        content = (tmp_path / name).read_text()
        assert not set(content) & set("\x00\x1b\x85\u2028\u202e\ufffe\uffff") and "::error" not in content
        assert "<!ENTITY" not in content or name != "junit.xml"


def test_long_names(cd4ml: Command, tmp_path: Path) -> None:
    """Names that are alike once they are cut, or that look like a counted one, stay apart in JUnit."""
    ids = [*("x" * 5000 + end for end in "ab"), "y", "y", "y (2)", "z\x1b", r"z\x1b"]
    reports.write(tmp_path / FOLDER, "check-code", status="failed", checks=[check(id) for id in ids])

    assert cd4ml("export", "--junit", "junit.xml").code == 0

    names = [case.attrib["name"] for case in junit(tmp_path / "junit.xml").iter("testcase")]
    assert len(set(names)) == len(names) == len(ids) and max(map(len, names)) <= 4000


def test_working_directory(cd4ml: Command, tmp_path: Path) -> None:
    """Paths of findings are those of the repository, also where the project is a folder in it."""
    place = {"path": "src/credit.py", "line": 3}
    reports.write(
        tmp_path / "models" / "reports", "check-code", status="failed", checks=[check(location=place), check("y")]
    )

    assert cd4ml("export", "--working-directory", "models", "--code-quality", "quality.json").code == 0

    found = quality(tmp_path / "models" / "quality.json")
    assert [one["location"]["path"] for one in found] == ["models/src/credit.py", "models/cd4ml.yaml"]


def test_fingerprints(cd4ml: Command, tmp_path: Path) -> None:
    """A finding keeps its fingerprint when it moves to another line, and two in one file have two."""
    prints = []
    for lines in ((3, 4), (8, 9)):
        checks = [check(location={"path": "a.py", "line": line}) for line in lines]
        reports.write(tmp_path / FOLDER, "check-code", status="failed", checks=checks)
        assert cd4ml("export", "--code-quality", "quality.json").code == 0
        prints.append([one["fingerprint"] for one in quality(tmp_path / "quality.json")])

    assert prints[0] == prints[1] and len(set(prints[0])) == 2


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.option)
@pytest.mark.parametrize("content", ["Mine.", "{}", '["mine"]', "<testsuites/>"])
def test_never_over_another_file(
    content: str, form: Any, cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that no earlier run wrote is not replaced, and no other kind of file is written."""
    reports.write(tmp_path / FOLDER, "check-code")
    name = f"mine{form.ending}"
    (tmp_path / name).write_text(content)

    kept = cd4ml("export", f"--{form.option}", name, "--planned", "check-code", capsys=capsys)
    other = cd4ml("export", f"--{form.option}", "mine.txt", "--planned", "check-code", capsys=capsys)

    assert (kept.code, other.code) == (2, 2) and "not overwritten" in kept.stderr and form.ending in other.stderr
    assert (tmp_path / name).read_text() == content and not (tmp_path / "mine.txt").exists()


def test_refusals(cd4ml: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a format, without reports, or with an unknown stage, nothing is written."""
    reports.write(tmp_path / FOLDER, "check-code")
    nothing = cd4ml("export", capsys=capsys)
    unknown = cd4ml("export", *ALL, "--planned", "chek-code", capsys=capsys)
    missing = cd4ml("export", *ALL, "--reports", "nowhere", capsys=capsys)

    assert (nothing.code, unknown.code, missing.code) == (2, 2, 3)
    assert "--junit" in nothing.stderr and "`check-code`" in unknown.stderr
    assert not any((tmp_path / name).exists() for name in ("junit.xml", "quality.json", "badge.json"))


def test_secrets(tmp_path: Path) -> None:
    """A secret of the caller's environment that a report of elsewhere holds reaches no format."""
    said = check("x", message="Token hunter2hunter2 in https://user:pass@example.org/x.")
    reports.write(tmp_path / FOLDER, "check-code", status="failed", checks=[said])

    run = run_cd4ml(tmp_path, "export", *ALL, "--planned", "check-code", env={"MY_TOKEN": "hunter2hunter2"})

    assert run.code == 0, run.stderr
    for name in ("junit.xml", "quality.json", "badge.json"):
        text = (tmp_path / name).read_text()
        assert "hunter2" not in text and "user:pass" not in text


def test_documented(cd4ml: Command, tmp_path: Path) -> None:
    """The command that the page in the documentation shows works as it stands."""
    (line,) = re.findall(r"^\$ cd4ml export (.*)$", PAGE.read_text(), re.M)
    reports.write(tmp_path / FOLDER, "check-code")

    assert cd4ml("export", *line.split()).code == 0
    assert (tmp_path / FOLDER / "junit.xml").exists() and (tmp_path / FOLDER / "code-quality.json").exists()


@pytest.mark.parametrize("written", ['{"message": "passed"}', ""])
def test_documented__publishing(written: str, tmp_path: Path) -> None:
    """The step that publishes the badge puts it on a branch of its own, and `unknown` where there is none."""
    (step,) = [
        step["run"]
        for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
        for step in YAML(typ="safe").load(block)["jobs"]["badge"]["steps"]
        if "run" in step
    ]
    git = ["git", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "--quiet", "--bare", tmp_path / "remote.git"], check=True)
    subprocess.run([*git, "clone", "--quiet", tmp_path / "remote.git", tmp_path / "here"], check=True, stderr=-1)
    (tmp_path / "here" / "badge.json").write_text(written)

    for _ in range(2):  # a second badge replaces the first
        subprocess.run(["bash", "-eo", "pipefail", "-c", step], cwd=tmp_path / "here", check=True, stderr=-1)

    show = ["git", "-C", str(tmp_path / "remote.git"), "show", "badges:cd4ml.json"]
    shown = subprocess.run(show, capture_output=True, check=True, text=True).stdout
    assert json.loads(shown)["message"] == ("passed" if written else "unknown")
