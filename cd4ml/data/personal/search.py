"""Looking for personal data: how many different values of a column are of a kind. What that means, checks decide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cd4ml.data.personal.kinds import KINDS, SEPARATORS, Kind
from cd4ml.data.tables.by_name import columns, values
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import polars as pl

# Different values of a form whose check digits are computed.
MOST_VALIDATED: Final = 1000
_MOST_AT_ONCE: Final = 50


@dataclass(frozen=True, kw_only=True)
class Count:
    """What was found in a column.

    Attributes:
        values: different values that were looked at.
        candidates: those of them that have the form.
        hits: those of the candidates that are valid.
    """

    column: str
    kind: Kind
    values: int
    candidates: int
    hits: int


@dataclass(kw_only=True)
class Searched:
    """What was looked at, and what was found.

    Attributes:
        rows: the rows from the first on that were looked at.
        columns: the columns of texts and whole numbers; others are not looked at.
    """

    rows: int
    columns: Sequence[str]
    counts: list[Count] = field(default_factory=list)


def search(source: Source, rows: int) -> Searched:
    """Look for every kind of personal data in the first rows of a table.

    Raises:
        OptionsError: the file cannot be read.
    """
    import polars as pl

    names = [name for name, kind in source.schema.items() if kind.is_integer() or _is_text(kind)]
    result = Searched(rows=min(rows, source.rows), columns=names)
    for start in range(0, len(names), _MOST_AT_ONCE):
        some = names[start : start + _MOST_AT_ONCE]
        with refused(source.name):
            table = source.lazy().select(columns(some)).head(rows).collect(engine="streaming")
        for name in some:
            different = values(table, name).drop_nulls().unique(maintain_order=True).cast(pl.String)
            result.counts += _counts(name, different)
    return result


def _is_text(kind: pl.DataType) -> bool:
    """Whether a column holds texts."""
    import polars as pl

    return isinstance(kind, pl.String | pl.Categorical | pl.Enum)


def _counts(name: str, different: pl.Series) -> Iterator[Count]:
    """Yield what is in a column, given its different values."""
    plain = different.str.to_uppercase().str.replace_all(SEPARATORS, "")
    for kind in KINDS:
        if kind.column and not re.search(kind.column, name):
            continue
        candidates = different.filter((different if kind.within else plain).str.contains(kind.form))
        if not candidates.len():
            continue
        looked, tried = different.len(), candidates
        if kind.module and candidates.len() > MOST_VALIDATED:
            tried = candidates.head(MOST_VALIDATED)
            # As many of the others as stand among them: the share is that of what was looked at.
            looked = round(looked * MOST_VALIDATED / candidates.len())
        valid = kind.valid
        hits = sum(map(valid, tried.str.strip_chars().str.to_uppercase())) if kind.module else tried.len()
        if hits:
            yield Count(column=name, kind=kind, values=looked, candidates=tried.len(), hits=hits)
