"""What names a finding of a linter: rule, file and the text of its line, so that lines above it may come and go."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from cd4ml.report import Check
from cd4ml.report.ids import check_id, numbered

_DIGITS: Final = 10


def identified(findings: Sequence[Check]) -> list[Check]:
    """Return findings, which have their rules for ids, with their own ids; equal ones are numbered from the top."""
    line = cache(_lines)
    named = [(finding, _named(finding, line(_path(finding)))) for finding in findings]
    places = sorted(range(len(named)), key=lambda number: _place(findings[number]))
    ids = dict(zip(places, numbered(named[number][1] for number in places), strict=True))
    return [replace(finding, id=ids[number]) for number, (finding, _) in enumerate(named)]


def _named(finding: Check, lines: Sequence[str]) -> str:
    """Return the id of a finding, which another one may have too."""
    number = finding.location.line if finding.location and finding.location.line else 0
    text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return check_id(finding.id, _path(finding), digest[:_DIGITS])


def _path(finding: Check) -> str:
    """Return the file of a finding."""
    return finding.location.path if finding.location else ""


def _place(finding: Check) -> tuple[str, int, int]:
    """Return where a finding stands."""
    place = finding.location
    return (place.path, place.line or 0, place.column or 0) if place else ("", 0, 0)


def _lines(path: str) -> list[str]:
    """Return the lines of a file as the tools count them; none if it cannot be read."""
    try:
        # Ends of lines become line feeds; form feeds and Unicode's separators are characters of the code.
        return Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
