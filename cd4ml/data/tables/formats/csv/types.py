"""Types of the columns of a CSV file: what every value of a column is, pandas takes the column for.

In a column of numbers or of booleans, pandas' words for a missing value are gaps. In a column of texts they are texts:
nobody but the owner of the data can say whether `None` or `NA` is a group of people or a gap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.dialect import Dialect

if TYPE_CHECKING:
    import polars as pl

# What pandas.read_csv takes for a missing value, but for the empty text.
WORDS: Final = (
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
)
_TRUE: Final = ("True", "TRUE", "true")
_FALSE: Final = ("False", "FALSE", "false")
_HEAD: Final = 1_000


@dataclass(kw_only=True)
class _Column:
    """What is known of a column of texts.

    Attributes:
        text: its cells.
        value: these as numbers are written for polars.
        kinds: types that its first rows fit and that have not been tried on all rows.
        fits: how many cells fit a type, by type.
        filled: cells that are not empty.
        words: cells that hold a word for a missing value; None if nobody has counted.
        odd: some filled cells do not fit the types that were tried.
    """

    text: pl.Expr
    value: pl.Expr
    kinds: list[pl.DataType] = field(default_factory=list)
    fits: list[tuple[pl.DataType, int]] = field(default_factory=list)
    filled: int = 0
    words: int | None = None
    odd: bool = False

    def type(self) -> pl.DataType | None:
        """Return the first type that every value fits, None if none of those tried."""
        words = self.words or 0
        return next((kind for kind, fitting in self.fits if fitting and fitting + words == self.filled), None)


def types(frame: pl.LazyFrame, header: Sequence[str], dialect: Dialect) -> list[pl.Expr]:
    """Return each column in its type, in order; one pass over all values decides, odd columns take a second one."""
    import polars as pl

    columns = {name: _Column(text=column(name), value=_number(column(name), dialect)) for name in header}
    plain = _fits(frame, columns)
    left = {
        name: _Column(text=column(name), value=_number(column(name).str.strip_chars(" \t"), dialect))
        for name in header
        if plain[name] == pl.String
    }
    trimmed = _fits(frame, left)
    found = []
    for name in header:
        kind = trimmed.get(name, plain[name])
        known = left[name] if name in left else columns[name]
        found.append(_cast(known, kind))
    return found


def _fits(frame: pl.LazyFrame, columns: Mapping[str, _Column]) -> dict[str, pl.DataType]:
    """Return the first type that every value of a column fits; what its first rows do not fit is not tried on all."""
    import polars as pl

    head = frame.head(_HEAD).collect().lazy()
    kinds: tuple[pl.DataType, ...] = (pl.Int64(), pl.UInt64(), pl.Float64(), pl.Boolean())
    for tried in kinds:
        _count(head, {name: (known, tried) for name, known in columns.items()}, words=True)
    for known in columns.values():
        # Nothing but words, or nothing at all, says nothing yet.
        known.kinds = [kind for kind, fitting in known.fits if fitting + (known.words or 0) == known.filled]
        known.odd, known.words, known.fits = bool(known.words), None, []
    result: dict[str, pl.DataType] = {name: pl.String() for name in columns}
    while undecided := {
        name: (known, known.kinds[0] if known.kinds else None)
        for name, known in columns.items()
        if known.kinds or (known.fits and known.odd and known.words is None)
    }:
        _count(frame, undecided, words=False)
        for name, (known, kind) in undecided.items():
            known.kinds = known.kinds[1:]
            decided = pl.Float64() if not known.filled else known.type()
            if decided is not None:
                result[name], known.kinds, known.fits = decided, [], []
            elif kind is None:
                known.fits = []
            else:
                known.odd = True
    return result


def too_long(texts: pl.LazyFrame, typed: pl.LazyFrame, names: Mapping[str, str]) -> list[str]:
    """Return columns of numbers with whole ones of more than 64 bits: two that differ would be the same number.

    Args:
        names: of the columns in `texts`, by their names in `typed`.
    """
    import polars as pl

    floats = [name for name, kind in typed.collect_schema().items() if kind == pl.Float64]
    expressions = [(column(name).abs().max() >= 2**63).alias(str(place)) for place, name in enumerate(floats)]
    found = typed.select(expressions).collect(engine="streaming").row(0) if floats else ()
    large = [name for name, beyond in zip(floats, found, strict=True) if beyond]
    whole = [column(names[name]).str.contains(r"^[ \t]*[+-]?\d{19,}[ \t]*$").any() for name in large]
    expressions = [item.alias(str(place)) for place, item in enumerate(whole)]
    found = texts.select(expressions).collect(engine="streaming").row(0) if large else ()
    return [name for name, long in zip(large, found, strict=True) if long]


def _count(frame: pl.LazyFrame, columns: Mapping[str, tuple[_Column, pl.DataType | None]], *, words: bool) -> None:
    """Count how many cells of each column are filled, how many fit a type, and, of odd columns, how many are words."""
    expressions: list[pl.Expr] = []
    for known, kind in columns.values():
        asked = [known.text.count(), _fitting(known, kind)]
        if known.words is None and (words or known.odd):
            asked.append(_is_word(known.text).sum())
        expressions += [item.alias(f"{len(expressions) + place}") for place, item in enumerate(asked)]
    if not expressions:
        return
    found = iter(frame.select(expressions).collect(engine="streaming").row(0))
    for known, kind in columns.values():
        known.filled, fitting = next(found), next(found)
        if kind is not None:
            known.fits.append((kind, fitting))
        if known.words is None and (words or known.odd):
            known.words = next(found)


def _fitting(known: _Column, kind: pl.DataType | None) -> pl.Expr:
    """Return how many cells are of a type."""
    import polars as pl

    if kind is None:
        return pl.lit(0)
    if kind == pl.Boolean:
        return known.value.is_in([*_TRUE, *_FALSE]).sum()
    if kind == pl.Float64:
        # pandas has its own list of words for not-a-number; any other spelling is a text.
        return known.value.cast(kind, strict=False).is_not_nan().sum()
    return known.value.cast(kind, strict=False).count()


def _is_word(text: pl.Expr) -> pl.Expr:
    """Return which texts are pandas' words for a missing value."""
    return text.is_in(list(WORDS))


def _cast(known: _Column, kind: pl.DataType) -> pl.Expr:
    """Return a column of texts in its type; what does not fit it are words for a missing value."""
    import polars as pl

    if kind == pl.Boolean:
        return pl.when(known.value.is_in([*_TRUE, *_FALSE])).then(known.value.is_in(_TRUE))
    if kind == pl.String:
        return known.text
    numbers = known.value.cast(kind, strict=not known.words)
    return numbers.fill_nan(None) if kind == pl.Float64 and known.words else numbers


def _number(text: pl.Expr, dialect: Dialect) -> pl.Expr:
    """Return texts with the numbers among them as polars reads these; what groups digits must do so properly."""
    import polars as pl

    decimal, thousands = dialect.decimal or ".", dialect.thousands
    if thousands:
        mark, point = re.escape(thousands), re.escape(decimal)
        grouped = text.str.contains(rf"^[ \t]*[+-]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{point}\d*)?[ \t]*$")
        text = pl.when(grouped).then(text.str.replace_all(thousands, "", literal=True)).otherwise(text)
    if decimal == ".":
        return text
    # A point is not a decimal mark here: 1.5 is a text.
    return text.str.replace_all(".", "?", literal=True).str.replace_all(decimal, ".", literal=True)
