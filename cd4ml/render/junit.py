"""The reports of a run as JUnit XML: a suite for each stage, a test case for each check.

What did not pass is a failure or an error, also where the options let it through: no reader of JUnit knows a verdict
between the two, and a case that was skipped looks like one that passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
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
_QUIET: Final = {
    NOT_RUN: "It did not run: a stage before it did not pass.",
    Status.SKIPPED: "It is not configured.",
}
# `safe` leaves these two, which no XML document may hold.
_NO_CHARACTERS: Final = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})
_LONGEST: Final = 4000
# Leaves room for what tells two apart.
_LONGEST_NAME: Final = _LONGEST - 50


def text(run: Run, places: Places) -> str:
    """Return the document."""
    quiet = {name: _QUIET[what] for name, what in run.absent if what in _QUIET}
    names = iter(_unique([*(one.name for one in run.entries), *(one.name for one in run.lost), *quiet]))
    suites = [_suite(next(names), entry, places) for entry in run.entries]
    suites += [_without(next(names), "error", one.told) for one in run.lost]
    suites += [_without(next(names), "skipped", said) for said in quiet.values()]
    root = ElementTree.Element("testsuites", {"name": "cd4ml", **_sums(suites)})
    root.extend(suites)
    ElementTree.indent(root)
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded.decode() + "\n"


def is_ours(content: str) -> bool:
    """Whether a file's content was written by `text`."""
    return content.startswith(HEAD)


def _suite(name: str, entry: Entry, places: Places) -> ElementTree.Element:
    """Return the suite of a stage."""
    checks = entry.published.report.checks
    names = _unique(check.id for check in checks)
    cases = [_case(name, one, check, places) for one, check in zip(names, checks, strict=True)]
    if not cases:
        cases = [_single(name, _ELEMENT.get(entry.status), entry.told)]
    return _of(name, cases, entry.published)


def _without(name: str, kind: str, said: str) -> ElementTree.Element:
    """Return the suite of a stage of which there is no report."""
    return _of(name, [_single(name, kind, said)], None)


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


def _unique(texts: Iterable[str]) -> list[str]:
    """Return texts as they are written, each another one: readers take two cases of one name for one."""
    found: dict[str, None] = {}
    counts: Counter[str] = Counter()
    for text in texts:
        name = shown = _plain(text, most=_LONGEST_NAME)
        while name in found:
            counts[shown] += 1
            name = f"{shown} ({counts[shown] + 1})"
        found[name] = None
    return list(found)


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


def _plain(text: str, *, most: int = _LONGEST) -> str:
    """Return text from data as one line that an XML document may hold; the library escapes what is markup."""
    shown = safe(str(text)).translate(_NO_CHARACTERS)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
