"""A table against its rules: prove, read once, count what is broken, and leave the rest to pandera."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cd4ml.data.schema.engine.facts import Facts, add_dictionaries, from_footers
from cd4ml.data.schema.engine.predicates import (
    Family,
    broken,
    by_bounds,
    family,
    is_category,
    of_categories,
    proven,
    understood,
)
from cd4ml.data.schema.engine.rules import Part, Rules, Test
from cd4ml.data.schema.engine.types import DTYPES, fits, meets, pandas_name
from cd4ml.data.schema.engine.unique import duplicates
from cd4ml.data.schema.findings import MOST_SAMPLES, Finding
from cd4ml.data.tables.by_name import column, columns
from cd4ml.data.tables.by_name import values as values_of
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import polars as pl

_SCAN: Final = "scan"
_MOST_AT_ONCE: Final = 50
_INFINITE: Final = "(infinite)"
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A column of the table and what is demanded of it; `whole` columns are left to pandera with all their rules.

    Attributes:
        own: pandas' name of the type that it wrote the column with, if that is one of its own, such as `Int64`.
    """

    name: str
    part: Part
    stored: pl.DataType
    own: str | None = None
    family: Family | None
    widened: bool = False
    whole: bool = False

    @property
    def value(self) -> pl.Expr:
        """The column, as the schema coerces it."""
        if self.widened or is_category(self.stored):
            return column(self.name).cast(self.type)
        return column(self.name)

    @property
    def type(self) -> pl.DataType:
        """The type of the values that checks see; categories are texts to them."""
        import polars as pl

        return pl.String() if is_category(self.stored) else self.coerced

    @property
    def coerced(self) -> pl.DataType:
        """The type of the column, as the schema coerces it."""
        import polars as pl

        return pl.Float64() if self.widened else self.stored

    def pandas_name(self, nulls: int) -> str:
        """The type, as pandera names it, that pandas gives to the coerced column."""
        return str(pandas_name(self.coerced, nulls, self.own))


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
    known = [_target(name, part, source) for name, part in targets]
    own = [target for target in known if not target.whole]
    result.whole = [target.name for target in known if target.whole]
    facts = _facts(source, own, metadata)
    counts = _read(source, own, facts)
    own = _without_gaps(own, facts, result)
    shape(source.schema.names(), rules, targets, result)
    broken_tests = [test for target in own for test in _judge(target, facts[target.name], counts, source.rows, result)]
    _count(source, broken_tests, result)
    _uniqueness(source, rules, own, facts, result)
    if rules.tests:
        result.left[""] = [test.name for test in rules.tests]
    return result


def _target(name: str, part: Part, source: Source) -> Target:
    """Return how a column is dealt with."""
    stored, own = source.schema[name], source.types.get(name)
    of = family(stored) if own is None or fits(own, stored) else None
    known_type = part.dtype is None or part.dtype in DTYPES.values()
    twice_coerced = part.coerce and part.dtype is not None
    actual = pandas_name(stored, 0, own) if of else None
    widened = bool(twice_coerced and part.dtype == "float64" and stored.is_integer() and own is None)
    unchanged = not twice_coerced or part.dtype == actual or widened
    time_of_unit = of is Family.TIME and twice_coerced  # coercion changes the unit, and may overflow
    odd = is_category(stored) and (part.unique or not all(map(of_categories, part.tests)))
    whole = of is None or not known_type or not unchanged or time_of_unit or odd
    widened = widened and not whole
    return Target(name=name, part=part, stored=stored, own=own, family=of, widened=widened, whole=whole)


def _facts(source: Source, targets: Sequence[Target], metadata: bool) -> dict[str, Facts]:
    """Return what metadata say of each column."""
    names = [target.name for target in targets]
    if not (metadata and source.footers and source.rows and names):
        return {name: Facts(origin={}) for name in names}
    facts = from_footers(source, names)
    texts = [
        t.name for t in targets if t.family is Family.TEXT and any(understood(x, Family.TEXT) for x in t.part.tests)
    ]
    add_dictionaries(source, facts, texts)
    return facts


def _read(source: Source, targets: Sequence[Target], facts: dict[str, Facts]) -> dict[tuple[str, str], int]:
    """Read what is not known yet, every column once; return the broken rows of checks that nothing else can prove."""
    import polars as pl

    counts: dict[tuple[str, str], int] = {}
    for some in _in_groups([target for target in targets if any(_unknown(target, facts))]):
        wanted = [(target.name, key, expression) for target in some for key, expression in _unknown(target, facts)]
        expressions = [expression.alias(str(position)) for position, (_, _, expression) in enumerate(wanted)]
        found = source.lazy().select(*expressions, pl.len().alias("rows")).collect(engine="streaming").row(0)
        if found[-1] != source.rows:
            raise OptionsError(f"{source.name}: its footer promises {source.rows} rows, and it has {found[-1]}")
        for (name, key, _), value in zip(wanted, found[:-1], strict=True):
            if key in ("nulls", "nans", "lower", "upper"):
                setattr(facts[name], key, value)
                facts[name].origin["bounds" if key in ("lower", "upper") else key] = _SCAN
            else:
                counts[name, key] = int(value)
    return counts


def _in_groups(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Yield items in groups: so many columns are decoded side by side that memory stays bounded."""
    for start in range(0, len(items), _MOST_AT_ONCE):
        yield items[start : start + _MOST_AT_ONCE]


def _unknown(target: Target, known: Mapping[str, Facts]) -> Iterator[tuple[str, pl.Expr]]:
    """Yield what is not known of a column and must be read: facts, and broken rows of checks that no fact proves."""
    facts, column = known[target.name], target.value
    floats = target.stored.is_float()
    if facts.nulls is None:
        yield "nulls", column.null_count()
    if floats:
        yield "nans", column.is_nan().sum()
    tests = [test for test in target.part.tests if target.family and understood(test, target.family)]
    bounded = target.family in (Family.NUMBER, Family.TIME)
    if facts.lower is None and bounded and (floats or target.part.unique or any(map(by_bounds, tests))):
        yield "lower", column.min()
        yield "upper", column.max()
    if target.widened:
        yield "changed", _changed(target)
    for test in tests:
        if not (bounded and by_bounds(test)) and facts.values is None:
            yield test.name, broken(test, column, target.type).sum()


def _changed(target: Target) -> pl.Expr:
    """Return how many values are others once they have been coerced."""
    return target.value.cast(target.stored, strict=False).ne_missing(column(target.name)).sum()


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
        proofs[test.name] = _SCAN
        holds = count == 0
    elif facts.values is not None:
        proofs[test.name] = facts.origin["values"]
        holds = _all_hold(test, facts.values)
    else:
        proofs[test.name] = facts.origin["bounds"]
        holds = filled == 0 or proven(test, facts.lower, facts.upper, target.type)
    if not holds:
        proofs[test.name] = _SCAN
        yield target, test.name, broken(test, target.value, target.type)


def _all_hold(test: Test, values: frozenset[str]) -> bool:
    """Whether a check holds for all of a set of texts."""
    import polars as pl

    texts = pl.DataFrame({"value": sorted(values)}, schema={"value": pl.String})
    return not texts.select(broken(test, pl.col("value"), pl.String()).any()).item()


def _count(source: Source, masks: Sequence[tuple[Target, str, Any]], result: Audit) -> None:
    """Count the rows that break rules, and find the first few of each; every column is read once more."""
    for some in _in_groups(masks):
        for (target, rule, _), (count, few) in zip(some, _counted(source, some), strict=True):
            if rule == _INFINITE:
                result.infinite[target.name] = count
            elif count:
                result.findings[rule, target.name] = Finding(failing=count, samples=few)


def _counted(source: Source, masks: Sequence[tuple[Target, str, Any]]) -> list[tuple[int, list[tuple[int, Any]]]]:
    """Return the number of rows under each mask, and the first few as (row number, value)."""
    names = list(dict.fromkeys(target.name for target, _, _ in masks))
    expressions = [mask.alias(str(position)) for position, (_, _, mask) in enumerate(masks)]
    counts = [0] * len(masks)
    samples: list[list[tuple[int, Any]]] = [[] for _ in masks]
    start = 0
    for batch in source.lazy().select(columns(names)).collect_batches(maintain_order=True, engine="streaming"):
        marked = batch.select(expressions)
        for position, (target, _, _) in enumerate(masks):
            hits = marked.to_series(position)
            counts[position] += int(hits.sum())
            lacking = MOST_SAMPLES - len(samples[position])
            if lacking and counts[position]:
                rows = hits.arg_true().head(lacking)
                values = values_of(batch, target.name).gather(rows).to_list()
                samples[position] += [(start + row, value) for row, value in zip(rows, values, strict=True)]
        start += len(batch)
    if start != source.rows:
        raise OptionsError(f"{source.name}: it had {source.rows} rows, and now it has {start}")
    return list(zip(counts, samples, strict=True))


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
            result.proofs[target.name]["unique"] = _SCAN
            if found.count:
                result.findings["unique", target.name] = Finding(failing=found.count, samples=list(found.samples))
    if set(rules.unique) & set(result.whole):
        result.together = rules.unique
    elif together := rules.together(source.schema.names()):
        found = duplicates(source, together, rules.keep, MOST_SAMPLES)
        if found.count:
            label = ", ".join(rules.unique)
            result.findings["unique", label] = Finding(failing=found.count, samples=list(found.samples))
