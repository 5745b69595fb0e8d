"""A report for a terminal or a job log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cd4ml.render.numbers import number, plural
from cd4ml.report import Check, Report, Status
from cd4ml.wording import safe

_MARK: Final = {
    Status.PASSED: "ok",
    Status.FAILED: "FAILED",
    Status.INCONCLUSIVE: "INCONCLUSIVE",
    Status.ERROR: "ERROR",
    Status.SKIPPED: "skipped",
}
# What checks of a table count: its rows, rows that break a rule, columns that do.
OF_COLUMNS: Final = "failing-columns"
_OF_TABLES: Final = ("rows", "rows-with-value", "failing-rows", OF_COLUMNS)
_MOST_BLOCKING: Final = 50
_MOST_PASSED: Final = 12


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
    tables = _tables(passed, report)
    told = {id(check) for checks in tables.values() for check in checks}
    singly = [check for check in passed if id(check) not in told]
    shown = [*blocking[:_MOST_BLOCKING], *singly[:_MOST_PASSED]]
    for check in shown:
        lines.extend(_lines(check, report.summary))
    for table, checks in tables.items():
        rows = plural(report.metrics["rows"][table], "row")
        lines.append(f"  {_MARK[Status.PASSED]:<8} {safe(table)}: {plural(len(checks), 'check')} passed on {rows}")
    hidden = len(blocking) + len(singly) - len(shown)
    if hidden:
        lines.append(f"  … and {plural(hidden, 'more check')} in the report")
    return "\n".join(lines) + "\n"


def _tables(passed: Sequence[Check], report: Report) -> dict[str, list[Check]]:
    """Return the checks of whole tables that passed without a word, by table: one line for each says enough."""
    rows = report.metrics.get("rows")
    found: dict[str, list[Check]] = {}
    for check in passed:
        if isinstance(rows, Mapping) and rows and check.metric in _OF_TABLES and check.reason is None:
            named = [table for table in rows if check.id.endswith(f"@{table}")]
            found.setdefault((named or list(rows))[0], []).append(check)
    return found


def _lines(check: Check, summary: str) -> list[str]:
    """Return a check's line, and, if it did not pass, what the summary has not said already and its advice."""
    where = ""
    if check.location:
        line = f":{check.location.line}" if check.location.line else ""
        where = f"{check.location.path}{line}: "
    compared = {"limit": check.limit, "baseline": check.baseline}
    named = ", ".join(f"{name} {number(value, check.value)}" for name, value in compared.items() if value is not None)
    limit = f" ({named})" if named else ""
    if check.metric == OF_COLUMNS:  # `present:age = 0` would read as its contrary
        return [f"  {_MARK[check.status]:<8} {safe(check.id)}", *_explained(check, where, summary)]
    value = f" = {number(check.value, check.limit, check.baseline)}" if check.value is not None else ""
    size = f", n = {number(check.n)}" if check.n is not None else ""
    head = f"{check.id}{value}{limit}{size}"
    return [f"  {_MARK[check.status]:<8} {safe(head)}", *_explained(check, where, summary)]


def _explained(check: Check, where: str, summary: str) -> list[str]:
    """Return what the summary has not said already of a check that did not pass, and its advice."""
    lines = []
    if check.status is not Status.PASSED:
        if where or not summary.startswith(check.message):
            lines.append(f"           {safe(where + check.message)}")
        if check.advice:
            lines.append(f"           -> {safe(check.advice)}")
    return lines
