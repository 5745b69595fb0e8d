"""What did not pass as GitLab's Code Quality report, which a merge request shows beside the changed lines."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from cd4ml.render.pipeline_run import Entry, Lost, Run
from cd4ml.render.places import Places
from cd4ml.report import Check, Status
from cd4ml.wording import safe

_SEVERITY: Final = {Status.FAILED: "critical", Status.ERROR: "blocker", Status.INCONCLUSIVE: "major"}
_WARNED: Final = "minor"
_LONGEST: Final = 2000


def text(run: Run, places: Places) -> str:
    """Return the document: one list, the same findings with the same fingerprints in the same order."""
    findings = [finding for entry in run.entries for finding in _findings(entry, places)]
    findings += [_lost(one, places) for one in run.lost]
    return json.dumps(findings, indent=2, ensure_ascii=True) + "\n"


def is_ours(content: str) -> bool:
    """Whether a file's content was written by `text`."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(one, dict) and "fingerprint" in one for one in found)


def _findings(entry: Entry, places: Places) -> Iterator[dict[str, Any]]:
    """Yield the findings of a stage."""
    seen: Counter[tuple[str, str]] = Counter()
    if not entry.published.report.checks and entry.status in _SEVERITY:
        said, place = f"{entry.stage}: {entry.told}", places.prefix + places.config
        yield _document(entry.name, "no-checks", said, _SEVERITY[entry.status], place, 1, 1)
    for check in entry.published.report.checks:
        if check.status in _SEVERITY:
            path, line = places.of(check)
            seen[check.id, path] += 1
            yield _finding(entry, check, path, line, seen[check.id, path])


def _finding(entry: Entry, check: Check, path: str, line: int, number: int) -> dict[str, Any]:
    """Return one finding. Its fingerprint names no line, so that it outlives changes above it.

    Args:
        number: tells findings with the same id in the same file apart.
    """
    said = f"{entry.stage}: {check.message} {check.advice or ''}"
    severity = _WARNED if entry.warned else _SEVERITY[check.status]
    return _document(entry.name, check.id, said, severity, path, line, number)


def _lost(one: Lost, places: Places) -> dict[str, Any]:
    """Return the finding of a report that is missing or cannot be read."""
    said, place = f"{one.name}: {one.told}", places.prefix + places.config
    return _document(one.name, one.rule, said, _SEVERITY[Status.ERROR], place, 1, 1)


def _document(stage: str, check: str, message: str, severity: str, path: str, line: int, number: int) -> dict[str, Any]:
    """Return a finding as the format has it."""
    print_of = hashlib.sha256("\0".join((stage, check, path, str(number))).encode("utf-8", "surrogatepass"))
    return {
        "description": safe(message).strip()[:_LONGEST],
        "check_name": safe(f"cd4ml/{stage}/{check}"),
        "fingerprint": print_of.hexdigest(),
        "severity": severity,
        "location": {"path": safe(path), "lines": {"begin": line}},
    }
