"""Strict reading of a request: from bytes to a batch that fits the model, or a list of what is wrong.

Problems name the place (`rows[3].age`) and the rule, and never repeat what was sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from cd4ml.serving.exchange import Batch
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.signature import FLOATS, Column

# Characters of a text in a row.
LONGEST_TEXT: Final = 100_000
_SHOWN_COLUMNS: Final = 50
# So many problems are looked for; fewer are shown.
_MOST_PROBLEMS: Final = 200


def batch(body: bytes, columns: Sequence[Column], *, maximum_rows: int) -> Batch:
    """Return the rows of a request `{"rows": [{column: value, …}, …]}`.

    Args:
        columns: what the model takes; if empty, every row must have the columns of the first.

    Raises:
        Refused: 422 for anything that does not fit.
    """
    rows = objects(document(body), "rows", maximum_rows)
    if not columns:
        columns = [Column(name=name) for name in rows[0]]
    problems: list[Problem] = []
    for index, row in enumerate(rows):
        problems += _row_problems(row, f"rows[{index}]", columns)
        if len(problems) > _MOST_PROBLEMS:
            break
    if problems:
        raise Refused(422, "rows-do-not-fit", "The rows do not fit the model's columns.", problems)
    return batch_of(rows, columns)


def batch_of(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> Batch:
    """Return rows, whose values fit the columns, as a batch."""
    return Batch({column.name: _values(rows, column) for column in columns}, len(rows))


def _values(rows: Sequence[dict[str, Any]], column: Column) -> list[Any]:
    """Return one column; a whole number in a column of doubles is the double next to it."""
    values = [row.get(column.name) for row in rows]
    if column.type in FLOATS:
        return [None if value is None else float(value) for value in values]
    return values


def document(body: bytes, *, nan_is_missing: bool = False) -> Any:
    """Return the JSON document, with neither NaN nor Infinity nor a key given twice.

    Args:
        nan_is_missing: NaN, which Python's writer of JSON writes for a missing number, is null.

    Raises:
        Refused: 422; it is none.
    """
    constant = _null_for_nan if nan_is_missing else _no_constant
    try:
        found = json.loads(
            body.decode("utf-8"), parse_constant=constant, parse_float=_finite, object_pairs_hook=_no_repetition
        )
        if b"\\u" in body:  # half of a surrogate pair may be escaped, and is not a text that a model could encode
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        return found
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused(422, "not-json", "The body is not a JSON document in UTF-8.") from None


def _no_constant(_name: str) -> NoReturn:
    """Refuse what JSON does not know, though Python's reader does."""
    raise Refused(422, "not-finite", "NaN and Infinity are not JSON; a missing value is null.")


def _null_for_nan(name: str) -> None:
    """Read NaN as a missing value, and refuse Infinity."""
    if name != "NaN":
        raise Refused(422, "not-finite", "Infinity is no value; a missing value is null or NaN.")


def _finite(text: str) -> float:
    """Read a number that a double can hold."""
    number = float(text)
    if not math.isfinite(number):
        raise Refused(422, "not-finite", "A number is too large for a double.")
    return number


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with the same key twice: readers differ in which one counts."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Refused(422, "repeated-key", "An object has the same key twice.")
    return result


def objects(document: Any, key: str, maximum_rows: int) -> list[dict[str, Any]]:
    """Return the list of objects that a document holds under its one key.

    Raises:
        Refused: 422; it holds none.
    """
    if not isinstance(document, dict) or set(document) != {key}:
        raise Refused(422, "no-rows", f'The body must be an object with the one key "{key}".')
    rows = document[key]
    if not isinstance(rows, list) or not rows:
        raise Refused(422, "no-rows", f"`{key}` must be a list of at least one object.")
    if len(rows) > maximum_rows:
        raise Refused(422, "too-many-rows", f"A request may have at most {maximum_rows} rows.")
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or not row:
            problem = Problem(path=f"{key}[{index}]", problem="must be an object of column names and values")
            raise Refused(422, "rows-do-not-fit", "A row is not an object.", [problem])
    return rows


def _row_problems(row: dict[str, Any], path: str, columns: Sequence[Column]) -> list[Problem]:
    """Return what is wrong with one row."""
    problems = []
    unknown = len(row.keys() - {column.name for column in columns})
    if unknown:
        known = ", ".join(column.name for column in columns[:_SHOWN_COLUMNS])
        problems.append(Problem(path=path, problem=f"has {unknown} unknown column(s); the model takes: {known}"))
    for column in columns:
        text = _cell_problem(row, column)
        if text:
            problems.append(Problem(path=f"{path}.{column.name}", problem=text))
    return problems


def _cell_problem(row: dict[str, Any], column: Column) -> str | None:
    """Return what is wrong with one value, None if it fits."""
    if column.name not in row:
        return "is missing" if column.required else None
    return value_problem(row[column.name], column)


def value_problem(value: Any, column: Column) -> str | None:
    """Return what is wrong with a value that is there, None if it fits."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return f"is longer than {LONGEST_TEXT:,} characters"
    if value is None and (column.nullable or column.type not in ("integer", "long", "boolean")):
        return None
    if column.type in ("integer", "long"):
        return _integer_problem(value, 31 if column.type == "integer" else 63)
    if column.type == "boolean":
        return None if isinstance(value, bool) else "must be true or false"
    if column.type in ("float", "double"):
        return _number_problem(value, single=column.type == "float")
    if column.type in ("string", "datetime"):
        return None if isinstance(value, str) else "must be a string or null"
    return "must be a number, a string, true, false or null" if isinstance(value, list | dict) else None


def _integer_problem(value: Any, bits: int) -> str | None:
    """Return what is wrong with a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a whole number"
    if isinstance(value, float) and not value.is_integer():
        return "must be a whole number"
    return None if -(2**bits) <= value < 2**bits else "is too large"


def _number_problem(value: Any, *, single: bool) -> str | None:
    """Return what is wrong with a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number or null"
    limit = 3.4028234663852886e38 if single else 1.7976931348623157e308
    return None if -limit <= value <= limit else "is too large"
