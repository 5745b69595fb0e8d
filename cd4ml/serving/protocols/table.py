"""From values by column to a batch that fits the model, for the protocols that send more than rows of JSON objects.

A problem with a value is told by its row and column, `rows[3].age`, however the protocol writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.serving.exchange import Batch
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.signature import INTEGERS, Column

_SHOWN_COLUMNS: Final = 50
# So many problems are looked for; fewer are shown.
_MOST_PROBLEMS: Final = 200
_NOTHING: Final = type(None)
# Values of these types alone fit a column of the type, however many there are.
_PLAIN: Final[dict[str | None, frozenset[type]]] = {
    "double": frozenset({float, _NOTHING}),
    "string": frozenset({str, _NOTHING}),
    "datetime": frozenset({str, _NOTHING}),
    "boolean": frozenset({bool}),
    None: frozenset({int, float, str, bool, _NOTHING}),
}


def batch(given: Mapping[str, list[Any]], rows: int, columns: Sequence[Column]) -> Batch:
    """Return the columns that the model takes, checked as `/predict` checks them; others are left out.

    Args:
        given: for each name as many values as there are rows; None where one is missing.
        columns: what the model takes; if empty, all that is given.

    Raises:
        Refused: 422 with the place of each value that does not fit.
    """
    problems: list[Problem] = []
    found: dict[str, list[Any]] = {}
    for column in columns or [Column(name=name) for name in given]:
        values = given.get(column.name)
        if values is None and column.required:
            problems.append(Problem(path=f"rows[*].{column.name}", problem="is missing"))
        found[column.name] = [None] * rows if values is None else values
        if values is not None and not _plain(values, column):
            problems += _problems(values, column)
        if len(problems) > _MOST_PROBLEMS:
            break
    if problems:
        raise unfit(problems)
    return Batch(found, rows)


def count(rows: int, maximum_rows: int, path: str) -> int:
    """Return how many rows there are, if that is allowed."""
    if rows < 1:
        problem = Problem(path=path, problem="must have at least one row")
        raise Refused(422, "no-rows", "The request has no rows.", [problem])
    if rows > maximum_rows:
        raise Refused(422, "too-many-rows", f"A request may have at most {maximum_rows} rows.")
    return rows


def names(columns: Sequence[Column]) -> str:
    """Return the model's columns as a message names them."""
    shown = ", ".join(column.name for column in columns[:_SHOWN_COLUMNS])
    return f"{shown}, …" if len(columns) > _SHOWN_COLUMNS else shown


def unfit(problems: Sequence[Problem]) -> Refused:
    """Return the refusal of rows."""
    return Refused(422, "rows-do-not-fit", "The rows do not fit the model's columns.", problems)


def _plain(values: list[Any], column: Column) -> bool:
    """Whether all values fit the column by their types alone; only then need they not be looked at one by one."""
    types = set(map(type, values))
    if column.type in INTEGERS:
        limit = 2 ** (31 if column.type == "integer" else 63)
        return types == {int} and min(values) >= -limit and max(values) < limit
    return types <= _PLAIN.get(column.type, frozenset())


def _problems(values: list[Any], column: Column) -> list[Problem]:
    """Return what is wrong with the values of a column."""
    problems = []
    for index, value in enumerate(values):
        text = exact.value_problem(value, column)
        if text:
            problems.append(Problem(path=f"rows[{index}].{column.name}", problem=text))
        if len(problems) > _MOST_PROBLEMS:
            break
    return problems
