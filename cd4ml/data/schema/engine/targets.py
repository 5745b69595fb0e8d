"""The columns of a table with what a schema demands of each, and who decides on it: the engine or pandera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cd4ml.data.schema.engine.predicates import Family, family, is_category, of_categories
from cd4ml.data.schema.engine.rules import Part
from cd4ml.data.schema.engine.types import DTYPES, fits, pandas_name
from cd4ml.data.tables.by_name import column
from cd4ml.data.tables.source import Source

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, kw_only=True)
class Target:
    """A column of the table and what is demanded of it; `whole` columns are left to pandera with all their rules.

    Attributes:
        own: pandas' name of the type that it wrote the column with, if that is one of its own, such as `Int64`.
    """

    name: str
    part: Part
    stored: pl.DataType
    own: str | None = None
    family: Family | None
    widened: bool = False
    whole: bool = False

    @property
    def value(self) -> pl.Expr:
        """The column, as the schema coerces it."""
        if self.widened or is_category(self.stored):
            return column(self.name).cast(self.type)
        return column(self.name)

    @property
    def type(self) -> pl.DataType:
        """The type of the values that checks see; categories are texts to them."""
        import polars as pl

        return pl.String() if is_category(self.stored) else self.coerced

    @property
    def coerced(self) -> pl.DataType:
        """The type of the column, as the schema coerces it."""
        import polars as pl

        return pl.Float64() if self.widened else self.stored

    def pandas_name(self, nulls: int) -> str:
        """The type, as pandera names it, that pandas gives to the coerced column."""
        return str(pandas_name(self.coerced, nulls, self.own))


def target_of(name: str, part: Part, source: Source) -> Target:
    """Return how a column is dealt with."""
    stored, own = source.schema[name], source.types.get(name)
    of = family(stored) if own is None or fits(own, stored) else None
    known_type = part.dtype is None or part.dtype in DTYPES.values()
    twice_coerced = part.coerce and part.dtype is not None
    actual = pandas_name(stored, 0, own) if of else None
    widened = bool(twice_coerced and part.dtype == "float64" and stored.is_integer() and own is None)
    unchanged = not twice_coerced or part.dtype == actual or widened
    time_of_unit = of is Family.TIME and twice_coerced  # coercion changes the unit, and may overflow
    odd = is_category(stored) and (part.unique or not all(map(of_categories, part.tests)))
    whole = of is None or not known_type or not unchanged or time_of_unit or odd
    widened = widened and not whole
    return Target(name=name, part=part, stored=stored, own=own, family=of, widened=widened, whole=whole)
