"""What the schema of training data demands of a value, as far as it can be held against single events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from cd4ml.data.schema.engine.predicates import Family as Values
from cd4ml.data.schema.engine.predicates import broken, understood
from cd4ml.data.schema.engine.rules import Part, Test
from cd4ml.data.schema.load import Schema
from cd4ml.data.tables import by_name
from cd4ml.data.tables.columns import Family
from cd4ml.report.ids import check_id

_WHOLE = ("int", "uint")
_NOT_NULL = "not-nullable"
_WHOLE_NUMBERS = "whole-numbers"


@dataclass(frozen=True, kw_only=True)
class Demand:
    """One rule of a feature.

    Attributes:
        rule: its name in the schema; `not-nullable` for a value that must be there.
        words: what is demanded, for people.
        test: None where nothing but the value's presence, or that it is whole, is demanded.
    """

    feature: str
    rule: str
    words: str
    test: Test | None = None

    @property
    def id(self) -> str:
        """The id of its check."""
        return check_id(self.rule, self.feature)

    def broken(self, schema: pl.Schema) -> pl.Expr:
        """Return which rows of a frame break it."""
        value = by_name.column(self.feature)
        if self.test is not None:
            return broken(self.test, value, schema[self.feature])
        if self.rule == _NOT_NULL:
            return value.is_null()
        return (value != value.floor()).fill_null(False)


def demands(schema: Schema, families: Mapping[str, Family], numbers: Mapping[str, object]) -> Iterator[Demand]:
    """Yield what a schema demands of features.

    Rules that need more than one row (uniqueness, order), other columns, or code of the caller's are left out.

    Args:
        families: of the features, as the reference has them.
        numbers: features whose values are counted as numbers.
    """
    for name, part in schema.targets(list(families)):
        of = Values.NUMBER if name in numbers else Values.TEXT
        if families[name] is not Family.BOOLEAN:
            yield from _tests(name, part, of)
        if not part.nullable:
            yield Demand(feature=name, rule=_NOT_NULL, words="a value in every row")
        if of is Values.NUMBER and (part.dtype or "").lower().startswith(_WHOLE):
            yield Demand(feature=name, rule=_WHOLE_NUMBERS, words="whole numbers")


def _tests(name: str, part: Part, of: Values) -> Iterator[Demand]:
    """Yield the checks of a column that can be held against single values."""
    for test in part.tests:
        if understood(test, of):
            yield Demand(feature=name, rule=test.name, words=test.words, test=test)
