"""Built-in checks on facts and on rows: what bounds prove, and which rows break a check.

Values are what is left without nulls and not-a-number: pandera drops both before it evaluates a check.
"""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.engine.patterns import translated
from cd4ml.data.schema.engine.rules import Test

if TYPE_CHECKING:
    import polars as pl


class Family(Enum):
    """Kinds of values that compare with each other."""

    NUMBER = (int, float)
    TEXT = (str,)
    BOOLEAN = (bool,)
    TIME = (datetime.datetime,)


def family(stored: pl.DataType) -> Family | None:
    """Return the family of a stored type, None for types that are left to pandera."""
    import polars as pl

    if stored.is_float() or (stored.is_integer() and stored not in (pl.UInt64, pl.Int128, pl.UInt128)):
        return Family.NUMBER
    if stored == pl.String or is_category(stored):
        return Family.TEXT
    if stored == pl.Boolean:
        return Family.BOOLEAN
    if isinstance(stored, pl.Datetime) and stored.time_zone is None:
        return Family.TIME
    return None


def is_category(stored: pl.DataType) -> bool:
    """Whether a stored type is one of categories, each text written once."""
    import polars as pl

    return isinstance(stored, pl.Categorical | pl.Enum)


_ORDER: Final = frozenset("greater_than greater_than_or_equal_to less_than less_than_or_equal_to in_range".split())
_EQUALITY: Final = frozenset("equal_to not_equal_to isin notin".split())


def understood(test: Test, of: Family) -> bool:
    """Whether the engine can evaluate a check on values of a family, just as pandas would."""
    if test.kind is None:
        return False
    if test.kind.startswith("str_"):
        pattern = test.settings.get("pattern")
        return of is Family.TEXT and (pattern is None or (isinstance(pattern, str) and translated(pattern) is not None))
    values = _compared(test)
    if of is Family.BOOLEAN and test.kind in _ORDER:
        return False
    return all(isinstance(value, of.value) and (of is Family.BOOLEAN) == isinstance(value, bool) for value in values)


def of_categories(test: Test) -> bool:
    """Whether a check of texts means the same for categories; pandas compares these by rules of their own."""
    return test.kind is not None and (test.kind in ("isin", "notin") or test.kind.startswith("str_"))


def _compared(test: Test) -> list[Any]:
    """Return the values that a check compares with."""
    settings = {key: value for key, value in test.settings.items() if not key.startswith("include_")}
    return [value for item in settings.values() for value in (item if isinstance(item, list | tuple) else [item])]


def proven(test: Test, lower: Any, upper: Any, stored: pl.DataType) -> bool:
    """Whether a check holds for all values between two bounds (inclusive)."""
    settings = as_stored(test, stored)
    low, high = settings.get("min_value"), settings.get("max_value")
    match test.kind:
        case "greater_than":
            return bool(lower > low)
        case "greater_than_or_equal_to":
            return bool(lower >= low)
        case "less_than":
            return bool(upper < high)
        case "less_than_or_equal_to":
            return bool(upper <= high)
        case "in_range":
            above = lower >= low if settings.get("include_min", True) else lower > low
            below = upper <= high if settings.get("include_max", True) else upper < high
            return bool(above and below)
        case "equal_to":
            return bool(lower == upper == settings["value"])
        case "not_equal_to":
            return bool(settings["value"] < lower or settings["value"] > upper)
        case "notin":
            return all(value < lower or value > upper for value in settings["forbidden_values"])
        case "isin" if isinstance(lower, int) and upper - lower < len(settings["allowed_values"]):
            return set(range(lower, upper + 1)) <= set(settings["allowed_values"])
    return False


def as_stored(test: Test, stored: pl.DataType) -> Mapping[str, Any]:
    """Return a check's settings; NumPy rounds what a column of 32-bit floats is compared with to 32 bits."""
    import polars as pl

    if stored != pl.Float32:
        return test.settings
    return {key: _rounded(item) if type(item) in (int, float) else item for key, item in test.settings.items()}


def _rounded(value: float) -> float:
    """Return the nearest number of 32 bits."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def by_bounds(test: Test) -> bool:
    """Whether bounds can prove this check at all."""
    return test.kind in _ORDER or test.kind in _EQUALITY


def broken(test: Test, value: pl.Expr, stored: pl.DataType) -> pl.Expr:
    """Return which rows break a check, as an expression of booleans without nulls."""
    import polars as pl

    fails: pl.Expr = ~_HOLDS[str(test.kind)](value, test.settings, stored)
    if stored.is_float():
        fails = fails & value.is_not_nan()
    return fails.fill_null(pl.lit(False)) & value.is_not_null()


def _in_range(value: pl.Expr, settings: Mapping[str, Any], stored: pl.DataType) -> pl.Expr:
    """Return which values lie in a range."""
    low, high = settings["min_value"], settings["max_value"]
    above: pl.Expr = value >= low if settings.get("include_min", True) else value > low
    below: pl.Expr = value <= high if settings.get("include_max", True) else value < high
    return above & below


def _isin(value: pl.Expr, allowed: Any, stored: pl.DataType) -> pl.Expr:
    """Return which values are among some, as pandas looks them up: numbers as 64-bit ones."""
    import polars as pl

    members = list(allowed)
    if stored.is_float():
        value, members = value.cast(pl.Float64), [float(item) for item in members]
    elif stored.is_integer():
        value, members = value.cast(pl.Int64), [int(item) for item in members if float(item).is_integer()]
    found: pl.Expr = value.is_in(pl.Series(members, dtype=_member(stored)).implode()) if members else pl.lit(False)
    return found


def _member(stored: pl.DataType) -> pl.DataType:
    """Return the type in which values of a stored type are looked up."""
    import polars as pl

    return pl.Float64() if stored.is_float() else pl.Int64() if stored.is_integer() else stored


def _length(value: pl.Expr, settings: Mapping[str, Any], stored: pl.DataType) -> pl.Expr:
    """Return which texts have a length in range, in characters."""
    import polars as pl

    length = value.str.len_chars()
    if settings.get("exact_value") is not None:
        exact: pl.Expr = length == settings["exact_value"]
        return exact
    low, high = settings.get("min_value"), settings.get("max_value")
    at_least: pl.Expr = pl.lit(True) if low is None else length >= low
    at_most: pl.Expr = pl.lit(True) if high is None else length <= high
    return at_least & at_most


_HOLDS: Final[Mapping[str, Callable[[Any, Mapping[str, Any], Any], Any]]] = {
    "equal_to": lambda value, settings, _: value == settings["value"],
    "not_equal_to": lambda value, settings, _: value != settings["value"],
    "greater_than": lambda value, settings, _: value > settings["min_value"],
    "greater_than_or_equal_to": lambda value, settings, _: value >= settings["min_value"],
    "less_than": lambda value, settings, _: value < settings["max_value"],
    "less_than_or_equal_to": lambda value, settings, _: value <= settings["max_value"],
    "in_range": _in_range,
    "isin": lambda value, settings, stored: _isin(value, settings["allowed_values"], stored),
    "notin": lambda value, settings, stored: ~_isin(value, settings["forbidden_values"], stored),
    "str_matches": lambda value, settings, _: value.str.contains(f"^(?:{translated(settings['pattern'])})"),
    "str_contains": lambda value, settings, _: value.str.contains(translated(settings["pattern"])),
    "str_startswith": lambda value, settings, _: value.str.starts_with(settings["string"]),
    "str_endswith": lambda value, settings, _: value.str.ends_with(settings["string"]),
    "str_length": _length,
}
