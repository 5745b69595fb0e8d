"""The Open Inference Protocol: tensors in JSON and in bytes become the model's columns, or a refusal with its place."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import pytest

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.protocols import Body
from cd4ml.serving.protocols.dialects import metadata
from cd4ml.serving.protocols.open_inference import OpenInference, refusal
from cd4ml.serving.refused import Problem, Refused
from cd4ml.serving.signature import Column
from tests.serving.protocols.conftest import MODEL, Classifier, refused

NUMBERS = tuple(Column(name=name, type="double") for name in ("a", "b"))
V2 = OpenInference(Classifier(), MODEL, 10)
MATRIX = OpenInference(Classifier(columns=NUMBERS), MODEL, 10)
AGE = {"name": "age", "shape": [2], "datatype": "INT64", "data": [40, 41]}
INCOME = {"name": "income", "shape": [2, 1], "datatype": "FP64", "data": [[1.5], [None]]}
CITY = {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Oslo", "Bergen"]}


def body(*inputs: Any, **more: Any) -> Body:
    """Return a request of tensors."""
    return Body(json.dumps({"inputs": list(inputs), **more}).encode())


def attached(*inputs: tuple[dict[str, Any], bytes], **more: Any) -> Body:
    """Return a request whose values stand behind its document."""
    tensors = [{**tensor, "parameters": {"binary_data_size": len(content)}} for tensor, content in inputs]
    head = json.dumps({"inputs": tensors, **more}).encode()
    header = (b"inference-header-content-length", b"%d" % len(head))
    return Body(head + b"".join(content for _, content in inputs), "", headers=[header])


def test_columns__as_tensors() -> None:
    """A tensor for each column, flat or nested, becomes the batch; a column that may be left out is missing."""
    batch = V2.read(body(CITY, AGE, INCOME)).batch

    assert batch == Batch(
        {"age": [40, 41], "income": [1.5, None], "city": ["Oslo", "Bergen"], "member": [None, None]}, 2
    )


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2], [3, 4], [5, 6]]])
@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64"])
def test_matrix__columns_in_order(data: list[Any], datatype: str) -> None:
    """One tensor of shape [n, columns] holds the columns in the model's order."""
    tensor = {"name": "input-0", "shape": [3, 2], "datatype": datatype, "data": data}

    assert MATRIX.read(body(tensor)).batch == Batch({"a": [1, 3, 5], "b": [2, 4, 6]}, 3)


def test_bytes_behind_the_document() -> None:
    """Values that Triton's clients send as bytes are the same as in JSON; NaN is a missing number."""
    texts = b"".join(struct.pack("<I", len(text)) + text for text in ("Tromsø".encode(), b"Oslo"))
    question = V2.read(
        attached(
            ({**AGE, "data": None}, struct.pack("<2q", 40, 41)),
            ({**INCOME, "data": None}, struct.pack("<2d", 1.5, math.nan)),
            ({"name": "member", "shape": [2], "datatype": "BOOL"}, b"\1\0"),
            ({**CITY, "data": None}, texts),
        )
    )

    assert question.batch == Batch(
        {"age": [40, 41], "income": [1.5, None], "city": ["Tromsø", "Oslo"], "member": [True, False]}, 2
    )


def test_texts_of_json() -> None:
    """MLServer's codec for tables writes a column of objects as texts of JSON, which are read as such."""
    city = {**CITY, "data": ['"Oslo"', "null"], "parameters": {"content_type": "pd_json"}}
    member = {**CITY, "name": "member", "data": ["true", "null"], "parameters": {"content_type": "pd_json"}}

    batch = V2.read(body(AGE, INCOME, city, member)).batch

    assert batch.columns["city"] == ["Oslo", None] and batch.columns["member"] == [True, None]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"name": ""}, "tensors-do-not-fit", "inputs[0].name"),
        ({"name": "secret"}, "tensors-do-not-fit", "inputs[0].name"),
        ({"name": "city"}, "tensors-do-not-fit", "inputs[0].datatype"),
        ({"name": "income", "shape": [2, 1]}, "tensors-do-not-fit", "inputs[1].name"),
        ({"datatype": "INT65"}, "tensors-do-not-fit", "inputs[0].datatype"),
        ({"datatype": ["INT64"]}, "tensors-do-not-fit", "inputs[0].datatype"),
        ({"datatype": "BYTES", "data": ["40", "41"]}, "tensors-do-not-fit", "inputs[0].datatype"),
        ({"datatype": "BOOL", "data": [True, False]}, "tensors-do-not-fit", "inputs[0].datatype"),
        ({"datatype": "INT8", "data": [40, 400]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"datatype": "UINT8", "data": [40, -1]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"data": [40, 41.5]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"data": [40, True]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"data": [40, "41"]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"data": [40, {}]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"data": [40, [41]]}, "tensors-do-not-fit", "inputs[0].data[1]"),
        ({"data": [[40], [41]]}, "tensors-do-not-fit", "inputs[0].data[0]"),
        ({"data": [[40], 41], "shape": [2, 1]}, "tensors-do-not-fit", "inputs[0].data"),
        ({"data": [40]}, "tensors-do-not-fit", "inputs[0].data"),
        ({"data": [40, 41, 42]}, "tensors-do-not-fit", "inputs[0].data"),
        ({"data": None}, "tensors-do-not-fit", "inputs[0].data"),
        ({"data": "40"}, "tensors-do-not-fit", "inputs[0].data"),
        ({"data": [10**400, 1], "datatype": "FP64"}, "rows-do-not-fit", "rows[0].age"),
        ({"data": [40.5, 1], "datatype": "FP64"}, "rows-do-not-fit", "rows[0].age"),
        ({"data": [40, None]}, "rows-do-not-fit", "rows[1].age"),
        ({"data": [1e39, 1], "datatype": "FP32"}, "tensors-do-not-fit", "inputs[0].data[0]"),
        ({"shape": []}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [2.0]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [-2]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [True]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [10**30]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [1] * 9}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [1, 2]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [0], "data": []}, "no-rows", "inputs[0].shape"),
        ({"shape": [11], "data": list(range(11))}, "too-many-rows", ""),
        ({"shape": [3], "data": [1, 2, 3]}, "tensors-do-not-fit", "inputs[1].shape"),
        ({"parameters": []}, "tensors-do-not-fit", "inputs[0].parameters"),
        ({"parameters": {"content_type": "base64"}}, "tensors-do-not-fit", "inputs[0].parameters.content_type"),
        ({"parameters": {"content_type": "pd_json"}}, "tensors-do-not-fit", "inputs[0].parameters.content_type"),
        (
            {"parameters": {"shared_memory_region": "x"}},
            "tensors-do-not-fit",
            "inputs[0].parameters.shared_memory_region",
        ),
        ({"parameters": {"binary_data_size": 16}}, "tensors-do-not-fit", "inputs[0].data"),
    ],
)
def test_tensor__refused(change: dict[str, Any], code: str, path: str) -> None:
    """A tensor whose parts are wrong, contradict each other or do not fit the model is refused where it is wrong."""
    assert refused(lambda: V2.read(body({**AGE, **change}, INCOME, CITY))) == (code, path)


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        ({}, "tensors-do-not-fit", "inputs"),
        ([], "tensors-do-not-fit", ""),
        ({"inputs": {}}, "tensors-do-not-fit", "inputs"),
        ({"inputs": []}, "tensors-do-not-fit", "inputs"),
        ({"inputs": [1]}, "tensors-do-not-fit", "inputs[0]"),
        ({"inputs": [AGE] * 2000}, "tensors-do-not-fit", "inputs"),
        ({"inputs": [AGE, CITY]}, "rows-do-not-fit", "rows[*].income"),
        ({"inputs": [AGE, INCOME, CITY], "id": 3}, "tensors-do-not-fit", "id"),
        ({"inputs": [AGE, INCOME, CITY], "parameters": 3}, "tensors-do-not-fit", "parameters"),
        ({"inputs": [AGE, INCOME, CITY], "outputs": "y_pred"}, "tensors-do-not-fit", "outputs"),
        ({"inputs": [AGE, INCOME, CITY], "outputs": ["y_pred"]}, "unknown-output", "outputs[0]"),
        ({"inputs": [AGE, INCOME, CITY], "outputs": [{"name": "logits"}]}, "unknown-output", "outputs[0]"),
    ],
)
def test_request__refused(content: Any, code: str, path: str) -> None:
    """A document that is no request, or asks for what the model does not give, is refused with its place."""
    assert refused(lambda: V2.read(Body(json.dumps(content).encode()))) == (code, path)


@pytest.mark.parametrize(
    ("datatype", "content", "code", "path"),
    [
        ("INT64", b"\0" * 15, "tensors-do-not-fit", "inputs[0].parameters.binary_data_size"),
        ("FP64", struct.pack("<2d", 1, math.inf), "not-finite", "inputs[0].data[1]"),
        ("BOOL", b"\2\0", "tensors-do-not-fit", "inputs[0].parameters.binary_data_size"),
        ("BYTES", b"\xff\xff\xff\xff", "tensors-do-not-fit", "inputs[0].parameters.binary_data_size"),
        ("BYTES", b"\1\0\0", "tensors-do-not-fit", "inputs[0].parameters.binary_data_size"),
        ("BYTES", b"\1\0\0\0\xff" * 2, "tensors-do-not-fit", "inputs[0].parameters.binary_data_size"),
        ("BYTES", b"\0\0\0\0" * 3, "tensors-do-not-fit", "inputs[0].parameters.binary_data_size"),
    ],
)
def test_bytes__refused(datatype: str, content: bytes, code: str, path: str) -> None:
    """Bytes that are too few, too many or no values of the datatype are refused, and never read past their end."""
    tensor = {"name": "age", "shape": [2], "datatype": datatype}

    assert refused(lambda: V2.read(attached((tensor, content)))) == (code, path)


def test_bytes__left_over_or_missing() -> None:
    """Bytes that belong to no tensor, a size beyond the body and a wrong length of the document are refused."""
    whole = attached(({"name": "age", "shape": [2], "datatype": "INT64"}, b"\0" * 16))
    longer = Body(whole.content + b"x", "", headers=whole.headers)
    shorter = Body(whole.content[:-1], "", headers=whole.headers)
    beyond = Body(whole.content, "", headers=[(b"inference-header-content-length", b"9999999")])

    assert refused(lambda: V2.read(longer)) == ("tensors-do-not-fit", "inputs")
    assert refused(lambda: V2.read(shorter)) == ("tensors-do-not-fit", "inputs[0].parameters.binary_data_size")
    assert refused(lambda: V2.read(beyond)) == ("not-json", "")


@pytest.mark.parametrize(("shape", "width"), [([1, 3], 3), ([3, 1], 1)])
def test_matrix__of_other_width(shape: list[int], width: int) -> None:
    """A matrix with more or fewer columns than the model takes is refused by its shape."""
    tensor = {"name": "x", "shape": shape, "datatype": "FP64", "data": [1.0] * 3}

    assert refused(lambda: MATRIX.read(body(tensor))) == ("tensors-do-not-fit", "inputs[0].shape")


def test_answer(exchange: Exchange) -> None:
    """The answer has the model, the id of the request, and the prediction with its score as tensors."""
    question = V2.read(body(AGE, INCOME, CITY, id="my-id"))
    answer = V2.write(question, Answers(["yes", "no"], [0.9, 0.2]), exchange)

    assert not question.probabilities and answer.media_type == b"application/json"
    assert json.loads(answer.body) == {
        "model_name": "loans",
        "model_version": "3",
        "id": "my-id",
        "parameters": {"sha256": "0" * 64},
        "outputs": [
            {"name": "y_pred", "shape": [2], "datatype": "BYTES", "data": ["yes", "no"]},
            {"name": "y_score", "shape": [2], "datatype": "FP64", "data": [0.9, 0.2]},
        ],
    }


@pytest.mark.parametrize("names", [("y_pred", "probabilities"), ("predict", "predict_proba")])
def test_answer__outputs_asked_for(exchange: Exchange, names: tuple[str, str]) -> None:
    """Probabilities are given when asked for, by our names or by MLServer's, and under the name that was asked."""
    question = V2.read(body(AGE, INCOME, CITY, outputs=[{"name": name} for name in names]))
    found = json.loads(V2.write(question, Answers(["yes", "no"], None, [[0.1, 0.9], [0.8, 0.2]]), exchange).body)

    assert question.probabilities and [output["name"] for output in found["outputs"]] == list(names)
    assert found["outputs"][1] == {
        "name": names[1],
        "shape": [2, 2],
        "datatype": "FP64",
        "data": [0.1, 0.9, 0.8, 0.2],
    }


def test_answer__in_bytes(exchange: Exchange) -> None:
    """An answer that is asked for in bytes has them behind its document, whose length is in a header."""
    question = V2.read(body(AGE, INCOME, CITY, parameters={"binary_data_output": True}))
    answer = V2.write(question, Answers(["yes", "no"], [0.9, 0.2]), exchange)
    ((name, length),) = answer.headers
    head, behind = answer.body[: int(length)], answer.body[int(length) :]

    assert (name, answer.media_type) == (b"inference-header-content-length", b"application/octet-stream")
    assert [one["parameters"]["binary_data_size"] for one in json.loads(head)["outputs"]] == [13, 16]
    assert behind == b"\3\0\0\0yes\2\0\0\0no" + struct.pack("<2d", 0.9, 0.2)


@pytest.mark.parametrize(
    ("y_pred", "datatype"),
    [([1, 0], "INT64"), ([True, False], "BOOL"), ([1.0, 2], "FP64"), ([2**70, 1], "FP64"), (["a", "b"], "BYTES")],
)
def test_answer__datatype_of_predictions(exchange: Exchange, y_pred: list[Any], datatype: str) -> None:
    """The datatype of predictions is that of their values."""
    question = V2.read(body(AGE, INCOME, CITY, outputs=[{"name": "y_pred"}]))
    (output,) = json.loads(V2.write(question, Answers(y_pred, None), exchange).body)["outputs"]

    assert (output["datatype"], output["data"]) == (datatype, y_pred)


def test_score__of_a_model_without_one(exchange: Exchange) -> None:
    """A score that a model turns out not to give is left out, or refused if it was asked for."""
    regressor = OpenInference(Classifier(columns=NUMBERS, classes=(), positive_label=None), MODEL, 10)
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}
    asked = regressor.read(body(tensor, outputs=[{"name": "y_score"}]))
    answer = regressor.write(regressor.read(body(tensor)), Answers([3.0], None), exchange)

    assert [output["name"] for output in json.loads(answer.body)["outputs"]] == ["y_pred"]
    assert refused(lambda: regressor.write(asked, Answers([3.0], None), exchange)) == ("unknown-output", "outputs")
    assert refused(lambda: regressor.read(body(tensor, outputs=[{"name": "probabilities"}])))[0] == "unknown-output"


def test_columns__of_a_model_that_names_none() -> None:
    """A model without named columns takes whatever tensors are named, and no matrix."""
    free = OpenInference(Classifier(columns=()), MODEL, 10)

    assert free.read(body(AGE, CITY)).batch == Batch({"age": [40, 41], "city": ["Oslo", "Bergen"]}, 2)
    assert free.read(body({**AGE, "shape": [2, 1]})).batch == Batch({"age": [40, 41]}, 2)
    assert refused(lambda: free.read(body({**AGE, "shape": [1, 2]})))[1] == "inputs[0].shape"
    assert refused(lambda: free.read(body(AGE, AGE)))[1] == "inputs[1].name"


def test_metadata() -> None:
    """The description has a tensor for each column, and those of the answer."""
    found = metadata(Classifier(), MODEL)

    assert {one["name"]: one["datatype"] for one in found["inputs"]} == {
        "age": "INT64",
        "income": "FP64",
        "city": "BYTES",
        "member": "BOOL",
    }
    assert [(one["name"], one["datatype"], one["shape"]) for one in found["outputs"]] == [
        ("y_pred", "BYTES", [-1]),
        ("y_score", "FP64", [-1]),
        ("probabilities", "FP64", [-1, 2]),
    ]
    assert (found["name"], found["versions"]) == ("loans", ["3"])


def test_refusal__a_text_that_clients_show() -> None:
    """A refusal is a text with the first problem and its place; for machines there is the list beside it."""
    problem = Problem(path="rows[1].age", problem="is too large")
    found = json.loads(refusal(Refused(422, "rows-do-not-fit", "They do not fit.", [problem])))

    assert found["error"] == "They do not fit. rows[1].age: is too large"
    assert (found["code"], found["problems"][0]["path"], found["more"]) == ("rows-do-not-fit", "rows[1].age", 0)
