"""What pandera found -> checks: every check of the schema is listed, passed ones too.

The pandera schema stays the language; this module turns its errors into one check for each rule and column, so that a
rule that never ran is not mistaken for one that passed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, Final

from cd4ml.data.engine.rules import Part, Test
from cd4ml.data.findings import INDEX, Finding
from cd4ml.data.schemas import Schema
from cd4ml.data.user_code import Raised
from cd4ml.errors import OptionsError
from cd4ml.options import nearest
from cd4ml.report import Check, Status

_LONGEST_DEMAND: Final = 200
_LONGEST_VALUE: Final = 100


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


def rules(schema: Schema, columns: Sequence[str]) -> Iterator[Rule]:
    """Yield what the schema demands of a table with these columns; of columns that are not there, that they be."""
    targets = schema.targets(columns)
    there = {id(part) for _, part in targets}
    demanded = schema.rules
    for part in demanded.columns:
        if part.required and id(part) not in there:
            yield Rule(name="present", column=part.name, demand="the column must be there")
    for name, part in targets:
        if part.required:
            yield Rule(name="present", column=name, demand="the column must be there")
        yield from _part_rules(name, part)
    for index in demanded.index:
        yield from _part_rules(INDEX, index)
    for test in demanded.tests:
        yield Rule(name=test.name, column="", demand=_demand(test))
    if demanded.unique:
        yield Rule(name="unique", column=", ".join(demanded.unique), demand="no row may occur twice")
    if demanded.strict:
        yield Rule(name="strict", column="", demand="no other columns may be there")
    if demanded.ordered:
        yield Rule(name="ordered", column="", demand="the columns must stand in the schema's order")


def _part_rules(name: str, part: Part) -> Iterator[Rule]:
    """Yield what the schema demands of the values of a column or of the index."""
    if part.dtype is not None:
        yield Rule(name="dtype", column=name, demand=f"values must be of type {part.dtype}")
    if not part.nullable:
        yield Rule(name="not-nullable", column=name, demand="every row must have a value")
    if part.unique:
        yield Rule(name="unique", column=name, demand="no value may occur twice")
    for test in part.tests:
        yield Rule(name=test.name, column=name, demand=_demand(test))


def _demand(test: Test) -> str:
    """Return a check as people write it."""
    text = f"must meet {test.words}"
    return text if len(text) <= _LONGEST_DEMAND else f"{text[:_LONGEST_DEMAND]}…"


def checks(
    found: Mapping[tuple[str, str], Finding], demanded: Sequence[Rule], *, rows: int, values: bool
) -> list[Check]:
    """Return one check for each rule, and one for everything found that belongs to no rule.

    Args:
        found: by (rule name, column); a rule that is absent held on every row.
        values: whether messages may show values, not only row numbers.
    """
    unclaimed = dict(found)
    result = []
    for rule in demanded:
        finding = unclaimed.pop((rule.name, rule.column), None)
        if finding and finding.crash and ("dtype", rule.column) in found:
            # The values are of the wrong type: that is the failure, and the check was bound to stumble over it.
            finding = Finding(failing=rows)
        result.append(_check(rule, finding, rows=rows, values=values))
    for (name, column), finding in unclaimed.items():
        result.append(_check(Rule(name=name, column=column, demand="the schema must hold"), finding, rows, values))
    return result


def tolerated(checks: Sequence[Check], warn: Collection[str], budgets: Mapping[str, float]) -> list[Check]:
    """Return checks with what the configuration tolerates: rules that only warn, and shares of rows that may fail.

    A check that could not be evaluated is never tolerated.

    Raises:
        OptionsError: a name is no check's id, or a budget is no share of rows.
    """
    ids = [check.id for check in checks]
    for option, name in [*(("warn", name) for name in warn), *(("budget", name) for name in budgets)]:
        if name not in ids:
            raise OptionsError(f"{option}: `{name}` is no check here{nearest(name, ids)}")
    for name, share in budgets.items():
        if not 0 < share < 1:
            raise OptionsError(f"budget: {name} must be above 0 and below 1, got {share:g}")
    result = [_within(check, budgets[check.id]) if check.id in budgets else check for check in checks]
    return [_warned(check) if check.id in warn else check for check in result]


def _within(check: Check, share: float) -> Check:
    """Return a check of rows with its budget as the limit."""
    if check.metric != "failing-rows" or check.status is Status.ERROR or not check.n:
        return check
    allowed = floor(Fraction(Decimal(repr(share))) * check.n)
    passed = isinstance(check.value, int) and check.value <= allowed
    words = f"{check.message} At most {allowed} rows ({share:.4g} of {check.n}) may."
    status = Status.PASSED if passed else Status.FAILED
    return replace(
        check,
        status=status,
        limit=allowed,
        message=words,
        reason=None if passed else check.reason,
        advice=None if passed else check.advice,
    )


def _warned(check: Check) -> Check:
    """Return a failed check as one that passes with a warning."""
    if check.status is not Status.FAILED:
        return check
    return replace(check, status=Status.PASSED, reason="warning", message=f"Warning: {check.message}")


def _check(rule: Rule, finding: Finding | None, rows: int, values: bool) -> Check:
    """Return the check of one rule."""
    shared: dict[str, Any] = {"id": rule.id, "metric": "failing-rows", "limit": 0, "n": rows}
    subject = f"{rule.column}: " if rule.column else ""
    if finding is None:
        return Check(**shared, status=Status.PASSED, value=0, message=f"{subject}{rule.demand}: so it is.")
    if finding.crash:
        return Check(
            **shared,
            status=Status.ERROR,
            reason="check-crashed",
            message=f"{subject}the check {rule.name} could not be evaluated: {said(finding.crash, values)}.",
            advice="Mend the check: what it cannot look at, it cannot pass.",
        )
    return Check(
        **shared,
        status=Status.FAILED,
        reason=f"schema-{rule.name.partition('#')[0].replace('_', '-')}",
        value=finding.failing,
        message=f"{subject}{rule.demand}{_extent(finding, rows, values)}.",
        advice="Mend the data, or change the schema in a reviewed change.",
    )


def said(raised: Raised, values: bool) -> str:
    """Return what code of the caller raised; its text may quote data."""
    if values and raised.text:
        return f"{raised.where}: {raised.text}"
    return f"{raised.where} (include-values shows what it says)" if raised.text else raised.where


def _extent(finding: Finding, rows: int, values: bool) -> str:
    """Return how far a rule is broken, and a few examples."""
    if finding.columns:
        return f"; found {', '.join(finding.columns[:5])}"
    if not finding.samples:
        return f"; {finding.failing} of {rows} rows do not" if finding.by_row else "; it is not so"
    shown = finding.samples[:3]
    examples = [f"row {row}: {shortened(value)}" if values else f"row {row}" for row, value in shown]
    return f"; {finding.failing} of {rows} rows do not, e.g. {', '.join(examples)}"


def shortened(value: Any) -> str:
    """Return a value of the data as Python writes it, cut to a length that a report can hold."""
    text = repr(value.item() if hasattr(value, "item") else value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def unfinished(error: Raised, rows: int, values: bool) -> Check:
    """Return the check for a validation that came to no end: none of its rules may be listed as held."""
    return Check(
        id="schema",
        status=Status.ERROR,
        reason="check-crashed",
        n=rows,
        message=f"The schema could not be evaluated: {said(error, values)}.",
        advice="Mend the schema, or leave out what pandera cannot handle (nested values, for one).",
    )
