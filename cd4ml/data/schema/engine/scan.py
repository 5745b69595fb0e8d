"""Reading a table for its rules: what metadata do not say, in one pass, and the rows that break rules in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cd4ml.data.schema.engine.facts import Facts, add_dictionaries, from_footers
from cd4ml.data.schema.engine.predicates import Family, broken, by_bounds, understood
from cd4ml.data.schema.engine.targets import Target
from cd4ml.data.schema.findings import MOST_SAMPLES
from cd4ml.data.tables.by_name import column, columns
from cd4ml.data.tables.by_name import values as values_of
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import polars as pl

# How a rule was decided that the rows were read for.
SCAN: Final = "scan"
_MOST_AT_ONCE: Final = 50
_Item = TypeVar("_Item")


def facts_of(source: Source, targets: Sequence[Target], metadata: bool) -> dict[str, Facts]:
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


def read(source: Source, targets: Sequence[Target], facts: dict[str, Facts]) -> dict[tuple[str, str], int]:
    """Read what is not known yet, every column once; return the broken rows of checks that nothing else can prove."""
    import polars as pl

    counts: dict[tuple[str, str], int] = {}
    for some in in_groups([target for target in targets if any(_unknown(target, facts))]):
        wanted = [(target.name, key, expression) for target in some for key, expression in _unknown(target, facts)]
        expressions = [expression.alias(str(position)) for position, (_, _, expression) in enumerate(wanted)]
        found = source.lazy().select(*expressions, pl.len().alias("rows")).collect(engine="streaming").row(0)
        if found[-1] != source.rows:
            raise OptionsError(f"{source.name}: its footer promises {source.rows} rows, and it has {found[-1]}")
        for (name, key, _), value in zip(wanted, found[:-1], strict=True):
            if key in ("nulls", "nans", "lower", "upper"):
                setattr(facts[name], key, value)
                facts[name].origin["bounds" if key in ("lower", "upper") else key] = SCAN
            else:
                counts[name, key] = int(value)
    return counts


def in_groups(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
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


def counted(source: Source, masks: Sequence[tuple[Target, str, Any]]) -> list[tuple[int, list[tuple[int, Any]]]]:
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
