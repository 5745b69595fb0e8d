"""The rules of a schema about the index, held against the index that pandas wrote into the file.

An index is part of a table only if pandas wrote it there. Rules about it are never held against row numbers that the
reader counts: where the file holds no such index, the schema is refused.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.coercion import infinite, lossy, type_found
from cd4ml.data.schema.engine.audit import Audit
from cd4ml.data.schema.engine.rules import IndexRules
from cd4ml.data.schema.findings import INDEX, MOST_SAMPLES, Finding
from cd4ml.data.schema.load import Schema
from cd4ml.data.schema.validation import validate
from cd4ml.data.tables.pandas_metadata import Level
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pandas as pd

_ADVICE: Final = (
    "Name the column among the schema's columns instead of its index, or write the table with pandas' to_parquet, "
    "which keeps the index."
)


def without_index(source: Source, rules: IndexRules) -> Source:
    """Return the table without the columns that hold its index, to a schema that has rules about the index.

    Raises:
        OptionsError: the file does not hold the index that the rules are about.
    """
    levels = source.written.levels if source.written else ()
    _positions(source, levels, rules)
    stored = {level.column for level in levels} & set(source.schema)
    taken = [label for label in rules.labels if label in source.schema]
    if taken:
        raise OptionsError(f"{source.name}: the column `{taken[0]}` has the name by which the report calls the index")
    return source.without(sorted(str(name) for name in stored))


def _positions(source: Source, levels: Sequence[Level], rules: IndexRules) -> list[int]:
    """Return which level of the table's index each demanded level is.

    Raises:
        OptionsError: the table has no index, or another one.
    """
    wanted, found = list(rules.names), [level.name for level in levels]
    named = any(name is not None for name in wanted)
    fitting = not rules.several or len(found) > 1 or len(wanted) == 1
    if rules.several and named:
        right = all(found.count(name) == 1 for name in wanted)
        positions = [found.index(name) for name in wanted] if right else []
        right = right and not (rules.ordered and positions != sorted(positions))
    else:
        right = len(found) == len(wanted) and all(w in (None, f) for w, f in zip(wanted, found, strict=True))
        positions = list(range(len(wanted)))
    if levels and right and fitting and not (rules.strict and len(found) != len(wanted)):
        return positions
    there = f"its index is {_called(found)}" if levels else "the file does not hold an index"
    raise OptionsError(
        f"{source.name}: the schema has rules about the index ({_called(wanted)}), and {there}", advice=_ADVICE
    )


def _called(names: Sequence[str | None]) -> str:
    """Return the names of an index's levels as people read them."""
    return ", ".join("one without a name" if name is None else f"`{name}`" for name in names)


def hold_index(source: Source, schema: Schema, result: Audit) -> None:
    """Hold the index of a table against a schema's rules about it, and add what was found.

    Raises:
        UserCodeError: pandera came to no end.
    """
    rules = schema.rules.index
    if rules is None or source.written is None:
        return
    index = source.index()
    positions = _positions(source, source.written.levels, rules)
    frame = _as_columns(index, positions, rules.labels)
    columns, coerced = _components(schema, rules)
    part = copy.copy(schema.pandera)
    part.columns, part.index, part.checks, part.parsers = columns, None, [], []
    part.dtype, part.coerce, part.strict, part.ordered, part.unique = None, False, False, False, None
    names = {level.name: [test.name for test in level.tests] for level in rules.levels}
    found = validate(frame, part, names, index)
    for (rule, label), finding in found.items():
        if rule == "dtype":
            finding.columns = [type_found(frame[label])]
    result.findings |= found
    result.infinite |= infinite(frame, coerced)
    result.changed |= lossy(frame, coerced)
    for level in rules.levels:
        if level.nullable:
            result.filled[level.name] = int(frame[level.name].notna().sum())
        demands = ["dtype", "not-nullable", *(["unique"] if level.unique else []), *(t.name for t in level.tests)]
        result.proofs[level.name] = dict.fromkeys(demands, "pandera")
    _together(frame, rules, result)


def _as_columns(index: pd.Index[Any], positions: Sequence[int], labels: Sequence[str]) -> pd.DataFrame:
    """Return levels of an index as columns, rows numbered from 0."""
    import pandas as pd

    rows = pd.RangeIndex(len(index))
    columns = {
        label: index.get_level_values(position).to_series(index=rows)
        for label, position in zip(labels, positions, strict=True)
    }
    return pd.DataFrame(columns, index=rows)


def _components(schema: Schema, rules: IndexRules) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the demands on each level as those on a column, and the type that each is coerced to, None if to none."""
    import pandera.pandas as pa
    from pandera.engines.pandas_engine import Engine

    whole = schema.pandera
    levels = getattr(whole.index, "indexes", None) or [whole.index]
    columns, coerced = {}, {}
    for level, rule in zip(levels, rules.levels, strict=True):
        dtype = level.dtype if whole.dtype is None else Engine.dtype(whole.dtype)
        columns[rule.name] = pa.Column(
            dtype,
            checks=level.checks,
            nullable=level.nullable,
            unique=level.unique,
            report_duplicates=level.report_duplicates,
            coerce=rule.coerce,
            name=rule.name,
        )
        coerced[rule.name] = dtype if rule.coerce else None
    return columns, coerced


def _together(frame: pd.DataFrame, rules: IndexRules, result: Audit) -> None:
    """Count the rows that repeat another one in levels whose values together may not repeat."""
    if rules.unique:
        repeated = frame[list(rules.unique)].duplicated(keep="first").to_numpy()
        count = int(repeated.sum())
        rows = repeated.nonzero()[0][:MOST_SAMPLES].tolist()
        samples = [(row, tuple(frame.loc[row, list(rules.unique)])) for row in rows]
        if count:
            result.findings["unique", INDEX] = Finding(failing=count, samples=samples)
