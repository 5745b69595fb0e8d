"""A table against its rules: prove, read once, count what is broken, and leave the rest to pandera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cd4ml.data.schema.engine.facts import Facts
from cd4ml.data.schema.engine.predicates import broken, proven, understood
from cd4ml.data.schema.engine.rules import Part, Rules, Test
from cd4ml.data.schema.engine.scan import SCAN, counted, facts_of, in_groups, read
from cd4ml.data.schema.engine.targets import Target, target_of
from cd4ml.data.schema.engine.types import meets, pandas_name
from cd4ml.data.schema.engine.unique import duplicates
from cd4ml.data.schema.findings import MOST_SAMPLES, Finding
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

_INFINITE: Final = "(infinite)"


@dataclass(kw_only=True)
class Audit:
    """What was found.

    Attributes:
        findings: what breaks the rules, by (rule name, column); what is absent holds.
        proofs: how each rule was decided, by column and rule: footer, dictionary, scan, pandera.
        infinite: number of infinities by column of floats.
        changed: number of values that coercion changes, by column.
        filled: number of rows with a value, by nullable column.
        whole: columns with all of whose rules pandera must deal.
        left: checks that pandera must evaluate, by column ("" for the whole table).
        together: columns whose values together may not repeat, if pandera must look: it coerces them first.
        columns: the table's columns, in order, without its index if the schema has rules about that.
    """

    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    proofs: dict[str, dict[str, str]] = field(default_factory=dict)
    infinite: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)
    together: Sequence[str] = ()
    columns: Sequence[str] = ()


def audit(source: Source, rules: Rules, targets: Sequence[tuple[str, Part]], *, metadata: bool = True) -> Audit:
    """Hold a table against rules, all that the engine can decide.

    Args:
        targets: which rules are about which column, as the schema matches them.
        metadata: whether footers and dictionaries may prove anything.

    Raises:
        OptionsError: the file's metadata contradict its rows, or a column cannot be told from the whole table.
    """
    if rules.tests and "" in source.schema:  # the name of the whole table's rules
        raise OptionsError(
            f"{source.name}: a column has no name, and the schema has checks of the whole table",
            advice="Name the column, or drop it (a pandas index? write index=False).",
        )
    result = Audit()
    known = [target_of(name, part, source) for name, part in targets]
    own = [target for target in known if not target.whole]
    result.whole = [target.name for target in known if target.whole]
    facts = facts_of(source, own, metadata)
    counts = read(source, own, facts)
    own = _without_gaps(own, facts, result)
    shape(source.schema.names(), rules, targets, result)
    broken_tests = [test for target in own for test in _judge(target, facts[target.name], counts, source.rows, result)]
    _count(source, broken_tests, result)
    _uniqueness(source, rules, own, facts, result)
    if rules.tests:
        result.left[""] = [test.name for test in rules.tests]
    return result


def _without_gaps(targets: Sequence[Target], facts: dict[str, Facts], result: Audit) -> list[Target]:
    """Leave columns to pandera that are coerced to a type which gaps turn out to change."""
    kept = []
    for target in targets:
        part = target.part
        actual = target.pandas_name(facts[target.name].nulls or 0)
        if part.coerce and part.dtype is not None and part.dtype != actual:
            result.whole.append(target.name)
        else:
            kept.append(target)
    return kept


def shape(columns: Sequence[str], rules: Rules, targets: Sequence[tuple[str, Part]], result: Audit) -> None:
    """Check which columns are there, and in which order."""
    there = {id(part) for _, part in targets}
    for part in rules.columns:
        if part.required and id(part) not in there:
            result.findings["present", part.name] = Finding(failing=1)
    for name in rules.unfounded(columns):
        result.findings["present", name] = Finding(failing=1)
    matched = [name for name, _ in targets]
    others = [name for name in columns if name not in matched]
    if rules.strict and others:
        result.findings["strict", ""] = Finding(failing=len(others), columns=others)
    if rules.ordered:
        misplaced = _misplaced([name for name in columns if name in matched], matched)
        if misplaced:
            result.findings["ordered", ""] = Finding(failing=len(misplaced), columns=misplaced)


def _misplaced(actual: Sequence[str], demanded: Sequence[str]) -> list[str]:
    """Return the columns that do not stand where the schema has them."""
    return [found for found, wanted in zip(actual, demanded, strict=True) if found != wanted]


def _judge(
    target: Target, facts: Facts, counts: dict[tuple[str, str], int], rows: int, result: Audit
) -> Iterable[tuple[Target, str, Any]]:
    """Decide the rules of a column but uniqueness; yield (target, rule, mask) of those whose rows are to be found."""
    name, part = target.name, target.part
    proofs = result.proofs.setdefault(name, {})
    origin = facts.origin
    filled = rows - facts.missing
    if part.nullable:
        result.filled[name] = filled
    if target.stored.is_float():
        result.infinite[name] = 0
        if filled and not (facts.lower > float("-inf") and facts.upper < float("inf")):
            yield target, _INFINITE, target.value.is_infinite().fill_null(False)
    if target.widened:
        result.changed[name] = counts[name, "changed"]
    if part.dtype is not None:
        actual = target.pandas_name(facts.nulls or 0)
        proofs["dtype"] = origin["nulls"]
        if not meets(part.dtype, actual):
            gaps = {"object": " (boolean with gaps)", "float64": " (whole numbers with gaps)"}
            odd = gaps.get(actual, "") if actual != pandas_name(target.coerced, 0, target.own) else ""
            result.findings["dtype", name] = Finding(failing=1, columns=[f"{actual}{odd}"])
    if not part.nullable:
        proofs["not-nullable"] = origin["nans"] if facts.nans else origin.get("nans", origin["nulls"])
        if facts.missing:
            missing = target.value.is_null()
            yield target, "not-nullable", missing | target.value.is_nan() if target.stored.is_float() else missing
    for test in part.tests:
        yield from _judge_test(target, test, facts, counts.get((name, test.name)), filled, result)


def _judge_test(
    target: Target, test: Test, facts: Facts, count: int | None, filled: int, result: Audit
) -> Iterable[tuple[Target, str, Any]]:
    """Decide a check of a column."""
    if target.family is None or not understood(test, target.family):
        result.left.setdefault(target.name, []).append(test.name)
        return
    proofs = result.proofs[target.name]
    if count is not None:
        proofs[test.name] = SCAN
        holds = count == 0
    elif facts.values is not None:
        proofs[test.name] = facts.origin["values"]
        holds = _all_hold(test, facts.values)
    else:
        proofs[test.name] = facts.origin["bounds"]
        holds = filled == 0 or proven(test, facts.lower, facts.upper, target.type)
    if not holds:
        proofs[test.name] = SCAN
        yield target, test.name, broken(test, target.value, target.type)


def _all_hold(test: Test, values: frozenset[str]) -> bool:
    """Whether a check holds for all of a set of texts."""
    import polars as pl

    texts = pl.DataFrame({"value": sorted(values)}, schema={"value": pl.String})
    return not texts.select(broken(test, pl.col("value"), pl.String()).any()).item()


def _count(source: Source, masks: Sequence[tuple[Target, str, Any]], result: Audit) -> None:
    """Count the rows that break rules, and find the first few of each; every column is read once more."""
    for some in in_groups(masks):
        for (target, rule, _), (count, few) in zip(some, counted(source, some), strict=True):
            if rule == _INFINITE:
                result.infinite[target.name] = count
            elif count:
                result.findings[rule, target.name] = Finding(failing=count, samples=few)


def _uniqueness(
    source: Source, rules: Rules, targets: Sequence[Target], facts: dict[str, Facts], result: Audit
) -> None:
    """Look for rows that repeat."""
    for target in targets:
        if target.part.unique:
            known = facts[target.name]
            whole = target.stored.is_integer() and not known.nulls and known.lower is not None
            bounds = (int(known.lower), int(known.upper)) if whole else None
            found = duplicates(source, [target.name], target.part.keep, MOST_SAMPLES, bounds)
            result.proofs[target.name]["unique"] = SCAN
            if found.count:
                result.findings["unique", target.name] = Finding(failing=found.count, samples=list(found.samples))
    if set(rules.unique) & set(result.whole):
        result.together = rules.unique
    elif together := rules.together(source.schema.names()):
        found = duplicates(source, together, rules.keep, MOST_SAMPLES)
        if found.count:
            label = ", ".join(rules.unique)
            result.findings["unique", label] = Finding(failing=found.count, samples=list(found.samples))
