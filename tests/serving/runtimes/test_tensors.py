"""Tensors of any shape: what of a request becomes one, what of an output is a prediction, and what is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.serving.cache.keys import Keys
from cd4ml.serving.events.privacy import Privacy
from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.protocols import Body, dialects, tensor_models, tensor_schemas
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes import fast
from cd4ml.serving.runtimes import graph
from cd4ml.serving.runtimes.tensors import Tensors, answers_of
from cd4ml.serving.signature import ModelError, RowsError, Tensor
from cd4ml.serving.tensor_model import TensorModel
from tests import networks
from tests.conftest import ROOT
from tests.serving.events.exchanges import events, exchange, read
from tests.serving.protocols.conftest import MODEL

TOKENS = Tensor(name="tokens", type="int64", shape=(-1, -1), longest=4)
IMAGE = Tensor(name="image", type="float32", shape=(-1, 2, 2))
MASK = Tensor(name="mask", type="bool", shape=(-1,))


def _sums(feeds: Mapping[str, Any]) -> Any:
    """Add up each row of all inputs."""
    return sum(values.reshape(len(values), -1).sum(axis=1) for values in feeds.values())


def model(*tensors: Tensor) -> Tensors:
    """Return a model of these inputs."""
    about: dict[str, Any] = {"name": "native", "output": "sum", "classes": (), "positive_label": None}
    return Tensors(_sums, tensors=tensors, refusals=(ValueError,), **about)


def ask(runtime: Tensors, protocol: str, document: Any) -> Any:
    """Return what a protocol answers to a document."""
    dialect = dialects.dialect(protocol, runtime, MODEL, 3)
    question = dialect.read(Body(json.dumps(document).encode()))
    answers = runtime.predict(question.batch, probabilities=question.probabilities)
    return json.loads(dialect.write(question, answers, exchange()).body)


def test_several_tensors_of_several_ranks() -> None:
    """Flags, matrices and lists of any length come together, in each protocol."""
    runtime = model(TOKENS, IMAGE, MASK)
    tokens, image, mask = [[1, 2, 3], [4, 5, 6]], [[[0.5, 1], [1, 1]]] * 2, [True, False]
    rows = [dict(zip(("tokens", "image", "mask"), row, strict=True)) for row in zip(tokens, image, mask, strict=True)]
    inputs = [
        {"name": "mask", "shape": [2], "datatype": "BOOL", "data": mask},
        {"name": "image", "shape": [2, 2, 2], "datatype": "FP32", "data": np.array(image).ravel().tolist()},
        {"name": "tokens", "shape": [2, 3], "datatype": "INT64", "data": tokens},
    ]
    assert [one["y_pred"] for one in ask(runtime, "predict", {"rows": rows})["predictions"]] == [10.5, 18.5]
    assert ask(runtime, "v2", {"inputs": inputs})["outputs"][0]["data"] == [10.5, 18.5]
    by_name = {"tokens": tokens, "image": image, "mask": mask}
    assert ask(runtime, "mlflow", {"inputs": by_name}) == {"predictions": {"sum": [10.5, 18.5]}}


def test_requests_that_the_page_shows() -> None:
    """The three requests on the page of the gateway are answered, with the same number."""
    page = (ROOT / "docs" / "gateway.md").read_text().partition("## Models that take tensors")[2]
    shown = page.partition("```json\n")[2].partition("```")[0].splitlines()
    runtime = model(Tensor(name="pixels", type="float32", shape=(-1, 2, 2)))
    predicted, scored, inferred = (
        ask(runtime, protocol, json.loads(line))
        for protocol, line in zip(("predict", "mlflow", "v2"), shown, strict=True)
    )
    assert predicted["predictions"][0]["y_pred"] == 2.0
    assert scored == {"predictions": {"sum": [2.0]}} and inferred["outputs"][0]["data"] == [2.0]


@pytest.mark.parametrize(
    ("rows", "path"),
    [
        ([{"tokens": [1, 2]}, {"tokens": [1]}], "rows[1].tokens"),
        ([{"tokens": [1, 2, 3, 4, 5]}], "rows[0].tokens"),
        ([{"tokens": []}], "rows[0].tokens"),
        ([{"tokens": 1}], "rows[0].tokens"),
        ([{"tokens": [1, [2]]}], "rows[0].tokens[1]"),
        ([{"tokens": [1], "more": 1}], "rows[0]"),
        ([{}], "rows[0]"),
        ([[1]], "rows[0]"),
        ([], "rows"),
    ],
)
def test_lists_that_are_ragged_or_too_long(rows: Any, path: str) -> None:
    """A dimension that the signature leaves open is as long in every row, and no longer than the model says."""
    with pytest.raises(Refused) as refused:
        ask(model(TOKENS), "predict", {"rows": rows})
    assert (refused.value.status, refused.value.problems[0].path) == (422, path)


def test_too_many_rows() -> None:
    """One row more than are allowed is refused in every protocol."""
    values = [[1]] * 4
    tensor = {"name": "tokens", "shape": [4, 1], "datatype": "INT64", "data": values}
    bodies = {"predict": {"rows": [{"tokens": [1]}] * 4}, "mlflow": {"inputs": values}, "v2": {"inputs": [tensor]}}
    for protocol, body in bodies.items():
        with pytest.raises(Refused, match="at most 3 rows"):
            ask(model(TOKENS), protocol, body)


def test_row_that_the_model_refuses_is_named() -> None:
    """Of a batch that raises, the row at fault is found."""

    def picky(feeds: Mapping[str, Any]) -> Any:
        if (feeds["mask"] == 0).any():
            raise ValueError
        return feeds["mask"].astype(float)

    runtime = model(MASK)
    runtime._run = picky
    with pytest.raises(Refused) as refused:
        runtime.predict(Batch(columns={"mask": [np.True_, np.True_, np.False_]}, rows=3))
    assert [problem.path for problem in refused.value.problems] == ["rows[2]"]


def test_a_large_request_is_asked_in_pieces() -> None:
    """However many rows a request has, one call of the model gets few values, and the answers are those of one call."""
    shapes = []

    def squares(feeds: Mapping[str, Any]) -> Any:
        shapes.append(feeds["tokens"].shape)
        return (feeds["tokens"] ** 2).sum(axis=1)

    runtime = model(TOKENS)
    runtime._run = squares
    for rows, length, most in ((127, 4096, 4), (3, 20_000, 1), (200, 2, 64)):
        values = np.random.default_rng(0).integers(0, 99, (rows, length))
        found = runtime.predict(Batch(columns={"tokens": list(values)}, rows=rows))
        assert found.y_pred == (values**2).sum(axis=1).tolist()
        assert max(shapes) == (most, length) and sum(shape[0] for shape in shapes) == rows
        shapes.clear()


def test_row_that_the_model_refuses_is_named_in_a_later_piece() -> None:
    """Its place is that in the request, and no call that looks for it is larger than a piece."""
    sizes = []

    def picky(feeds: Mapping[str, Any]) -> Any:
        sizes.append(len(feeds["mask"]))
        if (feeds["mask"] == 0).any():
            raise ValueError
        return feeds["mask"].astype(float)

    runtime = model(MASK)
    runtime._run = picky
    with pytest.raises(Refused) as refused:
        runtime.predict(Batch(columns={"mask": [np.bool_(at != 150) for at in range(200)]}, rows=200))
    assert [problem.path for problem in refused.value.problems] == ["rows[150]"] and max(sizes) == 64


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3, 2)])
def test_output_without_a_value_for_each_row(shape: tuple[int, ...]) -> None:
    """One number for all rows, or more rows than were asked, is a fault of the model and says so."""
    runtime = model(MASK)
    runtime._run = lambda _feeds: np.zeros(shape)
    with pytest.raises(ModelError, match=r"output of shape \[.*\] for 2 rows"):
        runtime.predict(Batch(columns={"mask": [np.True_, np.False_]}, rows=2))


def test_number_in_a_list_is_answered_as_mlflow_answers_it(tmp_path: Path) -> None:
    """An output of shape [rows, 1] keeps its shape on both roads, before the first answer too."""
    from io import StringIO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.pyfunc.scoring_server import predictions_to_json

    folder = networks.save_sums(tmp_path / "model", centred=False)
    (made := tmp_path / "onnx").mkdir()
    (made / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    taken = {"name": "x", "type": "float32", "shape": [-1, 3]}
    (made / "signature.json").write_text(json.dumps({"model_sha256": "a", "tensors": [taken], "output": "out"}))
    rows = np.array([[1, 1, 1], [2, 2, 3]], "float32")
    predictions_to_json(mlflow.pyfunc.load_model(str(folder)).predict({"x": rows}), expected := StringIO())
    tensor = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": rows.tolist()}
    for runtime in (
        fast.load(made),
        TensorModel(mlflow.pyfunc.load_model(str(folder)), None, positive=None, classes=()),
    ):
        served = runtime.runtime() if isinstance(runtime, TensorModel) else runtime
        assert isinstance(served, Tensors) and tensor_models.described(served)[0]["shape"] == [-1, 1]
        assert ask(served, "mlflow", {"inputs": rows.tolist()}) == json.loads(expected.getvalue())
        (output,) = ask(served, "v2", {"inputs": [tensor]})["outputs"]
        assert (output["shape"], output["data"]) == ([2, 1], [3.0, 7.0])
        schema = tensor_schemas.scored(served, "out")["properties"]["predictions"]["properties"]["out"]
        assert schema["items"] == {"type": "array", "items": {"type": "number"}}
        assert ask(served, "predict", {"rows": [{"x": [1, 1, 1]}]})["predictions"][0]["y_pred"] == 3.0


@pytest.mark.parametrize(
    ("found", "classes", "says"),
    [
        (np.zeros((2, 3)), (), "one value for each row is needed"),
        (np.zeros((2, 3)), ("a", "b"), "for 2 classes"),
        (np.array([[4.0, -3.0], [0.5, 0.5]]), ("a", "b"), "is not probabilities"),
        (np.array([[0.9, 0.9], [0.5, 0.5]]), ("a", "b"), "is not probabilities"),
    ],
)
def test_outputs_that_are_no_predictions(found: Any, classes: Sequence[str], says: str) -> None:
    """Embeddings, logits and independent scores are never taken for a prediction."""
    with pytest.raises(ModelError, match=says):
        answers_of(found, 2, classes, None, probabilities=False)


def test_two_classes_have_a_score() -> None:
    """The probability of the positive class is the score."""
    found = answers_of(np.array([[0.25, 0.75], [0.5, 0.5]]), 2, ("no", "yes"), "yes", probabilities=False)
    assert (found.y_pred, found.y_score, found.probabilities) == (["yes", "no"], [0.75, 0.5], None)


def test_keys_tell_rows_apart() -> None:
    """Rows of other values or another shape have other keys in the cache; equal rows have the same."""
    keys = Keys(model_sha256="a" * 64, runtime="onnx", columns=(), labels=(), tensors=[TOKENS])
    rows = [np.array([1, 2]), np.array([1, 3]), np.array([[1, 2]]), np.array([1, 2])]
    first, second, third, again = keys.of(Batch(columns={"tokens": rows}, rows=4))
    assert first == again and len({first, second, third}) == 3


def test_event_of_a_short_tensor_and_of_a_hidden_one() -> None:
    """A few values stand in the event, many are a digest, and what is to be hashed or left out is."""
    batch = Batch(columns={"tokens": [np.arange(3)], "image": [np.zeros((40, 40), "float32")]}, rows=1)
    given = exchange(rows=1, answers=Answers(y_pred=[1], y_score=None))
    given.batch = batch
    (event,) = read(list(events().of(given)))
    assert event["features"]["tokens"] == [0, 1, 2] and event["features"]["image"]["shape"] == [40, 40]
    privacy = Privacy(omit=["image"], hashed=["tokens"], key=b"k" * 16)
    privacy.know((), [TOKENS, IMAGE])
    (event,) = read(list(events(privacy).of(given)))
    assert event["features"].keys() == {"tokens"} and len(event["features"]["tokens"]) == 32


class _Saved:
    """A model as MLflow loads it."""

    def __init__(self, signature: Any, **metadata: Any) -> None:
        self.metadata = signature
        self._about = metadata

    def predict(self, arrays: Mapping[str, Any]) -> Any:
        """Add up."""
        return {"sum": _sums(arrays)}


def _saved(*specs: Any, **metadata: Any) -> Any:
    """Return a model with this signature."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema

    return _Saved(Model(signature=ModelSignature(inputs=Schema(list(specs))), metadata=metadata))


def test_table_of_lists() -> None:
    """A column of lists, nested as the tensor is, is scored; other lengths and types are refused by the column."""
    from mlflow.types import TensorSpec

    loaded = _saved(TensorSpec(np.dtype("float32"), (-1, 2, 2), "image"), maximum_length=9)
    found = TensorModel(loaded, None, classes=(), positive=None)
    assert found.tensors == (Tensor(name="image", type="float32", shape=[-1, 2, 2], longest=9),)
    rows = pd.DataFrame({"image": [[np.array([1.0, 2.0]), np.array([3.0, 4.0])], [[0, 0], [0, 1]]]})
    assert found.predict(rows)[0].tolist() == [10.0, 1.0]
    for wrong in ([[1.0, 2.0]], [[1.0], [2.0]], [["1", "2"], ["3", "4"]], [[1.0, None], [1.0, 2.0]], 7, None):
        with pytest.raises(RowsError, match="image"):
            found.predict(pd.DataFrame({"image": [wrong]}))
    with pytest.raises(RowsError, match="is missing"):
        found.predict(pd.DataFrame({"other": [1]}))


def test_signatures_that_cannot_be_served() -> None:
    """A tensor without a name, one whose rows are not its first dimension, texts and a senseless length are refused."""
    from mlflow.types import TensorSpec

    for spec, metadata in (
        (TensorSpec(np.dtype("float32"), (-1, 2)), {}),
        (TensorSpec(np.dtype("float32"), (1, 2), "x"), {}),
        (TensorSpec(np.dtype("str"), (-1, 2), "x"), {}),
        (TensorSpec(np.dtype("float32"), (-1, 2), "x"), {"maximum_length": 0}),
    ):
        with pytest.raises(ModelError):
            TensorModel(_saved(spec, **metadata), None, classes=(), positive=None)


@pytest.mark.parametrize(
    "change",
    [
        {"tensors": []},
        {"positive_label": "c"},
        {"more": 1},
        {"tensors": [{"name": "x", "type": "int32", "shape": [2]}]},
    ],
)
def test_signature_file_that_contradicts_itself(tmp_path: Path, change: dict[str, Any]) -> None:
    """A signature.json of tensors that says too little, too much or nonsense loads nothing."""
    good: dict[str, Any] = {
        "model_sha256": "a" * 64,
        "tensors": [{"name": "x", "type": "int32", "shape": [-1]}],
        "output": "y",
        "classes": ["a", "b"],
    }
    path = tmp_path / "signature.json"
    path.write_text(json.dumps(good))
    assert isinstance(graph.read(path), graph.TensorGraph)
    path.write_text(json.dumps(good | change))
    with pytest.raises(ModelError):
        graph.read(path)
