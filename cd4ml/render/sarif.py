"""What did not pass as SARIF 2.1.0, which code scanning shows at its line in "Files changed" and keeps as an alert.

One run for the whole pipeline, as the platform wants it: a rule for each kind of decision, a result for each check.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import cd4ml
from cd4ml.published import REPOSITORY, page
from cd4ml.render.charts import chart
from cd4ml.render.html.values import listed, mapping
from cd4ml.render.inert import inert
from cd4ml.render.pipeline_run import Entry, Lost, Run
from cd4ml.render.places import Places
from cd4ml.report import Check, Status, decisive
from cd4ml.wording import safe

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# The platform shows 5,000 results of a run, and refuses a file of more than 10 MB once it is compressed.
MOST_RESULTS: Final = 5000
_LONGEST: Final = 1000
_ROOT: Final = "%SRCROOT%"
_LEVEL: Final = {Status.ERROR: "error", Status.FAILED: "error", Status.INCONCLUSIVE: "warning", Status.PASSED: "note"}
_MILDER: Final = {"error": "warning", "warning": "note"}
_RANK: Final = ("error", "warning", "note")
_LETS_THROUGH: Final = {Status.FAILED: "on-failed", Status.INCONCLUSIVE: "on-inconclusive"}
# Stands for the stage where a finding is about a file of which no stage is known.
_REPORTS: Final = "reports"
# What the platform takes for a severity; within the ranges of CVSS that Trivy's words stand for.
_SCORES: Final = {"CRITICAL": "9.5", "HIGH": "8.0", "MEDIUM": "5.5", "LOW": "2.0", "UNKNOWN": "5.5"}
# A zero-width space keeps text from being a link, a placeholder, a mention or a reference.
_BREAK: Final = "\u200b"
_BROKEN: Final = re.compile(r"(?<=\])(?=\()|(?<=\{)(?=\d)|(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=:)(?=//)")


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """A result before it is written.

    Attributes:
        stage: where it was found.
        rule: what was decided, within its stage.
        key: what tells it from every other one, whatever its line.
        severity: of a vulnerability.
    """

    stage: str
    rule: str
    key: str
    text: str
    level: str
    place: tuple[str, int]
    column: int | None = None
    severity: str = ""


def text(run: Run, places: Places) -> str:
    """Return the document: the worst first, the same findings with the same fingerprints in the same order."""
    found = [finding for entry in run.entries for finding in _findings(entry, places)]
    found += [_lost(one, places) for one in run.lost]
    found.sort(key=lambda finding: _RANK.index(finding.level))
    shown, hidden = found[:MOST_RESULTS], len(found) - MOST_RESULTS
    drawn = _drawn(run)
    rules = {_rule_id(finding): _rule(finding, drawn.get(finding.stage, "")) for finding in shown}
    index = {id: number for number, id in enumerate(rules)}
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {**_DRIVER, "rules": list(rules.values())}},
                # What stands before the last slash is the category: one for each working directory.
                "automationDetails": {"id": f"cd4ml/{_relative(places.prefix)}"},
                "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(run, hidden)],
                "results": [_result(finding, index) for finding in shown],
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def is_ours(content: str) -> bool:
    """Whether a file's content was written by `text`."""
    try:
        found = json.loads(content)
        return bool(found["runs"][0]["tool"]["driver"]["name"] == "cd4ml")
    except (ValueError, RecursionError, LookupError, TypeError):
        return False


_DRIVER: Final = {
    "name": "cd4ml",
    "semanticVersion": cd4ml.__version__,
    "informationUri": f"https://github.com/{REPOSITORY}",
}


def _invocation(run: Run, hidden: int) -> dict[str, Any]:
    """Return whether every stage came to a verdict, and how many findings are left out."""
    notes = []
    if hidden > 0:
        said = f"{hidden:,} more findings are in the reports."
        notes = [{"level": "warning", "message": {"text": said}, "descriptor": {"id": "more-findings"}}]
    return {"executionSuccessful": run.status is not Status.ERROR, "toolExecutionNotifications": notes}


def _findings(entry: Entry, places: Places) -> Iterator[_Finding]:
    """Yield the findings of a stage: what did not pass, and what was let through with a warning."""
    report = entry.published.report
    if not report.checks and entry.status in (Status.ERROR, Status.FAILED, Status.INCONCLUSIVE):
        place = places.prefix + places.config, 1
        level = _LEVEL[entry.status]
        yield _Finding(stage=entry.stage, rule="no-checks", key=entry.name, text=entry.told, level=level, place=place)
    tolerated = [check for check in report.checks if check.status is Status.PASSED and check.reason == "warning"]
    for check in [*decisive(report.checks), *tolerated]:
        yield from list(_scanned(entry, check, places)) or [_finding(entry, check, places)]


def _finding(entry: Entry, check: Check, places: Places) -> _Finding:
    """Return the finding of a check."""
    said = " ".join(part for part in (check.message, check.advice) if part)
    return _Finding(
        stage=entry.stage,
        rule=check.rule,
        key=f"{entry.name}\0{check.id}",
        text=said or check.id,
        level=_level(entry, check),
        place=places.of(check),
        column=check.location.column if check.location else None,
    )


def _level(entry: Entry, check: Check) -> str:
    """Return how grave a check is: what only warns is milder."""
    option = _LETS_THROUGH.get(check.status)
    level = _LEVEL[check.status]
    return _MILDER[level] if option and entry.published.options.get(option) == "warn" else level


def _scanned(entry: Entry, check: Check, places: Places) -> Iterator[_Finding]:
    """Yield a finding for each vulnerability, secret and licence that blocks; the report says where each is."""
    scan = mapping(entry.published.report.details, "scan")
    if check.rule not in _SCANNED:
        return
    seen: Counter[str] = Counter()
    for item in _SCANNED[check.rule](scan):
        if not isinstance(item, Mapping) or item.get("open") is not True:
            continue
        id, severity, where = (str(item.get(name, "")) for name in ("id", "severity", "package"))
        where += str(item.get("path", ""))
        key = f"{entry.name}\0{check.id}\0{id}\0{where}\0{item.get('target', '')}"
        seen[key] += 1
        yield _Finding(
            stage=entry.stage,
            rule=check.rule if check.rule == "licenses" else id,  # a package may call its licence anything
            key=key if seen[key] == 1 else f"{key}\0{seen[key]}",  # a file may hold several secrets of one rule
            text=_told(check.rule, item),
            level=_level(entry, check),
            place=_place(item, check, places),
            severity=severity,
        )


# What the scan of an image lists for each decision on it.
_SCANNED: Final[Mapping[str, Callable[[Mapping[str, Any]], Sequence[Any]]]] = {
    "vulnerabilities": lambda scan: listed(scan.get("findings")),
    "secrets": lambda scan: listed(scan.get("secrets")),
    "licenses": lambda scan: listed(mapping(scan, "licenses").get("forbidden")),
}


def _told(rule: str, item: Mapping[str, Any]) -> str:
    """Return what is said of something that was found in an image."""
    id, severity, package, path = (str(item.get(name, "")) for name in ("id", "severity", "package", "path"))
    if rule == "secrets":
        return f"{item.get('title', '')} ({id}, {severity}) in the image: {path}, line {item.get('line', '')}.".strip()
    if rule == "licenses":
        return f"{package} has the licence {id} ({item.get('category', '')}), which no package may have."
    fixed = f"fixed in {item['fixed']}" if item.get("fixed") else "no fix yet"
    return f"{id} ({severity}) in {package} {item.get('installed', '')}, {fixed}. {item.get('title', '')}".strip()


def _place(item: Mapping[str, Any], check: Check, places: Places) -> tuple[str, int]:
    """Return where something that was found stands in the repository, if the report says it of itself."""
    source = item.get("source")
    if not isinstance(source, Mapping) or not isinstance(source.get("path"), str):
        return places.of(check)
    line = source.get("line")
    return places.prefix + source["path"].removeprefix("./"), line if isinstance(line, int) else 1


def _lost(one: Lost, places: Places) -> _Finding:
    """Return the finding of a report that is missing or cannot be read."""
    place, said = (places.prefix + places.config, 1), f"{one.name}: {one.told}"
    stage = _REPORTS if one.name.endswith(".json") else one.name
    return _Finding(stage=stage, rule=one.rule, key=one.name, text=said, level="error", place=place)


def _rule_id(finding: _Finding) -> str:
    """Return the id of a finding's rule."""
    return _plain(f"{finding.stage}/{finding.rule}")


def _drawn(run: Run) -> dict[str, str]:
    """Return the charts of each stage as Markdown, which an alert's page shows below its rule."""
    drawn: dict[str, str] = {}
    for entry in run.entries:
        if one := chart(entry.published.report):
            title = f"{inert(entry.name)}\n\n" if entry.name != entry.stage else ""
            drawn[entry.stage] = f"{drawn.get(entry.stage, '')}{title}{one}"
    return drawn


def _rule(finding: _Finding, drawn: str) -> dict[str, Any]:
    """Return a rule with what it is about, its stage's chart, and where to read on."""
    id = _rule_id(finding)
    address = page("export.md" if finding.stage == _REPORTS else f"stages/{quote(finding.stage)}.md")
    said = f"{_plain(finding.rule)} of the stage {_plain(finding.stage)}"
    told = {"text": f"What the stage checks and how its limits are set: {address}"}
    properties: dict[str, Any] = {"tags": ["cd4ml", _plain(finding.stage)]}
    if finding.severity:
        properties["tags"].append("security")
        properties["security-severity"] = _SCORES.get(finding.severity, _SCORES["UNKNOWN"])
    elif drawn:  # a vulnerability is a rule of its own: its stage's chart says nothing of it
        told["markdown"] = f"{drawn}What the stage checks and how its limits are set: <{address}>"
    return {
        "id": id,
        "shortDescription": {"text": said},
        "fullDescription": {"text": f"{said}. What it decides, and which option sets its limit, is said in the docs."},
        "help": told,
        "helpUri": address,
        "properties": properties,
    }


def _result(finding: _Finding, index: Mapping[str, int]) -> dict[str, Any]:
    """Return a finding as the format has it."""
    id = _rule_id(finding)
    path, line = finding.place
    region = {"startLine": max(1, line), **({"startColumn": max(1, finding.column)} if finding.column else {})}
    place = {"artifactLocation": {"uri": _uri(path), "uriBaseId": _ROOT}, "region": region}
    # The platform tells alerts of a rule apart by this one: several limits may stand on one line.
    own = hashlib.sha256(finding.key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {
        "ruleId": id,
        "ruleIndex": index[id],
        "level": finding.level,
        "message": {"text": _plain(finding.text)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"primaryLocationLineHash": f"{own}:1"},
    }


def _uri(path: str) -> str:
    """Return a path of the repository as the format has it."""
    return quote(_relative(path), safe="/", errors="replace")


def _relative(path: str) -> str:
    """Return a path without what would lead out of the repository; a slash at its end stays."""
    parts = [part for part in posixpath.normpath(f"/{path}").split("/") if part]
    return "/".join(parts) + ("/" if parts and path.endswith("/") else "")


def _plain(said: str) -> str:
    """Return text from data as one line that is nothing but text."""
    shown = _BROKEN.sub(_BREAK, safe(said).strip())
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
