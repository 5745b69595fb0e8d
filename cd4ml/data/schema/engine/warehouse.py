"""The same checks as one aggregate, where the data are: on Spark, or in a warehouse, through Ibis.

Nothing is copied out and nothing is sampled: each column's counts are computed by the engine that holds the rows. What
cannot be computed there is refused, never left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.schema.engine.audit import Audit, shape
from cd4ml.data.schema.engine.patterns import translated
from cd4ml.data.schema.engine.predicates import Family, as_stored, family, understood
from cd4ml.data.schema.engine.rules import Part, Rules, Test
from cd4ml.data.schema.engine.types import DTYPES, meets, pandas_name
from cd4ml.data.schema.findings import Finding
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.user_code import UserCodeError, user_code

if TYPE_CHECKING:
    import polars as pl

_ROWS: Final = ("", "rows")
_SPARK: Final = "pyspark"
# Where every character of Unicode was seen to be in the classes that Python has it in.
_PATTERNS: Final = ("duckdb", _SPARK)


def columns_of(table: Any) -> dict[str, pl.DataType]:
    """Return the type of each column, as Polars names it; Null for types that nothing is known of."""
    import polars as pl
    from ibis.formats.polars import PolarsType

    found = {}
    for name, kind in table.schema().items():
        try:
            found[name] = PolarsType.from_ibis(kind)
        except (KeyError, NotImplementedError):
            found[name] = pl.Null()
    return {name: kind() if isinstance(kind, type) else kind for name, kind in found.items()}


def audit_table(table: Any, rules: Rules, targets: Sequence[tuple[str, Part]]) -> tuple[Audit, int]:
    """Hold a table of an engine against rules; return what was found, without samples, and the number of rows.

    Raises:
        OptionsError: a rule cannot be evaluated there.
        UnavailableError: the engine gave up.
    """
    stored = columns_of(table)
    _refuse(rules, targets, stored, _backend(table))
    wanted: dict[tuple[str, str], Any] = {_ROWS: table.count()}
    for name, part in targets:
        for key, expression in _counts(table, name, part, stored[name]):
            wanted[name, key] = expression
    labels = {f"c{position}": key for position, key in enumerate(wanted)}
    row = only_row(table.aggregate(**dict(zip(labels, wanted.values(), strict=True))))
    counts = {key: int(row[label] or 0) for label, key in labels.items()}
    result = Audit()
    for name, part in targets:
        _judge(name, part, stored[name], counts, result)
        if part.unique:
            _unique(table, [name], part.keep, name, result)
    shape(list(stored), rules, targets, result)
    if together := rules.together(list(stored)):
        _unique(table, together, rules.keep, ", ".join(rules.unique), result)
    return result, counts[_ROWS]


def _backend(expression: Any) -> str:
    """Return Ibis's name of the engine that an expression is for."""
    return str(expression.get_backend().name)


def only_row(query: Any) -> dict[str, Any]:
    """Return the row that an aggregate is.

    Raises:
        UnavailableError: the engine gave up.
    """
    try:
        with user_code():  # every backend has exceptions of its own
            row: dict[str, Any] = query.to_pyarrow().to_pylist()[0]
    except UserCodeError as error:
        said = error.raised.text or error.raised.where
        raise UnavailableError(f"{_backend(query)} did not count the rows: {said}") from error
    return row


def _refuse(rules: Rules, targets: Sequence[tuple[str, Part]], stored: Mapping[str, pl.DataType], backend: str) -> None:
    """Refuse rules that only pandera could evaluate, and patterns where nobody has seen what they mean."""
    problems = [f"the check {test.name} of the whole table" for test in rules.tests]
    problems += ["rules about the index"] if rules.index else []
    for name, part in targets:
        of = family(stored[name])
        actual = pandas_name(stored[name], 0)
        if of is None or (part.dtype is not None and part.dtype not in DTYPES.values()):
            problems.append(f"column {name} of type {stored[name]}")
        elif part.coerce and part.dtype not in (None, actual):
            problems.append(f"coercion of column {name} from {actual} to {part.dtype}")
        else:
            problems += [f"the check {test.name} of column {name}" for test in part.tests if not understood(test, of)]
            if backend not in _PATTERNS:
                patterns = [test.name for test in part.tests if "pattern" in test.settings]
                problems += [f"the pattern of {test} of column {name} on {backend}" for test in patterns]
    if problems:
        advice = "Use the local backend, or a built-in check."
        raise OptionsError([f"backend: it cannot evaluate {problem}" for problem in problems], advice=advice)


def _counts(table: Any, name: str, part: Part, stored: pl.DataType) -> Iterator[tuple[str, Any]]:
    """Yield what is counted of a column."""
    column = table[name]
    missing = column.isnull()
    if stored.is_float():
        nan = column.isnan().fill_null(False)
        yield "nans", nan.sum()
        yield "infinite", column.isin([math.inf, -math.inf]).fill_null(False).sum()
        missing, null = missing | nan, missing & ~nan  # Spark counts not-a-number among the nulls
        yield "nulls", null.sum()
    else:
        yield "nulls", missing.sum()
    of = family(stored)
    for test in part.tests:
        if of is not None:
            broken = ~_holds(test, column, stored, of).fill_null(False) & ~missing
            yield test.name, broken.sum()


def _judge(name: str, part: Part, stored: pl.DataType, counts: Mapping[tuple[str, str], int], result: Audit) -> None:
    """Decide the rules of a column but uniqueness."""
    nulls, nans = counts[name, "nulls"], counts.get((name, "nans"), 0)
    decided = result.proofs.setdefault(name, {})
    if part.dtype is not None:
        decided["dtype"] = "engine"
        actual = str(pandas_name(stored, nulls))
        if not meets(part.dtype, actual):
            result.findings["dtype", name] = Finding(failing=1, columns=[actual])
    if part.nullable:
        result.filled[name] = counts[_ROWS] - nulls - nans
    else:
        decided["not-nullable"] = "engine"
        _add(result, "not-nullable", name, nulls + nans)
    if stored.is_float():
        result.infinite[name] = counts[name, "infinite"]
    for test in part.tests:
        decided[test.name] = "engine"
        _add(result, test.name, name, counts[name, test.name])


def _add(result: Audit, rule: str, column: str, count: int) -> None:
    """Add a finding about rows."""
    if count:
        result.findings[rule, column] = Finding(failing=count, by_row=True)


def _unique(table: Any, columns: Sequence[str], keep: str, label: str, result: Audit) -> None:
    """Count rows whose values occur more than once."""
    values = {f"value{position}": table[name] for position, name in enumerate(columns)}  # a column may be called n
    renamed = table.select(**values)
    groups = renamed.group_by(list(values)).aggregate(n=renamed.count())
    repeated = groups.filter(groups["n"] > 1)
    row = only_row(repeated.aggregate(rows=repeated["n"].sum(), groups=repeated.count()))
    rows, distinct = int(row["rows"] or 0), int(row["groups"] or 0)
    result.proofs.setdefault(label, {})["unique"] = "engine"
    _add(result, "unique", label, rows if keep == "all" else rows - distinct)


def _holds(test: Test, column: Any, stored: pl.DataType, of: Family) -> Any:
    """Return where a built-in check holds."""
    settings = as_stored(test, stored)
    low, high = settings.get("min_value"), settings.get("max_value")
    match test.kind:
        case "in_range":
            above = column >= low if settings.get("include_min", True) else column > low
            return above & (column <= high if settings.get("include_max", True) else column < high)
        case "isin" | "notin":
            members = list(settings.get("allowed_values", settings.get("forbidden_values")))
            among = _among(column, members, stored)
            return among if test.kind == "isin" else ~among
        case "str_matches" | "str_contains":
            pattern = translated(settings["pattern"], java=_backend(column) == _SPARK)
            return column.re_search(f"^(?:{pattern})" if test.kind == "str_matches" else pattern)
        case "str_length":
            return _length(column.length(), settings)
    return _SIMPLE[str(test.kind)](column, next(iter(settings.values())))


def _among(column: Any, members: Sequence[Any], stored: pl.DataType) -> Any:
    """Return which values are among some; numbers as 64-bit ones."""
    import ibis

    if stored.is_float():
        column, members = column.cast("float64"), [float(item) for item in members]
    elif stored.is_integer():
        members = [int(item) for item in members if float(item).is_integer()]
    return column.isin(members) if members else ibis.literal(False)


def _length(length: Any, settings: Mapping[str, Any]) -> Any:
    """Return which lengths are in range."""
    if settings.get("exact_value") is not None:
        return length == settings["exact_value"]
    low, high = settings.get("min_value"), settings.get("max_value")
    at_least = length >= (0 if low is None else low)
    return at_least if high is None else at_least & (length <= high)


_SIMPLE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "equal_to": lambda column, value: column == value,
    "not_equal_to": lambda column, value: column != value,
    "greater_than": lambda column, value: column > value,
    "greater_than_or_equal_to": lambda column, value: column >= value,
    "less_than": lambda column, value: column < value,
    "less_than_or_equal_to": lambda column, value: column <= value,
    "str_startswith": lambda column, value: column.startswith(value),
    "str_endswith": lambda column, value: column.endswith(value),
}
