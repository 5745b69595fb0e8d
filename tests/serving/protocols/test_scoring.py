"""MLflow's scoring protocol: every form of a table that its clients send becomes the model's columns, or is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.protocols import Body
from cd4ml.serving.protocols.scoring import Scoring, refusal
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.signature import Column
from tests.serving.protocols.conftest import COLUMNS, refused

MLFLOW = Scoring(COLUMNS, 10)
ROWS: list[dict[str, Any]] = [
    {"age": 40, "income": 1.5, "city": "Oslo", "member": True},
    {"age": 41, "income": None, "city": "Bergen", "member": None},
]
EXPECTED = Batch(
    {"age": [40, 41], "income": [1.5, None], "city": ["Oslo", "Bergen"], "member": [True, None]},
    2,
)
NAMES = list(ROWS[0])
LISTS = [list(row.values()) for row in ROWS]
BY_COLUMN = {name: [row[name] for row in ROWS] for name in NAMES}


def read(content: Any, scoring: Scoring = MLFLOW) -> Batch:
    """Read a JSON document."""
    return scoring.read(Body(json.dumps(content).encode())).batch


def csv(content: str, scoring: Scoring = MLFLOW) -> Batch:
    """Read a CSV file."""
    return scoring.read(Body(content.encode(), "text/csv")).batch


@pytest.mark.parametrize(
    "content",
    [
        {"dataframe_split": {"columns": NAMES, "index": [7, 8], "data": LISTS}},
        {"dataframe_split": {"columns": ["x", *NAMES], "data": [[0, *one] for one in LISTS]}, "params": {}},
        {"dataframe_records": ROWS, "params": None},
        {"dataframe_records": [{"unknown": 1, **ROWS[0]}, ROWS[1]]},
        {"inputs": ROWS},
        {"inputs": BY_COLUMN},
        {"inputs": {name: [[value] for value in values] for name, values in BY_COLUMN.items()}},
        {"inputs": LISTS},
        {"instances": ROWS},
        {"instances": LISTS},
    ],
)
def test_json__every_form(content: Any) -> None:
    """A table by rows, by columns or as lists is the same batch; columns that the model does not take are left out."""
    assert read(content) == EXPECTED


def test_json__one_row_by_column() -> None:
    """An object of plain values is one row."""
    assert read({"inputs": ROWS[0]}) == Batch({name: [value] for name, value in ROWS[0].items()}, 1)


def test_json__one_column() -> None:
    """A model of one column takes a plain list."""
    assert read({"inputs": [1, 2.5]}, Scoring([Column(name="x", type="double")], 10)) == Batch({"x": [1, 2.5]}, 2)


def test_json__columns_named_by_numbers() -> None:
    """Pandas' numbers of columns are the names that the model has as texts."""
    scoring = Scoring([Column(name="0", label=0, type="double")], 10)

    assert read({"dataframe_split": {"columns": [0], "data": [[1.5]]}}, scoring) == Batch({"0": [1.5]}, 1)


def test_json__nan_is_missing() -> None:
    """Python's clients write NaN for a missing number."""
    body = b'{"dataframe_records": [{"age": 40, "income": NaN, "city": NaN}]}'

    assert MLFLOW.read(Body(body)).batch == Batch({"age": [40], "income": [None], "city": [None], "member": [None]}, 1)
    assert refused(lambda: MLFLOW.read(Body(body.replace(b"40", b"Infinity")))) == ("not-finite", "")


@pytest.mark.parametrize(
    "content",
    [
        "age,income,city,member\n40,1.5,Oslo,True\n41,,Bergen,\n",
        ",age,income,city,member,more\r\n0,40,1.5,Oslo,true,x\r\n1,41,NaN,Bergen,NA,y\r\n\r\n",
        'member,city,age,income\nTRUE,"Oslo",40,1.5\nnull,Bergen,41,N/A',
        "\ufeffage,income,city,member\n40,15e-1,Oslo,True\n41,,Bergen,\n",
    ],
)
def test_csv(content: str) -> None:
    """A CSV file of pandas is read by the types of the columns; what pandas takes for missing is missing."""
    assert csv(content) == EXPECTED


def test_csv__texts_of_digits_stay() -> None:
    """In a column of texts 007 is a text, and in a column without a type it is a number."""
    columns = [Column(name="code", type="string"), Column(name="free")]

    assert csv("code,free\n007,007\n", Scoring(columns, 10)) == Batch({"code": ["007"], "free": [7]}, 1)


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        ([], "not-a-request", ""),
        ({}, "not-a-request", ""),
        ({"rows": ROWS}, "not-a-request", ""),
        ({"inputs": ROWS, "instances": ROWS}, "not-a-request", ""),
        ({"inputs": ROWS, "signature_name": "x"}, "not-a-request", ""),
        ({"inputs": ROWS, "params": {"depth": 3}}, "not-a-request", "params"),
        ({"inputs": ROWS, "params": False}, "not-a-request", "params"),
        ({"inputs": ROWS, "params": []}, "not-a-request", "params"),
        ({"inputs": 3}, "not-a-request", "inputs"),
        ({"inputs": []}, "no-rows", "rows"),
        ({"inputs": {}}, "no-rows", "rows"),
        ({"inputs": [[1, 2], [3]]}, "not-a-request", "inputs[0]"),
        ({"inputs": [ROWS[0], 3]}, "not-a-request", "inputs[0]"),
        ({"inputs": {"age": [1, 2], "income": [1]}}, "not-a-request", "inputs"),
        ({"inputs": {"age": [1, 2], "income": 1}}, "not-a-request", "inputs"),
        ({"instances": {"age": [1]}}, "not-a-request", "instances"),
        ({"dataframe_records": {"age": [1]}}, "not-a-request", "dataframe_records"),
        ({"dataframe_records": [1]}, "not-a-request", "dataframe_records"),
        ({"dataframe_records": [{}] * 2}, "rows-do-not-fit", "rows[*].age"),
        ({"dataframe_records": ROWS * 6}, "too-many-rows", ""),
        ({"dataframe_records": [{**ROWS[0], "age": "40"}]}, "rows-do-not-fit", "rows[0].age"),
        ({"dataframe_records": [ROWS[0], {**ROWS[0], "age": [1]}]}, "rows-do-not-fit", "rows[1].age"),
        ({"dataframe_split": [1]}, "not-a-request", "dataframe_split"),
        ({"dataframe_split": {"data": LISTS}}, "not-a-request", "dataframe_split.columns"),
        ({"dataframe_split": {"columns": [[1]], "data": []}}, "not-a-request", "dataframe_split.columns"),
        ({"dataframe_split": {"columns": NAMES}}, "not-a-request", "dataframe_split.data"),
        ({"dataframe_split": {"columns": NAMES, "data": [LISTS[0], [1]]}}, "not-a-request", "dataframe_split.data[1]"),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, "not-a-request", "dataframe_split"),
        ({"dataframe_split": {"columns": ["age"], "data": LISTS, "x": 1}}, "not-a-request", "dataframe_split"),
    ],
)
def test_json__refused(content: Any, code: str, path: str) -> None:
    """What is no request, is ragged or does not fit is refused with its place."""
    assert refused(lambda: read(content)) == (code, path)


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        ("", "not-a-request", "rows"),
        ("age,income,city\n", "no-rows", "rows"),
        ("age,income,city\n40,1.5\n", "not-a-request", "rows[0]"),
        ("age,age,city\n40,1.5,x\n", "not-a-request", "rows"),
        ("age,income,city\n4O,1.5,Oslo\n", "rows-do-not-fit", "rows[0].age"),
        ("age,income,city\n40,inf,Oslo\n", "rows-do-not-fit", "rows[0].income"),
        ("age,income,city\n40,1_5,Oslo\n", "rows-do-not-fit", "rows[0].income"),
        ("age,income,city\n40,1e999,Oslo\n", "rows-do-not-fit", "rows[0].income"),
        ("age,income,city\n" + "40,1.5,Oslo\n" * 11, "too-many-rows", ""),
        ('age,income,city\n40,1.5,"Oslo', "not-csv", ""),
        ("x,y\n1,2\n", "rows-do-not-fit", "rows[*].age"),
        ("a\n" + "x" * 200_000, "not-csv", ""),
    ],
)
def test_csv__refused(content: str, code: str, path: str) -> None:
    """A broken or ragged file, and cells that are no values of their columns, are refused."""
    assert refused(lambda: csv(content)) == (code, path)


def test_csv__not_utf_8() -> None:
    """Bytes that are not UTF-8 are refused."""
    assert refused(lambda: MLFLOW.read(Body(b"age\n\xff", "text/csv"))) == ("not-csv", "")


def test_answer__predictions_alone(exchange: Exchange) -> None:
    """The answer is MLflow's: the predictions in the order of the rows."""
    question = MLFLOW.read(Body(json.dumps({"inputs": ROWS}).encode()))

    assert json.loads(MLFLOW.write(question, Answers([1, 0], [0.9, 0.1]), exchange).body) == {"predictions": [1, 0]}


@pytest.mark.parametrize(
    ("status", "name"), [(422, "BAD_REQUEST"), (500, "INTERNAL_ERROR"), (503, "TEMPORARILY_UNAVAILABLE")]
)
def test_refusal__as_mlflow_writes_it(status: int, name: str) -> None:
    """A refusal has MLflow's code and message, and the problems for machines."""
    found = json.loads(refusal(Refused(status, "code", "No.", [Problem(path="rows[1].age", problem="is missing")])))

    assert (found["error_code"], found["message"]) == (name, "No. rows[1].age: is missing")
    assert found["code"] == "code" and found["problems"][0]["path"] == "rows[1].age"
