"""A table against its schema: the engine decides what it can, pandera the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.coercion import infinite, lossy, type_found
from cd4ml.data.schema.engine.audit import Audit, audit
from cd4ml.data.schema.index_rules import hold_index, without_index
from cd4ml.data.schema.load import Schema
from cd4ml.data.schema.validation import Rest, partial, validate
from cd4ml.data.tables.odd_cells import odd_cells
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import pandas as pd

_PANDERA: Final = "pandera"
_NUMBERS: Final = ("int", "uint", "float")


def audited(source: Source, schema: Schema, *, metadata: bool = True) -> Audit:
    """Return everything that breaks a schema, and how each of its rules was decided.

    Raises:
        OptionsError: the file cannot be read, its metadata contradict its rows, or it does not hold the index that the
            schema has rules about.
        UserCodeError: pandera came to no end, because of the schema's own code or a type that it cannot handle.
    """
    if schema.rules.index:
        source = without_index(source, schema.rules.index)
    columns = source.schema.names()
    with refused(source.name):
        result = audit(source, schema.rules, schema.targets(columns), metadata=metadata)
    result.columns = columns
    if result.whole or result.left:
        _leave_to_pandera(source, schema, result)
    if schema.rules.index:
        hold_index(source, schema, result)
    _explain(source, schema, result)
    return result


def _explain(source: Source, schema: Schema, result: Audit) -> None:
    """Say of columns of texts that should hold numbers, and nearly do, which of their cells are none."""
    wanted = [
        name
        for name, part in schema.targets(source.schema.names())
        if ("dtype", name) in result.findings and str(part.dtype).lower().startswith(_NUMBERS)
    ]
    with refused(source.name):
        for name, odd in odd_cells(source, wanted).items():
            finding = result.findings["dtype", name]
            told = ". ".join(filter(None, [odd.said(show=False), odd.advice.rstrip(".")]))
            finding.columns = [f"{kind}: {told}" for kind in finding.columns[:1] or ["a text"]]


def _leave_to_pandera(source: Source, schema: Schema, result: Audit) -> None:
    """Let pandera decide what the engine could not, on just the columns that it takes."""
    columns = source.schema.names()
    rest = Rest(whole=result.whole, left=result.left, together=result.together)
    index, hidden = _index(source, schema)
    frame = source.pandas([name for name in rest.columns(columns, schema) if name not in hidden])
    part, names = partial(schema, rest, columns)
    found = validate(frame, part, names, index)
    for (rule, name), finding in found.items():
        if rule == "dtype" and name in frame:
            finding.columns = [type_found(frame[name])]
    result.findings = {**found, **result.findings}
    coercions = schema.coercions(result.whole, columns)
    result.infinite |= infinite(frame, coercions)
    result.changed |= lossy(frame, coercions)
    for name, demanded in schema.targets(columns):
        if name in result.whole and demanded.nullable:
            result.filled[name] = int(frame[name].notna().sum())
        decided = result.proofs.setdefault(name, {}) if name in {*result.whole, *result.left} else {}
        tests = [test.name for test in demanded.tests] if name in result.whole else result.left.get(name, ())
        decided |= dict.fromkeys(tests, _PANDERA)
        if name in result.whole:
            decided |= {"dtype": _PANDERA, "not-nullable": _PANDERA}


def _index(source: Source, schema: Schema) -> tuple[pd.Index[Any] | None, set[str]]:
    """Return the index that the caller's own checks see beside row numbers, and the columns that hold it.

    A level that the schema names as a column is a column to them.
    """
    import pandas as pd

    levels = source.written.levels if source.written else ()
    targets = schema.targets(source.schema.names())
    own = schema.rules.tests or any(test.kind is None for _, part in targets for test in part.tests)
    named = [position for position, level in enumerate(levels) if level.column in {name for name, _ in targets}]
    if not own or len(named) == len(levels):
        return None, set()
    index: Any = source.index()
    index = index.droplevel(named) if named else index
    if isinstance(index, pd.RangeIndex) and index.name is None and (index.start, index.step) == (0, 1):
        return None, set()
    others = [str(level.column) for position, level in enumerate(levels) if position not in named]
    return index, {name for name in others if name in source.schema}
