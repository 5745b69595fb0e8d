"""A table against its schema: the engine decides what it can, pandera the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cd4ml.data.engine.audit import Audit, audit
from cd4ml.data.sources import Source, refused

if TYPE_CHECKING:
    from cd4ml.data.schemas import Schema

_PANDERA: Final = "pandera"


def audited(source: Source, schema: Schema, *, metadata: bool = True) -> Audit:
    """Return everything that breaks a schema, and how each of its rules was decided.

    Raises:
        OptionsError: the file cannot be read, or its metadata contradict its rows.
        UserCodeError: pandera came to no end, because of the schema's own code or a type that it cannot handle.
    """
    targets = schema.targets(source.schema.names())
    with refused(source.path):
        result = audit(source, schema.rules, targets, metadata=metadata)
    if result.whole or result.left or schema.rules.index:
        _leave_to_pandera(source, schema, result)
    return result


def _leave_to_pandera(source: Source, schema: Schema, result: Audit) -> None:
    """Let pandera decide what the engine could not, on just the columns that it takes."""
    from cd4ml.data.validation import Rest, infinite, lossy, partial, validate

    columns = source.schema.names()
    rest = Rest(whole=result.whole, left=result.left, together=result.together)
    frame = source.pandas(rest.columns(columns))
    part, names = partial(schema, rest, columns)
    result.findings = {**validate(frame, part, names), **result.findings}
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
