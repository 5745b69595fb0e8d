"""SARIF of a run: what code scanning reads, fingerprints that outlive changes above, and text that stays text."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cd4ml.render import sarif
from cd4ml.render.pipeline_run import MISSING, NOT_RUN, Entry, Run
from cd4ml.render.places import Places
from cd4ml.report import Bound, Check, Location, Published, Report, Source, Status
from tests import reports
from tests.conftest import ROOT
from tests.conftest import Run as Ended

PAGE = ROOT / "docs" / "code-scanning.md"
TEXT = {"type": "object", "additionalProperties": False, "required": ["text"], "properties": {"text": {"minLength": 1}}}


def exactly(**properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties; those whose names end in `_` may be missing."""
    named = {name.removesuffix("_"): value for name, value in properties.items()}
    needed = [name for name in properties if not name.endswith("_")]
    return {"type": "object", "additionalProperties": False, "required": needed, "properties": named}


# What the standard (SARIF 2.1.0, 3.13 to 3.58) and code scanning ask of what is written, and nothing beside it.
RULE = exactly(
    id={"type": "string", "minLength": 1},
    shortDescription=TEXT,
    fullDescription=TEXT,
    help=exactly(text={"type": "string", "minLength": 1}, markdown_={"type": "string", "minLength": 1}),
    helpUri={"type": "string", "pattern": "^https://"},
    properties=exactly(
        tags={"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 20},
        **{"security-severity_": {"type": "string", "pattern": r"^(10|\d)\.\d$"}},
    ),
)
REGION = exactly(startLine={"type": "integer", "minimum": 1}, startColumn_={"type": "integer", "minimum": 1})
ARTIFACT = exactly(
    uri={"type": "string", "pattern": r"^(?!/)(?!.*:)(?!(.*/)?\.\.?(/|$))\S+$"}, uriBaseId={"const": "%SRCROOT%"}
)
RESULT = exactly(
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["error", "warning", "note"]},
    message=exactly(text={"type": "string", "minLength": 1, "maxLength": 1000}),
    locations={
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": exactly(physicalLocation=exactly(artifactLocation=ARTIFACT, region=REGION)),
    },
    partialFingerprints=exactly(primaryLocationLineHash={"type": "string", "pattern": "^[0-9a-f]{16}:1$"}),
)
NOTE = exactly(level={"const": "warning"}, message=TEXT, descriptor=exactly(id={"type": "string"}))
DOCUMENT = {
    "$schema": {"const": sarif.SCHEMA},
    "version": {"const": "2.1.0"},
    "runs": {
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": exactly(
            tool=exactly(
                driver=exactly(
                    name={"const": "cd4ml"},
                    semanticVersion={"type": "string"},
                    informationUri={"type": "string"},
                    rules={"type": "array", "items": RULE},
                )
            ),
            automationDetails=exactly(id={"type": "string", "pattern": "^cd4ml/(.*/)?$"}),
            originalUriBaseIds=exactly(**{"%SRCROOT%": {"type": "object"}}),
            columnKind={"const": "unicodeCodePoints"},
            invocations={
                "type": "array",
                "items": exactly(
                    executionSuccessful={"type": "boolean"}, toolExecutionNotifications={"type": "array", "items": NOTE}
                ),
            },
            results={"type": "array", "maxItems": 5000, "items": RESULT},
        ),
    },
}
HOSTILE = (
    "[click](https://evil.example) [x](1) {0} @octocat @org/team fixes #1 <script>z</script> ::error::x ##[y]z "
    "]]> \x00\x1b[31m\x85\u2028\u202e\ufffe'\"\r\n%0A"
)


def check(id: str = "minimum:accuracy", status: Status = Status.FAILED, **more: Any) -> Check:
    """Make a check that did not pass."""
    return Check(**{"id": id, "status": status, "message": "Too low.", **more})


def entry(*checks: Check, stage: str = "evaluate-model", details: Any = None, **options: Any) -> Entry:
    """Make a report of a run."""
    report = Report(stage=stage, checks=checks, details=details or {})
    return Entry(file=f"{stage}.json", published=Published(report=report, source=Source(git_sha=None), options=options))


def written(*entries: Entry, absent: Sequence[tuple[str, str]] = (), places: Places = Places()) -> dict[str, Any]:
    """Return the one run of the document, which meets the schema, with rules that are each named once and found."""
    document = json.loads(sarif.text(Run(entries=entries, absent=absent), places))
    jsonschema.Draft202012Validator(exactly(**DOCUMENT)).validate(document)
    run: dict[str, Any] = document["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    fingerprints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)
    return run


def place(result: dict[str, Any]) -> tuple[str, int]:
    """Return path and line of a result."""
    physical = result["locations"][0]["physicalLocation"]
    return physical["artifactLocation"]["uri"], physical["region"]["startLine"]


@pytest.mark.parametrize(
    ("status", "options", "level"),
    [
        (Status.FAILED, {}, "error"),
        (Status.ERROR, {}, "error"),
        (Status.INCONCLUSIVE, {}, "warning"),
        (Status.FAILED, {"on-failed": "warn"}, "warning"),
        (Status.INCONCLUSIVE, {"on-inconclusive": "warn"}, "note"),
        (Status.ERROR, {"on-failed": "warn", "on-inconclusive": "warn"}, "error"),
    ],
)
def test_level__by_status_and_what_only_warns(status: Status, options: dict[str, str], level: str) -> None:
    """What blocks is an error, too little data a warning, and what only warns is milder; no verdict never is."""
    (result,) = written(entry(check(status=status), **options))["results"]

    assert (result["level"], result["ruleId"]) == (level, "evaluate-model/minimum")


def test_passed__no_result() -> None:
    """What passed is no finding; what the configuration lets through with a warning is a note."""
    passed = check("a", Status.PASSED)
    tolerated = check("b", Status.PASSED, reason="warning")

    results = written(entry(passed, tolerated))["results"]

    assert [(one["ruleId"], one["level"]) for one in results] == [("evaluate-model/b", "note")]


def test_place__relative_to_the_repository() -> None:
    """Paths are those of the repository, in the working directory's own category, and none leads out of it."""
    places = Places(prefix="models/credit risk/", config="cd4ml.yaml")
    found = [
        check("a", location=Location(path="src/ä b.py", line=7, column=3)),
        check("b", location=Location(path="../../../../etc/passwd", line=None)),
        check("c", location=Location(path="/etc/passwd", line=2)),
        check("d"),
    ]

    run = written(entry(*found), places=places)

    assert [place(result) for result in run["results"]] == [
        ("models/credit%20risk/src/%C3%A4%20b.py", 7),
        ("etc/passwd", 1),
        ("models/credit%20risk/etc/passwd", 2),
        ("models/credit%20risk/cd4ml.yaml", 1),
    ]
    assert run["automationDetails"]["id"] == "cd4ml/models/credit risk/"
    assert written(entry(*found))["automationDetails"]["id"] == "cd4ml/"


def test_fingerprint__of_the_id_and_not_of_the_line() -> None:
    """A finding that moves keeps its fingerprint; two limits that stand on one line have two."""
    at = [Location(path="cd4ml.yaml", line=line) for line in (3, 30)]
    first = written(entry(check("a", location=at[0]), check("b", location=at[0])))["results"]
    moved = written(entry(check("b", location=at[1]), check("a", location=at[1])))["results"]

    prints = [{one["ruleId"]: one["partialFingerprints"] for one in results} for results in (first, moved)]
    assert prints[0] == prints[1] and len(prints[0]) == 2


def test_tool__its_findings_stand_for_it() -> None:
    """A linter's own check is no result beside its findings; without findings, and as an error, it is one."""
    own, one = check("flake8"), check("flake8/F401:a.py:0", location=Location(path="a.py", line=1))

    assert [result["ruleId"] for result in written(entry(own, one, stage="check-code"))["results"]] == [
        "check-code/flake8/F401"
    ]
    assert [result["ruleId"] for result in written(entry(own, stage="check-code"))["results"]] == ["check-code/flake8"]
    crashed = check("flake8", Status.ERROR)
    assert len(written(entry(crashed, one, stage="check-code"))["results"]) == 2


def test_missing__is_a_result() -> None:
    """A stage that had to run and left no report is an error; one that was held back is not."""
    run = written(entry(check(status=Status.PASSED)), absent=[("audit-fairness", MISSING), ("build-image", NOT_RUN)])

    assert [result["ruleId"] for result in run["results"]] == ["audit-fairness/missing-report"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_charts__on_the_pages_of_alerts() -> None:
    """An alert's page shows what its stage found, drawn; no label of data ends the drawing or becomes markup."""
    overlap = check("overlap", Status.PASSED, value=0.005, limit=0.01, bound=Bound.AT_MOST)
    power = check("feature-power:```<b>fee", value=1.0, limit=0.5, bound=Bound.AT_MOST)

    (rule,) = written(entry(overlap, power, stage="check-split"))["tool"]["driver"]["rules"]

    drawn = rule["help"]["markdown"]
    assert "█▶ 1.0000 (limit 0.5000)" in drawn and rule["helpUri"] in drawn
    assert drawn.count("```") == 2 and rule["helpUri"] in rule["help"]["text"]


def test_vulnerabilities__one_result_each() -> None:
    """Each vulnerability that blocks is a result with the score that code scanning sorts by; accepted ones are none."""

    def found(id: str, severity: str, *, open: bool, fixed: str = "") -> dict[str, Any]:
        return {
            "id": id, "severity": severity, "package": "libx", "installed": "1", "fixed": fixed, "title": "Bad.",
            "target": "image", "open": open,
        }  # fmt: skip

    listed = [found("CVE-1", "CRITICAL", open=True, fixed="2"), found("CVE-2", "HIGH", open=True)]
    listed.append(found("CVE-3", "CRITICAL", open=False))
    details = {"scan": {"findings": listed}}
    blocks = check("vulnerabilities", message="2 vulnerabilities.")

    run = written(entry(blocks, stage="build-image", details=details))

    rules = {rule["id"]: rule["properties"] for rule in run["tool"]["driver"]["rules"]}
    assert {id: one["security-severity"] for id, one in rules.items()} == {
        "build-image/CVE-1": "9.5",
        "build-image/CVE-2": "8.0",
    }
    assert all("security" in one["tags"] for one in rules.values())
    assert [one["message"]["text"] for one in run["results"]] == [
        "CVE-1 (CRITICAL) in libx 1, fixed in 2. Bad.",
        "CVE-2 (HIGH) in libx 1, no fix yet. Bad.",
    ]
    for damaged in ({}, {"scan": 1}, {"scan": {"findings": [1, {"open": True}, {"id": "x"}]}}):
        assert written(entry(blocks, stage="build-image", details=damaged))["results"]


def test_scan__secrets_and_licences_at_their_place() -> None:
    """Each secret and each forbidden licence is a result, in the model's file or at the requirement that brings it."""
    secret = {
        "id": "github-pat",
        "severity": "CRITICAL",
        "title": "GitHub token",
        "path": "/app/model/a.txt",
        "line": 4,
    }
    license = {"id": "AGPL-3.0-only", "category": "forbidden", "package": "libx", "kind": "library", "open": True}
    accepted = {**secret, "id": "private-key", "open": False}
    scan = {
        "secrets": [{**secret, "open": True, "source": {"path": "model/a.txt", "line": 4}}, accepted],
        "licenses": {"forbidden": [{**license, "source": {"path": "model/requirements.txt", "line": 7}}]},
    }

    checks = [check("secrets", message="1 secret."), check("licenses", message="1 forbidden.")]
    run = written(entry(*checks, stage="build-image", details={"scan": scan}))

    told = {
        result["ruleId"]: (
            result["message"]["text"],
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for result in run["results"]
    }
    assert told == {
        "build-image/github-pat": (
            "GitHub token (github-pat, CRITICAL) in the image: /app/model/a.txt, line 4.",
            "model/a.txt",
            4,
        ),
        "build-image/licenses": (
            "libx has the licence AGPL-3.0-only (forbidden), which no package may have.",
            "model/requirements.txt",
            7,
        ),
    }
    damaged: dict[str, Any]
    for damaged in ({"source": 1}, {"source": {"path": 2}}, {"source": {"path": "a", "line": "x"}}, {"line": []}):
        broken = {"scan": {"secrets": [{**secret, "open": True, **damaged}], "licenses": [1]}}
        assert len(written(entry(*checks, stage="build-image", details=broken))["results"]) == 2


def test_scan__secrets_of_one_rule_in_one_file_are_told_apart() -> None:
    """Each has its own fingerprint, the first the one that it has alone, so that closing one closes no other."""

    def fingerprints(*lines: int) -> list[str]:
        found = [{"id": "github-pat", "path": "/app/a.txt", "line": line, "open": True} for line in lines]
        details = {"scan": {"secrets": found}}
        run = written(entry(check("secrets", message="x"), stage="build-image", details=details))
        return [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]

    both = fingerprints(4, 9)
    assert len(set(both)) == 2 and fingerprints(5) == both[:1]


def test_many__the_worst_are_kept() -> None:
    """Beyond what the platform shows, the worst are written, the rest is counted, and the file stays small enough."""
    few = [check(f"few:{n}", Status.INCONCLUSIVE, message=HOSTILE * 50) for n in range(6000)]
    worst = [check(f"worst:{n}", message=HOSTILE * 50) for n in range(10)]
    entries = [entry(*few), entry(*worst, stage="validate-data")]

    run = written(*entries)

    assert [result["level"] for result in run["results"]] == ["error"] * 10 + ["warning"] * 4990
    said = run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]
    assert said == "1,010 more findings are in the reports."
    assert len(gzip.compress(sarif.text(Run(entries=entries), Places()).encode())) < 10_000_000


def test_hostile__stays_text() -> None:
    """Whatever stands in data makes no link, placeholder, mention, reference or command, wherever it stands."""
    one = check(HOSTILE, message=HOSTILE, advice=HOSTILE, location=Location(path=HOSTILE, line=1))
    content = sarif.text(Run(entries=[entry(one)]), Places())

    (result,) = written(entry(one))["results"]

    said = result["message"]["text"]
    assert not re.search(r"\]\(|\{\d|@\w|#\d|://|::|##\[|[\x00-\x1f\x7f-\x9f\u2028\u202e]", said)
    assert content.isascii() and "::" not in content.replace(f'"{sarif.SCHEMA}"', "")


def test_command__writes_it(cd4ml: Callable[..., Ended], tmp_path: Path) -> None:
    """`cd4ml export --sarif` writes the file beside others, replaces its own, and replaces no other."""
    failed = {"id": "x", "status": "failed", "message": "Too low."}
    reports.write(tmp_path / "reports", "check-code", status="failed", checks=[failed])
    for _ in range(2):
        assert cd4ml("export", "--sarif", "reports/cd4ml.sarif").code == 0
    assert json.loads((tmp_path / "reports" / "cd4ml.sarif").read_text())["runs"][0]["results"]

    (tmp_path / "other.sarif").write_text('{"runs": [{"tool": {"driver": {"name": "codeql"}}}]}')
    assert cd4ml("export", "--sarif", "other.sarif").code == 2


def test_page__can_be_pasted() -> None:
    """The page's workflow has the permission that an upload needs, a pinned action, and says what forks cannot do."""
    page = PAGE.read_text()
    command = re.search(r"cd4ml export (.*)", page)

    assert command and "--sarif" in command[1]
    assert "security-events: write" in page and re.search(r"codeql-action/upload-sarif@[0-9a-f]{40} ", page)
    assert "fork" in page
