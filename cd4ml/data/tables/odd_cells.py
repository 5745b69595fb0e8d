"""Why a column is one of texts and not of numbers: which of its cells are not written as plain numbers, and where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cd4ml.data.tables.by_name import column, values
from cd4ml.data.tables.formats.csv.types import WORDS
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import polars as pl

# A column of texts is worth a word if so many of its cells are numbers, in whatever way they are written.
_NEARLY_ALL: Final = 0.8
_HEAD: Final = 1_000
_MOST_ROWS: Final = 3
_MOST_WORDS: Final = 3
_NUMBER: Final = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_GROUPED: Final = r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?"
_CURRENCY: Final = r"[$€£¥]"
_FORMS: Final = {
    "with thousands separators": rf"{_GROUPED}",
    "with a decimal comma": r"[+-]?\d+(?:[. ]\d{3})*,\d+",
    "with percent signs": rf"(?:{_NUMBER}|{_GROUPED}) ?%",
    "with a currency": rf"[+-]?{_CURRENCY} ?(?:{_NUMBER}|{_GROUPED})|(?:{_NUMBER}|{_GROUPED}) ?{_CURRENCY}",
}

_DECLARED: Final = {"with thousands separators": "thousands", "with a decimal comma": "decimal"}


@dataclass(frozen=True, kw_only=True)
class OddCells:
    """A column of texts that is nearly one of numbers.

    Attributes:
        filled: cells that hold something.
        numbers: those that are plain numbers.
        written: how many are numbers that are written otherwise, by how.
        others: how many are neither; `words` are the most frequent of these, `rows` the first.
    """

    filled: int
    numbers: int
    written: dict[str, int] = field(default_factory=dict)
    others: int = 0
    words: Sequence[tuple[str, int]] = ()
    rows: Sequence[int] = ()

    def said(self, *, show: bool) -> str:
        """Return the sentence about it.

        Args:
            show: whether values of the data may be shown; signs and words for missing values always are.
        """
        parts = [f"{self.numbers} of {self.filled} values are numbers"] if self.numbers else []
        parts += [f"{n} of {self.filled} values are numbers {how}" for how, n in self.written.items()]
        if self.others:
            words = [f"{word!r} ({n})" for word, n in self.words if show or _is_harmless(word)]
            rows = f"row{'s' if len(self.rows) > 1 else ''} {', '.join(map(str, self.rows))}"
            parts.append(
                f"{self.others} {'is' if self.others == 1 else 'are'} not: {', '.join([*words, f'e.g. {rows}'])}"
            )
        if not (self.written or self.others):
            parts.append("some of them whole numbers of more than 64 bits")
        return ", ".join(parts)

    @property
    def advice(self) -> str:
        """What can be declared, so that the column is one of numbers."""
        declared = [option for how, option in _DECLARED.items() if how in self.written]
        declared += ["missing-values"] if any(_is_harmless(word) for word, _ in self.words) else []
        return f"If they are meant as numbers or gaps, declare {' and '.join(declared)}." if declared else ""


def _is_harmless(word: str) -> bool:
    """Whether a value gives nothing away: signs, and words for missing values."""
    return word in WORDS or not any(map(str.isalnum, word)) or re.fullmatch(r"[nN]\.?[aA]\.?", word) is not None


def odd_cells(source: Source, names: Sequence[str]) -> dict[str, OddCells]:
    """Return what there is to say of columns of texts that are nearly all numbers; each of these is read once more."""
    import polars as pl

    texts = [name for name in names if source.schema.get(name) == pl.String]
    head = source.lazy().head(_HEAD).collect(engine="streaming") if texts else None
    found = {}
    for name in texts:
        if head is not None and _are_numbers(values(head, name)):
            odd = _odd(source.lazy(), name)
            if odd is not None:
                found[name] = odd
    return found


def _are_numbers(cells: pl.Series) -> bool:
    """Whether some of a column's first cells are numbers, in whatever way they are written."""
    filled = cells.drop_nulls()
    return bool(len(filled)) and int(filled.str.contains(_any_of(_NUMBER, *_FORMS.values())).sum()) * 2 > len(filled)


def _any_of(*patterns: str) -> str:
    """Return a pattern that matches cells which one of some patterns matches whole."""
    return rf"^[ \t]*(?:{'|'.join(patterns)})[ \t]*$"


def _odd(frame: pl.LazyFrame, name: str) -> OddCells | None:
    """Return what there is to say of a column, None if it is not a column of numbers anyway."""
    import polars as pl

    text = column(name)
    kinds = {"number": _NUMBER, **_FORMS}
    kind: pl.Expr = pl.lit("other")
    for called, pattern in reversed(kinds.items()):
        kind = pl.when(text.str.contains(_any_of(pattern))).then(pl.lit(called)).otherwise(kind)
    cells = frame.select(text.alias("text"), kind.alias("kind")).with_row_index("row").drop_nulls("text")
    counted = cells.group_by("kind").agg(pl.len()).collect(engine="streaming")
    counts: dict[str, int] = dict(counted.iter_rows())
    filled, others = sum(counts.values()), counts.pop("other", 0)
    numbers = counts.pop("number", 0)
    if not filled or (filled - others) < _NEARLY_ALL * filled:
        return None
    rest = cells.filter(pl.col("kind") == "other")
    rows = rest.select("row").head(_MOST_ROWS).collect(engine="streaming")
    words = rest.group_by("text").agg(pl.len().alias("n")).sort("n", "text", descending=[True, False])
    return OddCells(
        filled=filled,
        numbers=numbers,
        written={how: counts[how] for how in _FORMS if how in counts},
        others=others,
        words=[(word[:40], n) for word, n in words.head(_MOST_WORDS).collect(engine="streaming").iter_rows()],
        rows=rows.to_series().to_list(),
    )
