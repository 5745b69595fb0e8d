"""Findings on changed lines alone: what was there before is counted, and does not block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cd4ml.code_tools.diff import changed_lines
from cd4ml.code_tools.tool import Result, found_by
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.git import Checkout
from cd4ml.report import Check, Status


def since(baseline: str, checkout: Checkout) -> dict[str, frozenset[int] | None]:
    """Return which lines changed, since this branch left another, of each file that was there; None for all of them.

    A file that is not named was not there, or git does not know it: all of its lines are new.

    Raises:
        OptionsError: the repository does not know the other branch, or where this one left it.
        UnavailableError: git does not say what changed.
    """
    start = checkout.merge_base(baseline)
    if start is None:
        raise OptionsError(
            f"baseline: {baseline!r} is unknown, or its history was not fetched",
            advice="Check the name. In a workflow, fetch the history: set fetch-depth: 0 at actions/checkout.",
        )
    known, different, diff = checkout.files_at(start), checkout.different(start), checkout.diff(start)
    if known is None or different is None or diff is None:
        raise UnavailableError(
            f"git cannot tell what changed since {baseline}.", advice="Run `git diff` there and fix the cause."
        )
    lines = changed_lines(diff, "new")
    changes: dict[str, frozenset[int] | None] = {file.as_posix(): frozenset() for file in known}
    for file in different:
        name = file.as_posix()
        # A name that the diff writes in quotes is not found: all of it counts as changed.
        whole = name not in changes or name not in lines or _counted_otherwise(checkout.directory / file)
        changes[name] = None if whole else frozenset(lines[name])
    return changes


def _counted_otherwise(file: Path) -> bool:
    """Whether a file's lines have other numbers for git than for the tools, which end a line at any carriage return."""
    try:
        return b"\r" in file.read_bytes().replace(b"\r\n", b"")
    except OSError:
        return False


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
        message=f"{found_by(name, count)} on lines unchanged since {baseline}: this does not block.",
        metric="findings",
        value=count,
    )
    judged = replace(
        own,
        status=Status.FAILED if new else Status.PASSED,
        reason=own.reason if new else None,
        value=len(new),
        message=f"{found_by(name, len(new))} on changed lines.",
    )
    return replace(result, checks=(judged, *new, old), metrics={**result.metrics, "findings": len(new), "old": count})


def _concerns(finding: Check, result: Result, changes: Mapping[str, frozenset[int] | None]) -> bool:
    """Whether a finding is on a changed line; one without a place, or in an unknown file, is nobody's old one."""
    changed = changes.get(finding.location.path) if finding.location else None
    if finding.location is None or changed is None:
        return True
    lines = result.lines.get(finding.id) or ([finding.location.line] if finding.location.line else [])
    return any(line in changed for line in lines) if lines else bool(changed)
