"""MLflow's scoring protocol: `POST /invocations`, answered by `{"predictions": […]}`.

As with MLflow, columns that the model does not take are left out, NaN is a missing number, and the index of a
`dataframe_split` counts for nothing. Texts are never read as numbers, except in CSV, which has nothing else.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from cd4ml.serving.exchange import Answers, Exchange
from cd4ml.serving.protocols import Answer, Body, Question, table
from cd4ml.serving.reading import exact
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.signature import FLOATS, INTEGERS, Column

NAME: Final = "mlflow"
_CSV: Final = "text/csv"
_KEYS: Final = ("dataframe_split", "dataframe_records", "inputs", "instances")
# What pandas' reader takes for a missing value.
_MISSING: Final = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
    | {"NULL", "NaN", "None", "n/a", "nan", "null"}
)
_TRUTH: Final[Mapping[str, bool]] = {"true": True, "false": False}

Values = dict[str, list[Any]]


class Scoring:
    """See the module."""

    name: str = NAME
    media_types: Collection[str] = frozenset({"application/json", _CSV})

    def __init__(self, columns: Sequence[Column], maximum_rows: int) -> None:
        self._columns, self._maximum_rows = columns, maximum_rows

    def read(self, body: Body) -> Question:
        """See Dialect."""
        values = self._csv(body.content) if body.media_type == _CSV else self._json(body.content)
        rows = len(next(iter(values.values()), []))
        return Question(table.batch(values, table.count(rows, self._maximum_rows, "rows"), self._columns))

    def write(self, _question: Question, answers: Answers, _exchange: Exchange) -> Answer:
        """See Dialect."""
        return Answer(json.dumps({"predictions": answers.y_pred}, allow_nan=False).encode())

    def _json(self, body: bytes) -> Values:
        """Return the values of a JSON document by column."""
        document = exact.document(body, nan_is_missing=True)
        keys = [key for key in _KEYS if isinstance(document, dict) and key in document]
        if len(keys) != 1 or not document.keys() <= {*keys, "params"}:
            raise _no_request("", f"the body must be an object with exactly one of {', '.join(_KEYS)}")
        if document.get("params") not in (None, {}):
            raise _no_request("params", "must be empty: the gateway calls the model without parameters")
        (key,) = keys
        given = document[key]
        if key == "dataframe_split":
            return self._split(given)
        if isinstance(given, dict) and key == "inputs":
            return self._by_column(given)
        if not isinstance(given, list):
            raise _no_request(key, "must be a list")
        if given and all(isinstance(one, dict) for one in given):
            return self._records(given)
        if key == "dataframe_records":
            raise _no_request(key, "must be a list of objects")
        return self._matrix(given, key, [column.name for column in self._columns])

    def _split(self, given: Any) -> Values:
        """Return the values of `{"columns": […], "data": [[…], …]}` by column."""
        path = "dataframe_split"
        if not isinstance(given, dict) or not given.keys() <= {"columns", "index", "data"}:
            raise _no_request(path, "must be an object with columns, data and, if need be, an index")
        columns = given.get("columns")
        if not isinstance(columns, list) or not all(type(name) in (str, int, float) for name in columns):
            raise _no_request(f"{path}.columns", "must be a list of names")
        if not isinstance(given.get("data"), list):
            raise _no_request(f"{path}.data", "must be a list of rows")
        return self._matrix(given["data"], f"{path}.data", [str(name) for name in columns])

    def _records(self, given: Sequence[dict[str, Any]]) -> Values:
        """Return the values of objects by column; one that an object has not is missing."""
        self._limit(len(given))
        names = {column.name for column in self._columns} or {name for one in given for name in one}
        present = [name for name in sorted(names) if any(name in one for one in given)]
        found: Values = {name: [one.get(name) for one in given] for name in present}
        return found or {"": [None] * len(given)}

    def _by_column(self, given: Mapping[str, Any]) -> Values:
        """Return the values of `{name: […], …}`, or of one row `{name: value, …}`."""
        if not any(isinstance(values, list) for values in given.values()):
            return {name: [value] for name, value in given.items()}
        lengths = {len(values) if isinstance(values, list) else -1 for values in given.values()}
        if len(lengths) != 1:
            raise _no_request("inputs", "must have a list of the same length for each column")
        # A column may be a list of lists of one value.
        return {name: [_single(value) for value in values] for name, values in given.items()}

    def _matrix(self, rows: Sequence[Any], path: str, names: Sequence[str]) -> Values:
        """Return the values of lists that have one value for each of these columns."""
        self._limit(len(rows))
        if len(names) == 1:
            rows = [row if isinstance(row, list) else [row] for row in rows]
        if not names:
            raise _no_request(path, "needs names of columns: the model has none")
        if len(set(names)) != len(names):
            raise _no_request(path.rpartition(".")[0] or path, "names a column twice")
        for index, row in enumerate(rows):
            if not isinstance(row, list) or len(row) != len(names):
                raise _no_request(f"{path}[{index}]", f"must be a list of {len(names)} values")
        return {name: [row[at] for row in rows] for at, name in enumerate(names)}

    def _csv(self, body: bytes) -> Values:
        """Return the values of a CSV file by column, each read as its column's type."""
        try:
            lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
            rows = self._lines(lines)
        except (UnicodeDecodeError, csv.Error):
            raise Refused(422, "not-csv", "The body is not CSV in UTF-8.") from None
        names = rows[0] if rows else []
        texts = self._matrix(rows[1:], "rows", names)
        known = {column.name: column.type for column in self._columns}
        if known:
            texts = {name: values for name, values in texts.items() if name in known} or {"": [""] * (len(rows) - 1)}
        return {name: [_value(text, known.get(name)) for text in values] for name, values in texts.items()}

    def _lines(self, lines: Iterable[list[str]]) -> list[list[str]]:
        """Return the rows of a CSV file without empty lines, no more of them than are allowed."""
        rows = []
        for row in lines:
            if row:
                rows.append(row)
            self._limit(len(rows) - 1)
        return rows

    def _limit(self, rows: int) -> None:
        """Refuse too many rows before they cost anything."""
        if rows > self._maximum_rows:
            table.count(rows, self._maximum_rows, "rows")


def refusal(refused: Refused) -> bytes:
    """Return MLflow's form of a refusal, and the problems for machines beside it."""
    first = "".join(f" {problem.path}: {problem.problem}" for problem in refused.problems[:1])
    problems = [asdict(problem) for problem in refused.problems]
    about = {"error_code": _error_code(refused.status), "message": refused.message + first}
    return json.dumps({**about, "code": refused.code, "problems": problems, "more": refused.more}).encode()


def _single(value: Any) -> Any:
    """Return the value of a list of one."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _value(text: str, kind: str | None) -> Any:
    """Return a cell of a CSV file as its column's type has it; a text that is none stays, and is refused later."""
    if text in _MISSING:
        return None
    if kind in INTEGERS or kind in FLOATS or kind is None:
        return _number(text)
    return _TRUTH.get(text.lower(), text) if kind == "boolean" else text


def _number(text: str) -> int | float | str:
    """Return the number that a text writes in digits; the text itself if it is none that is finite."""
    if not text.isascii() or "_" in text or len(text) > 400:
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _no_request(path: str, problem: str) -> Refused:
    """Return the refusal of a body."""
    found = Problem(path=path, problem=problem)
    return Refused(422, "not-a-request", "The body is no request of MLflow's scoring protocol.", [found])


def _error_code(status: int) -> str:
    """Return MLflow's name of a refusal."""
    if status >= 500:
        return "TEMPORARILY_UNAVAILABLE" if status == 503 else "INTERNAL_ERROR"
    return "BAD_REQUEST"
