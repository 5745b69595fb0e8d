"""Whole published reports for tests, and what holds of every report that a stage leaves in any test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cd4ml.report import Bound, Check, Published, Report, Source, Status, v1

# Where chance may explain a value beyond its limit, or an evidence other than the value decides.
_BY_CHANCE = {"detect-drift", "check-split"}
_DECIDED_OTHERWISE = {"warning", "in-the-future"}
_ROUNDING = 1e-9
FINE = {"id": "x", "status": "passed", "message": "Fine."}


def document(stage: str, /, **changes: Any) -> dict[str, Any]:
    """Return the document of a report that passed its one check; keyword arguments replace parts of it."""
    report = Report(stage=stage, checks=(Check(id="x", status=Status.PASSED, message="Fine."),))
    return v1.document(Published(report=report, source=Source(git_sha=None, modified=()))) | changes


def write(folder: Path, stage: str, /, **changes: Any) -> Path:
    """Write such a report where its stage would, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.json"
    path.write_text(json.dumps(document(stage, **changes)))
    return path


def sound(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a published report; fail unless its limits and verdicts agree, and no id occurs twice."""
    ids = [check["id"] for check in report.get("checks", ())]
    assert len(ids) == len(set(ids)), sorted(ids)
    for check in report.get("checks", ()):
        assert "limit" in check or "bound" not in check, check
        if _is_number(check.get("limit")) and _is_number(check.get("value")):
            assert "bound" in check, check
            if check.get("reason") not in _DECIDED_OTHERWISE:
                _agrees(check, kept(check), by_chance=report["stage"] in _BY_CHANCE)
    return report


def _agrees(check: Mapping[str, Any], within: bool, *, by_chance: bool) -> None:
    """Fail if a check passed beyond its limit, or failed within it."""
    if check["status"] == Status.PASSED:
        assert within or by_chance, check
    elif check["status"] == Status.FAILED:
        assert not within, check


def kept(check: Mapping[str, Any]) -> bool:
    """Return whether a check's value lies on the side of its limit where it must lie."""
    value, limit, baseline = check["value"], check["limit"], check.get("baseline", 0)
    match Bound(check["bound"]):
        case Bound.AT_LEAST:
            return bool(value >= limit - _ROUNDING)
        case Bound.AT_MOST:
            return bool(value <= limit + _ROUNDING)
        case Bound.BELOW:
            return bool(value < limit)
        case Bound.EQUAL:
            return bool(value == limit)
        case Bound.MAGNITUDE:
            return bool(abs(value) <= limit + _ROUNDING)
        case Bound.DECREASE:
            return bool(baseline - value <= limit + _ROUNDING)
        case Bound.INCREASE:
            return bool(value - baseline <= limit + _ROUNDING)
        case Bound.CHANGE:
            return bool(abs(value - baseline) <= limit * abs(baseline) + _ROUNDING)


def _is_number(value: object) -> bool:
    """Whether a value can lie on a side of another one."""
    return isinstance(value, int | float) and not isinstance(value, bool)
