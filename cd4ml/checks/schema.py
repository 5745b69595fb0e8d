"""What pandera found -> checks: every check of the schema is listed, passed ones too.

The pandera schema stays the language; this module turns its errors into one check for each rule and column, so that a
rule that never ran is not mistaken for one that passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cd4ml.data.validation import Finding
from cd4ml.report import Check, Status


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that a schema demands: `name` of one `column` ("" for the whole table)."""

    name: str
    column: str
    demand: str

    @property
    def id(self) -> str:
        """Stable id of the rule's check."""
        return f"{self.name}:{self.column}" if self.column else self.name


def rules(schema: Any, columns: Sequence[str]) -> Iterator[Rule]:
    """Yield everything that the schema demands of a table with these columns."""
    for name, column in schema.columns.items():
        for actual in _matching(name, column, columns):
            yield from _column_rules(actual, column)
    for check in schema.checks:
        yield Rule(name=check.name or str(check), column="", demand=str(check.error or check.name))
    if schema.unique:
        yield Rule(name="unique", column=", ".join(schema.unique), demand="rows are unique")
    if schema.strict:
        yield Rule(name="strict", column="", demand="there are no other columns")
    if schema.ordered:
        yield Rule(name="ordered", column="", demand="the columns stand in the schema's order")


def _matching(name: str, column: Any, columns: Sequence[str]) -> list[str]:
    """Return the table's columns that a column of the schema is about; its own name if there are none."""
    if column.regex:
        import re

        return [actual for actual in columns if re.fullmatch(name, str(actual))] or [name]
    return [name]


def _column_rules(name: str, column: Any) -> Iterator[Rule]:
    """Yield what the schema demands of one column."""
    if column.required:
        yield Rule(name="present", column=name, demand="the column is there")
    if column.dtype is not None:
        yield Rule(name="dtype", column=name, demand=f"values are of type {column.dtype}")
    if not column.nullable:
        yield Rule(name="not-nullable", column=name, demand="every row has a value")
    if column.unique:
        yield Rule(name="unique", column=name, demand="no value occurs twice")
    for check in column.checks:
        yield Rule(name=check.name or "check", column=name, demand=str(check.error or check.name))


def checks(
    found: Mapping[tuple[str, str], Finding], demanded: Sequence[Rule], *, rows: int, values: bool, suffix: str
) -> list[Check]:
    """Return one check for each rule, and one for everything found that belongs to no rule.

    Args:
        found: by (rule name, column); a rule that is absent held on every row.
        values: whether samples may show values, not only row numbers.
        suffix: appended to ids where several tables are checked.
    """
    unclaimed = dict(found)
    result = []
    for rule in dict.fromkeys(demanded):
        finding = unclaimed.pop((rule.name, rule.column), None)
        if finding and finding.crash and ("dtype", rule.column) in found:
            # The values are of the wrong type: that is the failure, and the check was bound to stumble over it.
            finding = Finding(failing=rows)
        result.append(_check(rule, finding, rows=rows, values=values, suffix=suffix))
    for (name, column), finding in unclaimed.items():
        rule = Rule(name=name, column=column, demand="the schema holds")
        result.append(_check(rule, finding, rows=rows, values=values, suffix=suffix))
    return result


def _check(rule: Rule, finding: Finding | None, *, rows: int, values: bool, suffix: str) -> Check:
    """Return the check of one rule."""
    shared: dict[str, Any] = {"id": f"{rule.id}{suffix}", "metric": "failing-rows", "limit": 0, "n": rows}
    subject = rule.column or "the table"
    if finding is None:
        return Check(**shared, status=Status.PASSED, value=0, message=f"{subject}: {rule.demand}, in all {rows} rows.")
    if finding.crash:
        return Check(
            **shared,
            status=Status.ERROR,
            reason="check-crashed",
            message=f"{subject}: the check {rule.name} could not be evaluated: {finding.crash}",
            advice="Mend the check: what it cannot look at, it cannot pass.",
        )
    return Check(
        **shared,
        status=Status.FAILED,
        reason=f"schema-{rule.name.replace('_', '-')}",
        value=finding.failing,
        message=f"{subject}: {rule.demand}; {finding.failing} of {rows} rows are not so{_samples(finding, values)}.",
        advice="Mend the data, or change the schema in a reviewed change.",
    )


def _samples(finding: Finding, values: bool) -> str:
    """Return a few failing rows, with values only where the user allows it."""
    if not finding.samples:
        return ""
    shown = finding.samples[:3]
    if values:
        return "; e.g. " + ", ".join(f"row {row}: {value!r}" for row, value in shown)
    return "; e.g. row " + ", ".join(str(row) for row, _ in shown)
