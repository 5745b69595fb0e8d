"""Findings on changed lines alone: what was there before is counted, and does not block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cd4ml.code_tools.diff import changed_lines
from cd4ml.code_tools.tool import Result
from cd4ml.errors import OptionsError
from cd4ml.git import Checkout
from cd4ml.report import Check, Status


def since(baseline: str, checkout: Checkout, files: Sequence[Path]) -> dict[str, frozenset[int] | None]:
    """Return the changed lines of files that differ from where this branch left another; None for all of its lines.

    Raises:
        OptionsError: the repository does not know the other branch, or where this one left it.
    """
    start = checkout.merge_base(baseline)
    if start is None:
        raise OptionsError(
            f"baseline: {baseline!r} is unknown here, or its history was not fetched",
            advice="Fetch it: set fetch-depth: 0 at actions/checkout.",
        )
    different = {path.as_posix() for path in checkout.different(start)}
    lines = changed_lines(checkout.diff(start), "new")
    known = {path.as_posix() for path in checkout.files_at(start)}
    changes: dict[str, frozenset[int] | None] = {}
    for file in files:
        name = file.as_posix()
        if name in different:
            # A name that the diff writes in quotes is not found: all of it counts as changed.
            changes[name] = frozenset(lines[name]) if name in lines and name in known else None
        elif name not in known:
            changes[name] = None
    return changes


def on_changed_lines(name: str, result: Result, changes: Mapping[str, frozenset[int] | None], baseline: str) -> Result:
    """Return a tool's result without what it found on lines that did not change, and with their number."""
    own, *findings = result.checks
    if own.status is Status.ERROR or not findings:
        return result
    new = [finding for finding in findings if _concerns(finding, result, changes)]
    if len(new) == len(findings):
        return result
    count = len(findings) - len(new)
    old = Check(
        id=f"unchanged-lines:{name}",
        status=Status.PASSED,
        reason="baseline",
        message=f"{count} findings of {name} are on lines that did not change since {baseline}: they do not block.",
        metric="findings",
        value=count,
    )
    judged = replace(
        own,
        status=Status.FAILED if new else Status.PASSED,
        reason=own.reason if new else None,
        value=len(new),
        message=f"Findings of {name} on changed lines: {len(new)}.",
    )
    return replace(result, checks=(judged, *new, old), metrics={**result.metrics, "findings": len(new), "old": count})


def _concerns(finding: Check, result: Result, changes: Mapping[str, frozenset[int] | None]) -> bool:
    """Whether a finding is on a changed line; one without a place is nobody's old one."""
    if finding.location is None:
        return True
    if finding.location.path not in changes:
        return False
    changed = changes[finding.location.path]
    lines = result.lines.get(finding.id) or ([finding.location.line] if finding.location.line else [])
    return changed is None or not lines or any(line in changed for line in lines)
