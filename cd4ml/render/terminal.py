"""A report for a terminal or a job log."""

from __future__ import annotations

import unicodedata
from typing import Final

from cd4ml.render.numbers import number, plural
from cd4ml.report import Check, Report, Status

_MARK: Final = {
    Status.PASSED: "ok",
    Status.FAILED: "FAILED",
    Status.INCONCLUSIVE: "INCONCLUSIVE",
    Status.ERROR: "ERROR",
    Status.SKIPPED: "skipped",
}
_MOST_BLOCKING: Final = 50
_MOST_PASSED: Final = 12


def safe(text: str) -> str:
    """Return text from data so that neither a terminal nor a runner takes any of it for a command.

    Control and format characters (among them bidirectional overrides) are shown escaped, and `::` and `##[`, which a
    runner looks for, are broken by a zero-width joiner written as an escape.
    """
    shown = "".join(
        character if unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp", "Cs") else ascii(character)[1:-1]
        for character in text
    )
    while "::" in shown or "##[" in shown:
        shown = shown.replace("::", ": :").replace("##[", "# #[")
    return shown


def terminal(report: Report, *, warned: bool = False) -> str:
    """Return the verdict, then what did not pass, then what did; one line a check.

    Args:
        warned: whether a verdict other than `passed` is let through.
    """
    lines = [f"{report.stage}: {str(report.status).upper()}{' (a warning: it does not block)' if warned else ''}"]
    if report.summary:
        lines.append(f"  {safe(report.summary)}")
    blocking = [check for check in report.checks if check.status is not Status.PASSED]
    passed = [check for check in report.checks if check.status is Status.PASSED]
    shown = [*blocking[:_MOST_BLOCKING], *passed[:_MOST_PASSED]]
    for check in shown:
        lines.extend(_lines(check, report.summary))
    hidden = len(report.checks) - len(shown)
    if hidden:
        lines.append(f"  … and {plural(hidden, 'more check')} in the report")
    return "\n".join(lines) + "\n"


def _lines(check: Check, summary: str) -> list[str]:
    """Return a check's line, and, if it did not pass, what the summary has not said already and its advice."""
    where = ""
    if check.location:
        line = f":{check.location.line}" if check.location.line else ""
        where = f"{check.location.path}{line}: "
    compared = {"limit": check.limit, "baseline": check.baseline}
    named = ", ".join(f"{name} {number(value, check.value)}" for name, value in compared.items() if value is not None)
    limit = f" ({named})" if named else ""
    value = f" = {number(check.value, check.limit, check.baseline)}" if check.value is not None else ""
    size = f", n = {number(check.n)}" if check.n is not None else ""
    head = f"{check.id}{value}{limit}{size}"
    lines = [f"  {_MARK[check.status]:<8} {safe(head)}"]
    if check.status is not Status.PASSED:
        if where or check.message != summary:
            lines.append(f"           {safe(where + check.message)}")
        if check.advice:
            lines.append(f"           -> {safe(check.advice)}")
    return lines
