"""What pandera found -> checks: every check of the schema is listed, passed ones too.

The pandera schema stays the language; this module turns its errors into one check for each rule and column, so that a
rule that never ran is not mistaken for one that passed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, Final

from cd4ml.data.personal.hidden import hidden
from cd4ml.data.schema.engine.rules import IndexRules, Part, Test
from cd4ml.data.schema.findings import INDEX, Finding
from cd4ml.data.schema.load import Schema
from cd4ml.errors import OptionsError
from cd4ml.report import Bound, Check, Status
from cd4ml.report.ids import check_id
from cd4ml.user_code import Raised
from cd4ml.wording import nearest

# What a check counts: rows that break it, or columns.
ROWS: Final = "failing-rows"
COLUMNS: Final = "failing-columns"
_LONGEST_DEMAND: Final = 200
_LONGEST_VALUE: Final = 100
_MOST_NAMES: Final = 5
_MOST_MISSPELT: Final = 20


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that a schema demands: `name` of one `column` ("" for the whole table).

    Attributes:
        held: the sentence where it holds.
        broken: how the sentence begins where it is broken; in how many rows, or by what, follows.
        counts: what is counted where it is broken: rows, or columns. Of a type that is only compared it is the column,
            of one that values are coerced to the rows whose values cannot be.
    """

    name: str
    column: str
    held: str
    broken: str
    counts: str = ROWS

    @property
    def id(self) -> str:
        """Stable id of the rule's check."""
        return check_id(self.name, self.column) if self.column else check_id(self.name)


def rules(schema: Schema, columns: Sequence[str]) -> Iterator[Rule]:
    """Yield what the schema demands of a table with these columns; of columns that are not there, that they be."""
    targets = schema.targets(columns)
    there = {id(part) for _, part in targets}
    demanded = schema.rules
    missing = [part for part in demanded.columns if part.required and id(part) not in there]
    # With more of them missing it is another table, and looking for each name among all takes minutes.
    alike = columns if len(missing) <= _MOST_MISSPELT else ()
    for part in missing:
        yield _present(part.name, alike, regex=part.regex)
    for name, part in targets:
        if part.required:
            yield _present(name, ())
        yield from _part_rules(name, part)
    if demanded.index:
        yield from _index_rules(demanded.index)
    for test in demanded.tests:
        yield _test_rule("", "the table", test)
    # What a column demands of itself, and the table of that column alone, is one rule with one verdict.
    said = len(demanded.unique) == 1 and any(part.unique for name, part in targets if name == demanded.unique[0])
    for name in demanded.unfounded(columns):
        yield _present(name, columns)
    together = demanded.together(columns)
    if together and not said:
        named = " and ".join(f"`{name}`" for name in together)
        held, broken = f"No row repeats another one in {named}.", f"Rows repeat others in {named}:"
        yield Rule(name="unique", column=", ".join(demanded.unique), held=held, broken=broken)
    if demanded.strict:
        held, broken = "The table has no columns beyond the schema's.", "The schema does not name these columns:"
        yield Rule(name="strict", column="", held=held, broken=broken, counts=COLUMNS)
    if demanded.ordered:
        held, broken = "The columns are in the schema's order.", "These columns are not in the schema's order:"
        yield Rule(name="ordered", column="", held=held, broken=broken, counts=COLUMNS)


def _present(name: str, columns: Sequence[str], *, regex: bool = False) -> Rule:
    """Return that a column must be there."""
    broken = f"`{name}` is missing{nearest(name, columns)}"
    if regex:
        broken = f"No column matches `{name}`"
    return Rule(name="present", column=name, held=f"`{name}` is there.", broken=broken, counts=COLUMNS)


def _index_rules(index: IndexRules) -> Iterator[Rule]:
    """Yield what the schema demands of the index."""
    for level, name in zip(index.levels, index.names, strict=True):
        subject = "the index" if name is None else f"the index `{name}`"
        subject = (
            f"level {level.name.removeprefix('(index ').removesuffix(')')} of the index" if index.several else subject
        )
        yield from _part_rules(level.name, level, subject)
    if index.unique:
        held, broken = "No row repeats the index of another one.", "Rows repeat the index of others:"
        yield Rule(name="unique", column=INDEX, held=held, broken=broken)


def _part_rules(name: str, part: Part, subject: str = "") -> Iterator[Rule]:
    """Yield what the schema demands of the values of a column or of a level of the index."""
    subject = subject or f"`{name}`"
    start = f"{subject[0].upper()}{subject[1:]}"
    if part.dtype is not None:
        held, broken = f"{start} is of type {part.dtype}.", f"{start} is not of type {part.dtype}"
        yield Rule(name="dtype", column=name, held=held, broken=broken, counts=ROWS if part.coerce else COLUMNS)
    if not part.nullable:
        held, broken = f"{start} has a value in every row.", f"{start} has no value"
        yield Rule(name="not-nullable", column=name, held=held, broken=broken)
    if part.unique:
        held, broken = f"{start} repeats no value.", f"{start} repeats values"
        yield Rule(name="unique", column=name, held=held, broken=broken)
    for test in part.tests:
        yield _test_rule(name, subject, test)


def _test_rule(column: str, subject: str, test: Test) -> Rule:
    """Return a check of a column, of the index or of the table."""
    words = test.words if len(test.words) <= _LONGEST_DEMAND else f"{test.words[:_LONGEST_DEMAND]}…"
    start = f"{subject[0].upper()}{subject[1:]}"
    return Rule(name=test.name, column=column, held=f"{start} meets {words}.", broken=f"{start} breaks {words}")


def rule_checks(
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
        subject = f"`{column}`" if column else "The table"
        other = Rule(name=name, column=column, held="", broken=f"{subject} breaks the schema's rule {name}")
        result.append(_check(other, finding, rows, values))
    return result


def tolerated_checks(checks: Sequence[Check], warn: Collection[str], budgets: Mapping[str, float]) -> list[Check]:
    """Return checks with what the configuration tolerates: rules that only warn, and shares of rows that may fail.

    A check that could not be evaluated is never tolerated.

    Raises:
        OptionsError: a name is not a check's id, or a budget is not a share of rows.
    """
    ids = [check.id for check in checks]
    for option, name in [*(("warn", name) for name in warn), *(("budget", name) for name in budgets)]:
        if name not in ids:
            raise OptionsError(f"{option}: unknown check `{name}`{nearest(name, ids)}")
    of_rows = {check.id for check in checks if check.metric == ROWS}
    for name, share in budgets.items():
        if name not in of_rows:
            raise OptionsError(f"budget: `{name}` is not a check on rows, and a budget is a share of rows")
        if not 0 < share < 1:
            raise OptionsError(f"budget: {name} must be above 0 and below 1, got {share:g}")
    result = [_within(check, budgets[check.id]) if check.id in budgets else check for check in checks]
    return [_warned(check) if check.id in warn else check for check in result]


def _within(check: Check, share: float) -> Check:
    """Return a check of rows with its budget as the limit."""
    if check.status is Status.ERROR or not check.n:
        return check
    allowed = floor(Fraction(Decimal(repr(share))) * check.n)
    passed = isinstance(check.value, int) and check.value <= allowed
    words = f"{check.message} The budget is {allowed:,} rows ({100 * share:.4g} % of {check.n:,})."
    status = Status.PASSED if passed else Status.FAILED
    return replace(
        check,
        status=status,
        limit=allowed,
        bound=Bound.AT_MOST,
        option=("budget", check.id),
        set_at=None,
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
    shared: dict[str, Any] = {"id": rule.id, "metric": rule.counts, "limit": 0, "bound": Bound.AT_MOST, "n": rows}
    if finding is None:
        return Check(**shared, status=Status.PASSED, value=0, message=rule.held)
    if finding.crash:
        return Check(
            **shared,
            status=Status.ERROR,
            reason="check-crashed",
            message=f"The check {rule.id} could not be evaluated: {hidden(said(finding.crash, values))}.",
            advice="Fix the check: it cannot pass values that it could not evaluate.",
        )
    return Check(
        **shared,
        status=Status.FAILED,
        reason=f"schema-{rule.name.partition('#')[0].replace('_', '-')}",
        value=_failing(rule, finding, rows),
        message=f"{rule.broken}{_extent(rule, finding, rows, values)}.",
        advice="Fix the data, or change the schema in a reviewed change.",
    )


def _failing(rule: Rule, finding: Finding, rows: int) -> int:
    """Return how many rows or columns break a rule: of a type that cannot be coerced as a whole, every row."""
    if rule.name != "dtype":
        return finding.failing
    return 1 if rule.counts == COLUMNS else finding.failing if finding.samples else rows


def said(raised: Raised, values: bool) -> str:
    """Return what code of the caller raised; its text may quote data."""
    if values and raised.text:
        return f"{raised.where}: {raised.text}"
    return f"{raised.where} (include-values shows what it says)" if raised.text else raised.where


def _extent(rule: Rule, finding: Finding, rows: int, values: bool) -> str:
    """Return by what, or in how many rows, a rule is broken, with a few examples."""
    found = f"; it is {finding.columns[0]}" if finding.columns and rule.name == "dtype" else ""
    if finding.columns and not found:
        few = ", ".join(visible(name) for name in finding.columns[:_MOST_NAMES])
        more = f" and {len(finding.columns) - _MOST_NAMES} more" if len(finding.columns) > _MOST_NAMES else ""
        return f" {few}{more}"
    if not (finding.samples or finding.by_row):
        return found
    shown = finding.samples[:3]
    telling = values and rule.name != "not-nullable"
    examples = ", ".join(f"row {row}: {shortened(value)}" if telling else f"row {row}" for row, value in shown)
    extent = f"{finding.failing:,} of {rows:,} rows{f', e.g. {examples}' if examples else ''}"
    return f" {extent}" if rule.broken.endswith(":") else f" in {extent}{found}"


def visible(name: str) -> str:
    """Return a column's name so that it can be seen; one without a name, with what it may be."""
    nameless = re.fullmatch(r"Unnamed: (\d+)", name) or name == ""
    if nameless:
        last = isinstance(nameless, re.Match) and nameless[1] != "0"
        guess = "a delimiter at the end of the lines?" if last else "a pandas index? write index=False"
        return f"a column without a name ({f'`{name}`; ' if name else ''}{guess})"
    return name if name == name.strip() and name.isprintable() else repr(name)


def shortened(value: Any) -> str:
    """Return a value of the data as Python writes it, cut to a length that a report can hold."""
    text = hidden(repr(value.item() if hasattr(value, "item") else value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def unfinished_check(error: Raised, rows: int, values: bool) -> Check:
    """Return the check for a validation that came to no end: none of its rules may be listed as held."""
    return Check(
        id="schema",
        status=Status.ERROR,
        reason="check-crashed",
        n=rows,
        message=f"The schema could not be evaluated: {hidden(said(error, values))}.",
        advice="Fix the schema, or leave out what pandera cannot handle (nested values, for example).",
    )
