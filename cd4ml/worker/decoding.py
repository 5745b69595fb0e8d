"""The features of events as columns of the types that the reference has; values of another type are set apart.

Polars decodes whole batches. Only rows in which something looks odd are read one by one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

from cd4ml.data.tables import by_name
from cd4ml.data.tables.columns import Family, as_label

# What a value of a family begins with in JSON; null belongs to all.
_BEGINS: Final = {Family.NUMBER: r"-0-9n", Family.TEXT: r'"n', Family.BOOLEAN: r"tfn"}
_TYPES: Final[Mapping[Family, tuple[type, ...]]] = {
    Family.NUMBER: (int, float),
    Family.TEXT: (str,),
    Family.BOOLEAN: (bool,),
}
# What a prediction gives, beside the features.
PREDICTION: Final = ("y_pred", "y_score")


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Features of events.

    Attributes:
        frame: a column for each feature, of numbers where the reference counts numbers, else of texts.
        mistyped: rows whose value is of another type than in the reference, by feature; they have none in `frame`.
    """

    frame: pl.DataFrame
    mistyped: Mapping[str, int] = field(default_factory=dict)


class Decoder:
    """Decodes the features that are compared."""

    def __init__(self, families: Mapping[str, Family], numbers: Iterable[str]) -> None:
        """Prepare.

        Args:
            families: what the reference says of each feature: numbers, texts or booleans.
            numbers: features that are counted as numbers; the others are categories.
        """
        self._numbers = frozenset(numbers)
        self._families = families
        self._sent = {name: kind for name, kind in families.items() if name not in PREDICTION}
        self._kind = pl.Struct({name: self._type(name) for name in self._sent})
        self._odd = _odd(self._sent)

    def decoded(self, events: pl.DataFrame) -> Decoded:
        """Return the features of events that say them.

        Args:
            events: of the columns `READ`, none without features.
        """
        frame, mistyped = self._features(events["features"])
        for name in self._families.keys() - self._sent.keys():
            values, wrong = self._predicted(name, events)
            frame = frame.with_columns(values.alias(name))
            mistyped |= {name: wrong} if wrong else {}
        return Decoded(frame=frame, mistyped=mistyped)

    def _type(self, name: str) -> pl.DataType:
        """Return the type of a feature's column."""
        return pl.Float64() if name in self._numbers else pl.String()

    def _features(self, texts: pl.Series) -> tuple[pl.DataFrame, dict[str, int]]:
        """Return what was sent, and how much of it is of another type."""
        if not self._sent:
            return pl.DataFrame(), {}
        odd = texts.str.contains(self._odd).fill_null(False)
        quick = None if odd.all() else self._quick(texts.filter(~odd) if odd.any() else texts)
        if quick is None:
            return self._one_by_one(texts)
        if not odd.any():
            return quick, {}
        slow, mistyped = self._one_by_one(texts.filter(odd))
        return pl.concat([quick, slow]), mistyped

    def _quick(self, texts: pl.Series) -> pl.DataFrame | None:
        """Return texts decoded at once, None if one of them holds another type."""
        try:
            return texts.str.json_decode(self._kind).struct.unnest()
        except PolarsError:
            return None

    def _one_by_one(self, texts: pl.Series) -> tuple[pl.DataFrame, dict[str, int]]:
        """Return texts decoded row by row."""
        rows = [json.loads(text) for text in texts]
        mistyped: dict[str, int] = {}
        columns = []
        for name, kind in self._sent.items():
            values = [row.get(name) for row in rows]
            fit = [value if value is None or _is(value, kind) else None for value in values]
            wrong = sum(value is not None for value in values) - sum(value is not None for value in fit)
            mistyped |= {name: wrong} if wrong else {}
            columns.append(pl.Series(name, [self._kept(name, value) for value in fit], dtype=self._type(name)))
        return pl.DataFrame(columns), mistyped

    def _kept(self, name: str, value: Any) -> Any:
        """Return a value as its column holds it."""
        if value is None:
            return None
        return float(value) if name in self._numbers else as_label(value)

    def _predicted(self, name: str, events: pl.DataFrame) -> tuple[pl.Series, int]:
        """Return what was predicted, and how much of it is no number where it should be one."""
        values = by_name.values(events.select(pl.col("prediction").struct.field(name)), name)
        if name not in self._numbers:
            return values.cast(pl.String), 0
        numbers = values.cast(pl.Float64, strict=False)
        return numbers, numbers.null_count() - values.null_count()


def _odd(families: Mapping[str, Family]) -> str:
    """Return the pattern of rows in which a value may be of another type; it may find too much, but not too little."""
    parts = []
    for kind, begins in _BEGINS.items():
        spelt = {text for name, own in families.items() if own is kind for text in _spelt(name)}
        if spelt:
            parts.append(rf"(?:{'|'.join(sorted(spelt))})\s*:\s*[^{begins}\s]")
    return "|".join(parts)


def _spelt(name: str) -> set[str]:
    """Return how a name may be written in JSON, as patterns; one that is escaped otherwise is not looked for."""
    return {re.escape(json.dumps(name, ensure_ascii=ascii_only)) for ascii_only in (True, False)}


def _is(value: Any, kind: Family) -> bool:
    """Whether a value is of the family; JSON's true is no number."""
    return isinstance(value, _TYPES[kind]) and (kind is Family.BOOLEAN or not isinstance(value, bool))
