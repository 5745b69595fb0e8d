"""What a pandera schema demands, without pandera: plain data that the engine can reason about."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final, Literal

from cd4ml.data.schema.findings import INDEX

Keep = Literal["all", "exclude_first", "exclude_last"]

# pandera's built-in checks that the engine evaluates itself, with the names of their settings.
BUILT_IN: Final[Mapping[str, frozenset[str]]] = {
    "equal_to": frozenset({"value"}),
    "not_equal_to": frozenset({"value"}),
    "greater_than": frozenset({"min_value"}),
    "greater_than_or_equal_to": frozenset({"min_value"}),
    "less_than": frozenset({"max_value"}),
    "less_than_or_equal_to": frozenset({"max_value"}),
    "in_range": frozenset({"min_value", "max_value", "include_min", "include_max"}),
    "isin": frozenset({"allowed_values"}),
    "notin": frozenset({"forbidden_values"}),
    "str_matches": frozenset({"pattern"}),
    "str_contains": frozenset({"pattern"}),
    "str_startswith": frozenset({"string"}),
    "str_endswith": frozenset({"string"}),
    "str_length": frozenset({"min_value", "max_value", "exact_value"}),
}
_WORDS: Final[Mapping[str, str]] = {
    "equal_to": "equal_to({value})",
    "not_equal_to": "not_equal_to({value})",
    "greater_than": "greater_than({min_value})",
    "greater_than_or_equal_to": "greater_than_or_equal_to({min_value})",
    "less_than": "less_than({max_value})",
    "less_than_or_equal_to": "less_than_or_equal_to({max_value})",
    "in_range": "in_range({min_value}, {max_value})",
    "isin": "isin({allowed_values})",
    "notin": "notin({forbidden_values})",
    "str_matches": "str_matches('{pattern}')",
    "str_contains": "str_contains('{pattern}')",
    "str_startswith": "str_startswith('{string}')",
    "str_endswith": "str_endswith('{string}')",
    "str_length": "str_length({min_value}, {max_value})",
}
_PLAIN: Final = (int, float, str, bool, datetime.datetime)


@dataclass(frozen=True, kw_only=True)
class Test:
    """A check of a column, of the index or of the whole table.

    Attributes:
        name: unique within its part; the second `in_range` of a column is called `in_range#2`.
        words: the check as people write it.
        kind: the built-in check that it is, None if only pandera can evaluate it.
        settings: of a built-in check.
    """

    __test__ = False  # no test of pytest

    name: str
    words: str
    kind: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is demanded of a column (or, with `regex`, of several), or of the index.

    Attributes:
        dtype: pandera's name of the type, None if any will do.
        keep: which of the rows with the same value count as duplicates.
    """

    name: str
    regex: bool = False
    required: bool = True
    dtype: str | None = None
    coerce: bool = False
    nullable: bool = False
    unique: bool = False
    keep: Keep = "all"
    tests: Sequence[Test] = ()


@dataclass(frozen=True, kw_only=True)
class IndexRules:
    """What is demanded of the index of a table.

    Attributes:
        levels: the demands on each level; their names are labels, by which the report calls them.
        names: of the levels, None where any name will do.
        several: whether it is an index of several levels, of which the demanded ones need not be all.
        strict: no other levels may be there.
        ordered: the levels must be in this order.
        unique: labels of the levels whose values together may not repeat.
    """

    levels: Sequence[Part]
    names: Sequence[str | None]
    several: bool = False
    strict: bool = False
    ordered: bool = True
    unique: Sequence[str] = ()

    @property
    def labels(self) -> list[str]:
        """What the report calls the levels."""
        return [level.name for level in self.levels]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is demanded of a table.

    Attributes:
        strict: no other columns may be there.
        unique: columns whose values together may not repeat.
        tests: checks of the whole table.
    """

    columns: Sequence[Part]
    index: IndexRules | None = None
    strict: bool = False
    ordered: bool = False
    unique: Sequence[str] = ()
    keep: Keep = "all"
    tests: Sequence[Test] = ()

    def together(self, columns: Sequence[str]) -> list[str]:
        """Return the columns of a table whose values together may not repeat: those that are there."""
        return [name for name in self.unique if name in columns]

    def unfounded(self, columns: Sequence[str]) -> list[str]:
        """Return columns that must not repeat, are not in the table, and of which no other rule says anything."""
        known = {part.name for part in self.columns}
        return [name for name in self.unique if name not in columns and name not in known]


# What else a report says of a table: what a schema demands without a check, and what every table is held to.
_TAKEN: Final = frozenset(
    "present dtype not-nullable unique strict ordered minimum-rows columns finite lossless has-values fresh "
    "row-change schema skew missing-values".split()
)


def names_of(names: Sequence[str | None]) -> list[str]:
    """Return a name for each check of a part; the second of one name is called `name#2`.

    So is the first one that is called like something else that a report says of a table.
    """
    taken = set(_TAKEN)
    result: list[str] = []
    for written in names:
        name = (written or "check").strip("<>")
        free = (f"{name}#{number}" for number in count(2))
        result.append(name if name not in taken else next(one for one in free if one not in taken))
        taken.add(result[-1])
    return result


def from_pandera(schema: Any) -> Rules:
    """Return what a pandera.pandas.DataFrameSchema demands."""
    from pandera.engines.pandas_engine import Engine

    parts = [replace(_part(column), required=column.required) for column in schema.columns.values()]
    if schema.dtype is not None:  # the table's type takes the place of every column's own
        parts = [replace(part, dtype=_type_name(Engine.dtype(schema.dtype))) for part in parts]
    if schema.coerce:
        parts = [replace(part, coerce=True) for part in parts]
    return Rules(
        columns=parts,
        index=_index(schema.index, schema.coerce) if getattr(schema.index, "indexes", schema.index) else None,
        strict=schema.strict is True,
        ordered=bool(schema.ordered),
        unique=tuple(schema.unique or ()),
        keep=schema.report_duplicates,
        tests=_tests(schema.checks),
    )


def _index(index: Any, coerce: bool) -> IndexRules:
    """Return what is demanded of the index by a pandera Index or MultiIndex."""
    levels = getattr(index, "indexes", None)
    names = [level.name for level in levels or [index]]
    labels = [INDEX if levels is None else f"(index {n if name is None else name})" for n, name in enumerate(names)]
    every = coerce or (levels is not None and index.coerce)
    parts = [
        replace(_part(level), name=label, coerce=bool(level.coerce or every))
        for label, level in zip(labels, levels or [index], strict=True)
    ]
    if levels is None:
        return IndexRules(levels=parts, names=names)
    unique = names if index.unique is True else [index.unique] if isinstance(index.unique, str) else index.unique or []
    return IndexRules(
        levels=parts,
        names=names,
        several=True,
        strict=index.strict is True,
        ordered=bool(index.ordered),
        unique=[labels[names.index(name)] if name in names else str(name) for name in unique],
    )


def _type_name(dtype: Any) -> str:
    """Return pandera's name of a type; categories that are listed, or have an order, are another type than any."""
    listed, ordered = getattr(dtype, "categories", None), getattr(dtype, "ordered", False)
    return str(dtype) if listed is None and not ordered else f"{dtype} of {listed}, ordered={ordered}"


def _part(part: Any) -> Part:
    """Return what is demanded of a pandera Column or Index."""
    return Part(
        name=str(part.name),
        regex=bool(getattr(part, "regex", False)),
        dtype=None if part.dtype is None else _type_name(part.dtype),
        coerce=bool(part.coerce),
        nullable=bool(part.nullable),
        unique=bool(part.unique),
        keep=part.report_duplicates,
        tests=_tests(part.checks),
    )


def _tests(checks: Sequence[Any]) -> list[Test]:
    """Return pandera's checks; what is not exactly a built-in check in its usual form stays with pandera."""
    from pandera.api.function_dispatch import Dispatcher

    tests = []
    for name, check in zip(names_of([check.name for check in checks]), checks, strict=True):
        own = isinstance(check._check_fn, Dispatcher)
        usual = own and check.ignore_na and not check.element_wise and check.groupby is None
        built_in = built_in_test(name, check.name, check.statistics) if usual else None
        tests.append(built_in or Test(name=name, words=str(check.error or check.name or "a check of its own")))
    return tests


def built_in_test(name: str, kind: str, settings: Mapping[str, Any]) -> Test | None:
    """Return a built-in check with these settings, None if the engine does not know it in this form."""
    if kind not in BUILT_IN or not set(settings) <= BUILT_IN[kind]:
        return None
    values = [value for item in settings.values() for value in (item if isinstance(item, list | tuple) else [item])]
    optional = kind == "str_length"
    if not all(_is_plain(value) or (optional and value is None) for value in values):
        return None
    if isinstance(settings.get("allowed_values", settings.get("forbidden_values")), str):
        return None  # pandera reads a text as its characters
    if not optional and not REQUIRED[kind] <= set(settings):
        return None
    shown = {"min_value": None, "max_value": None, **settings}
    words = f"str_length({settings['exact_value']})" if settings.get("exact_value") else _WORDS[kind].format(**shown)
    return Test(name=name, words=words, kind=kind, settings=dict(settings))


REQUIRED: Final = {kind: keys - {"include_min", "include_max"} for kind, keys in BUILT_IN.items()}


def _is_plain(value: Any) -> bool:
    """Whether a setting is a number, text, boolean or time whose comparison means the same everywhere."""
    if isinstance(value, float) and math.isnan(value):
        return False
    if isinstance(value, int) and not isinstance(value, bool):
        return bool(abs(value) <= 2**53)
    return isinstance(value, _PLAIN) and getattr(value, "nanosecond", 0) == 0
