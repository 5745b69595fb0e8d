"""The reports of a run as JUnit XML: a suite for each stage, a test case for each check.

What did not pass is a failure or an error, also where the options let it through: no reader of JUnit knows a verdict
between the two, and a case that was skipped looks like one that passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final
from xml.etree import ElementTree

from cd4ml.render.pipeline_run import NOT_RUN, Entry, Run
from cd4ml.render.places import Places
from cd4ml.report import Check, Published, Status
from cd4ml.wording import safe

HEAD: Final = "<?xml version='1.0' encoding='utf-8'?>\n<testsuites name=\"cd4ml\""
# Status -> the element that says so.
_ELEMENT: Final = {
    Status.FAILED: "failure",
    Status.INCONCLUSIVE: "error",
    Status.ERROR: "error",
    Status.SKIPPED: "skipped",
}
_ABSENT: Final = {
    NOT_RUN: "It did not run: a stage before it did not pass.",
    Status.SKIPPED: "It is not configured.",
}
# `safe` leaves these two, which no XML document may hold.
_NO_CHARACTERS: Final = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})
_LONGEST: Final = 4000


def text(run: Run, places: Places) -> str:
    """Return the document."""
    suites = [*(_suite(entry, places) for entry in run.entries), *(_absent(*one) for one in run.absent)]
    root = ElementTree.Element("testsuites", {"name": "cd4ml", **_sums(suites)})
    root.extend(suites)
    ElementTree.indent(root)
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded.decode() + "\n"


def is_ours(content: str) -> bool:
    """Whether a file's content was written by `text`."""
    return content.startswith(HEAD)


def _suite(entry: Entry, places: Places) -> ElementTree.Element:
    """Return the suite of a stage."""
    report = entry.published.report
    cases = [
        _case(entry.name, name, check, places) for name, check in zip(_names(report.checks), report.checks, strict=True)
    ]
    if not cases:
        cases = [_single(entry.name, _ELEMENT.get(entry.status), entry.told)]
    return _of(entry.name, cases, entry.published)


def _absent(stage: str, status: str) -> ElementTree.Element:
    """Return the suite of a stage without a report; one that should have left a report is an error."""
    kind = "skipped" if status in _ABSENT else "error"
    return _of(stage, [_single(stage, kind, _ABSENT.get(status, "It had to run, but its report is missing."))], None)


def _of(stage: str, cases: list[ElementTree.Element], published: Published | None) -> ElementTree.Element:
    """Return a suite of test cases with what is known of the run."""
    attributes = {"name": _plain(f"cd4ml {stage}")}
    run = published.run if published else {}
    if isinstance(run.get("seconds"), int | float):
        attributes["time"] = f"{run['seconds']:.3f}"
    if run.get("started_at"):
        attributes["timestamp"] = _plain(str(run["started_at"]).removesuffix("Z"))
    suite = ElementTree.Element("testsuite", attributes)
    known = list(_properties(published)) if published else []
    if known:
        properties = ElementTree.SubElement(suite, "properties")
        properties.extend(
            ElementTree.Element("property", {"name": name, "value": _plain(value)}) for name, value in known
        )
    suite.extend(cases)
    counted = Counter(child.tag for case in cases for child in case)
    sums = {"failures": counted["failure"], "errors": counted["error"], "skipped": counted["skipped"]}
    suite.attrib |= {"tests": str(len(cases)), **{name: str(number) for name, number in sums.items()}}
    return suite


def _sums(suites: list[ElementTree.Element]) -> dict[str, str]:
    """Return the totals of all suites."""
    return {name: str(sum(int(suite.attrib[name]) for suite in suites)) for name in ("tests", "failures", "errors")}


def _properties(published: Published) -> Iterator[tuple[str, str]]:
    """Yield what the verdict rests on."""
    yield "cd4ml-version", published.version
    if published.source.git_sha:
        yield "git-sha", published.source.git_sha
    if published.report.candidate:
        yield "candidate-sha256", published.report.candidate.sha256
    for item in published.report.inputs:
        yield f"input-{_plain(item.name)}-sha256", item.sha256


def _names(checks: Sequence[Check]) -> list[str]:
    """Return a name for each check: readers take two cases of one name for one."""
    seen: Counter[str] = Counter()
    names = []
    for check in checks:
        seen[check.id] += 1
        names.append(check.id if seen[check.id] == 1 else f"{check.id} ({seen[check.id]})")
    return names


def _case(stage: str, name: str, check: Check, places: Places) -> ElementTree.Element:
    """Return the test case of a check."""
    case = ElementTree.Element("testcase", {"classname": _plain(f"cd4ml.{stage}"), "name": _plain(name), "time": "0"})
    kind = _ELEMENT.get(check.status)
    if kind:
        attributes = {"type": _plain(check.reason or check.status), "message": _plain(check.message)}
        said = ElementTree.SubElement(case, kind, attributes)
        path, line = places.of(check)
        where = f"{path}:{line}" if check.place else ""
        said.text = "\n".join(_plain(part) for part in (where, check.message, check.advice or "") if part)
    return case


def _single(stage: str, kind: str | None, message: str) -> ElementTree.Element:
    """Return the test case of a stage that has no checks."""
    case = ElementTree.Element("testcase", {"classname": _plain(f"cd4ml.{stage}"), "name": _plain(stage), "time": "0"})
    if kind:
        ElementTree.SubElement(case, kind, {"type": "stage", "message": _plain(message)})
    return case


def _plain(text: str) -> str:
    """Return text from data as one line that an XML document may hold; the library escapes what is markup."""
    shown = safe(str(text)).translate(_NO_CHARACTERS)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
