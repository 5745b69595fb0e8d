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
# Whole numbers below are stored exactly beside fractions.
_EXACT: Final = 2**53
# Addresses of repositories look like mail addresses.
_OF_PROGRAMS: Final = r"(?i)(^|[^a-z0-9._%+-])(?:git|hg|svn)@[a-z0-9.-]+"


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
        columns: the columns of texts, bytes and numbers, and of lists and structs of these; others are not looked at.
    """

    rows: int
    columns: Sequence[str]
    counts: list[Count] = field(default_factory=list)


def search(source: Source, rows: int) -> Searched:
    """Look for every kind of personal data in the first rows of a table.

    Raises:
        OptionsError: the file cannot be read.
    """

    names = [name for name, kind in source.schema.items() if _is_searched(kind)]
    result = Searched(rows=min(rows, source.rows), columns=names)
    for start in range(0, len(names), _MOST_AT_ONCE):
        some = names[start : start + _MOST_AT_ONCE]
        with refused(source.name):
            table = source.lazy().select(columns(some)).head(rows).collect(engine="streaming")
        for name in some:
            result.counts += _counts(name, _texts(values(table, name)))
    return result


def _is_searched(kind: pl.DataType) -> bool:
    """Whether a column, or the values inside it, may hold personal data."""
    import polars as pl

    if isinstance(kind, pl.List | pl.Array):
        return _is_searched(pl.Series(dtype=kind.inner).dtype)
    if isinstance(kind, pl.Struct):
        return any(_is_searched(pl.Series(dtype=field.dtype).dtype) for field in kind.fields)
    return kind.is_numeric() or isinstance(kind, pl.String | pl.Categorical | pl.Enum | pl.Binary)


def _texts(column: pl.Series) -> pl.Series:
    """Return the different values of a column as texts: of lists and structs what they hold, of bytes those of UTF-8.

    Numbers that are stored with a fraction, as pandas stores whole ones beside gaps, are those that are whole.
    """
    import polars as pl

    kind = column.dtype
    if isinstance(kind, pl.List | pl.Array):
        return _texts(column.explode(empty_as_null=False) if isinstance(kind, pl.List) else column.explode())
    if isinstance(kind, pl.Struct):
        inside = [_texts(part) for part in column.struct.unnest().iter_columns() if _is_searched(part.dtype)]
        return pl.concat(inside).unique(maintain_order=True)
    different = column.drop_nulls().unique(maintain_order=True)
    if isinstance(kind, pl.Binary):
        return pl.Series([one.decode(errors="ignore") for one in different], dtype=pl.String)
    if kind.is_integer() or not kind.is_numeric():
        return different.cast(pl.String)
    numbers = different.cast(pl.Float64)
    whole = numbers.filter((numbers == numbers.floor()) & (numbers.abs() < _EXACT))
    return whole.cast(pl.Int64).cast(pl.String)


def _counts(name: str, different: pl.Series) -> Iterator[Count]:
    """Yield what is in a column, given its different values."""
    different = different.str.replace_all(_OF_PROGRAMS, "$1")
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
