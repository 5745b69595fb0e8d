"""A real network is served: the gateway's answers over HTTP are those that MLflow gives for the same tensors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from cd4ml.serving.model import load
from cd4ml.serving.runtimes import fast
from cd4ml.serving.runtimes.native import Native
from cd4ml.serving.signature import ModelError
from tests import networks
from tests.serving.conftest import Gateway, running
from tests.serving.conversion import SHA256, service_of

ROWS = networks.contents(6)
KINDS = ["python", "html"]
WRONG: list[Any] = [float("nan"), None, "1", True, 1.5, 2**31, -(2**63), [1], {}]
_JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with the network, which writes events."""
    scratch = tmp_path_factory.mktemp("network")
    folder = networks.converted(scratch / "model", SHA256)
    with running(folder, scratch, env={"EVENTS": str(scratch / "events.jsonl")}, **service_of(folder)) as gateway:
        gateway.until(200)
        yield gateway


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as MLflow saves it."""
    return networks.save(tmp_path_factory.mktemp("mlflow") / "model")


@pytest.fixture(scope="module")
def expected(saved: Path) -> Any:
    """The probabilities that MLflow's own function gives."""
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(saved)).predict({networks.INPUT: ROWS})[networks.OUTPUT]


def _infer(network: Gateway, values: Any, **more: Any) -> Any:
    """Ask in the Open Inference Protocol, in JSON."""
    tensor = {"name": networks.INPUT, "shape": [len(values), networks.LENGTH], "datatype": "INT32", "data": values}
    return network.client.post("/v2/models/loans/infer", content=json.dumps({"inputs": [tensor | more]}))


def test_predict(network: Gateway, expected: Any) -> None:
    """A row is an object with a list; the answer names the likeliest class, and all probabilities if asked."""
    rows = [{networks.INPUT: row} for row in ROWS.tolist()]
    answer = network.client.post("/predict?probabilities=true", json={"rows": rows}).json()
    labels = [one["y_pred"] for one in answer["predictions"]]
    assert labels == [networks.kinds()[at] for at in expected.argmax(axis=1)] and labels[:2] == KINDS
    assert answer["classes"] == networks.kinds()
    chances = [one["probabilities"] for one in answer["predictions"]]
    assert np.array(chances) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    (plain,) = network.client.post("/predict", json={"rows": rows[:1]}).json()["predictions"]
    assert plain == {"y_pred": "python", "y_score": None}


@pytest.mark.parametrize("binary", [False, True])
def test_open_inference_by_its_own_client(network: Gateway, expected: Any, binary: bool) -> None:
    """Triton's client sends int32 and gets float32 and texts, in JSON and in bytes."""
    client = triton.InferenceServerClient(f"{network.client.base_url.host}:{network.client.base_url.port}")
    about = client.get_model_metadata("loans")
    assert about["inputs"] == [{"name": networks.INPUT, "datatype": "INT32", "shape": [-1, networks.LENGTH]}]
    assert about["outputs"][0] == {"name": networks.OUTPUT, "datatype": "FP32", "shape": [-1, 214]}
    tensor = triton.InferInput(networks.INPUT, list(ROWS.shape), "INT32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary)
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in (networks.OUTPUT, "y_pred")]
    answer = client.infer("loans", [tensor], outputs=wanted)
    found = answer.as_numpy(networks.OUTPUT)
    assert found.shape == (6, 214) and np.asarray(found) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    kinds = [kind.decode() if isinstance(kind, bytes) else kind for kind in answer.as_numpy("y_pred").tolist()]
    assert kinds[:2] == KINDS
    client.close()


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": ROWS.tolist()},
        {"inputs": {networks.INPUT: ROWS.tolist()}},
        {"instances": ROWS.tolist()},
        {"instances": [{networks.INPUT: row} for row in ROWS.tolist()]},
    ],
)
def test_invocations(network: Gateway, expected: Any, body: dict[str, Any]) -> None:
    """MLflow's protocol takes the tensor alone, by its name or row by row, and answers as MLflow does."""
    answer = network.client.post("/invocations", json=body)
    assert answer.status_code == 200, answer.text
    assert np.array(answer.json()["predictions"][networks.OUTPUT]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        *((wrong, "inputs[0].data[1][7]") for wrong in WRONG),
        ("ragged", "inputs[0].data[1]"),
    ],
)
def test_values_that_do_not_fit_are_refused(network: Gateway, value: Any, path: str) -> None:
    """NaN, other types, numbers past int32 and ragged lists are refused with the place, and nothing is repeated."""
    rows = ROWS[:2].tolist()
    if value == "ragged":
        rows[1].pop()
    else:
        rows[1][7] = value
    answer = _infer(network, rows, shape=[2, networks.LENGTH])
    assert (answer.status_code, answer.json()["problems"][0]["path"]) == (422, path)
    scored = network.client.post("/invocations", content=json.dumps({"inputs": rows}), headers=_JSON)
    assert scored.json()["problems"][0]["path"] == path.replace("inputs[0].data", "inputs")
    rowed = json.dumps({"rows": [{networks.INPUT: row} for row in rows]})
    predicted = network.client.post("/predict", content=rowed, headers=_JSON)
    assert predicted.json()["error"]["problems"][0]["path"] == path.replace("inputs[0].data[1]", "rows[1].bytes")


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"shape": [2**39, networks.LENGTH]}, "too-many-rows", None),
        ({"shape": [1, 2**39]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [networks.LENGTH]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [1, networks.LENGTH, 1]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"shape": [0, networks.LENGTH]}, "no-rows", "inputs[0].shape"),
        ({"shape": [-1, networks.LENGTH]}, "tensors-do-not-fit", "inputs[0].shape"),
        ({"datatype": "INT64"}, "tensors-do-not-fit", "inputs[0].datatype"),
        ({"name": "other"}, "tensors-do-not-fit", "inputs[0].name"),
        ({"data": [1, 2]}, "tensors-do-not-fit", "inputs[0].data"),
        ({"data": [[[0] * networks.LENGTH]]}, "tensors-do-not-fit", "inputs[0].data[0]"),
        ({"data": None}, "tensors-do-not-fit", "inputs[0].data"),
        ({"parameters": {"binary_data_size": 4}}, "tensors-do-not-fit", "inputs[0].data"),
        (
            {"data": None, "parameters": {"binary_data_size": 4}},
            "tensors-do-not-fit",
            "inputs[0].parameters.binary_data_size",
        ),
    ],
)
def test_tensor_that_does_not_fit_is_refused(network: Gateway, change: Any, code: str, path: str | None) -> None:
    """Shape, datatype and size are checked before anything is made of them."""
    answer = _infer(network, ROWS[:1].tolist(), **change)
    found = answer.json()
    assert (answer.status_code, found["code"]) == (422, code), answer.text
    assert path is None or found["problems"][0]["path"] == path


def test_giant_request_is_refused(network: Gateway) -> None:
    """More bytes than a body may have are answered 413, whatever they hold."""
    answer = _infer(network, np.zeros((300, networks.LENGTH), int).tolist())
    assert answer.status_code == 413


def test_event_holds_shape_and_digest(network: Gateway, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The event of a row has the tensor's shape, type and digest instead of 2,048 numbers; metrics count its class."""
    trace = "0123456789abcdef0123456789abcdef"
    headers = {"traceparent": f"00-{trace}-0123456789abcdef-01"}
    network.client.post("/predict", json={"rows": [{networks.INPUT: ROWS[1].tolist()}]}, headers=headers)
    file = next(tmp_path_factory.getbasetemp().glob("network*/events.jsonl"))
    found: list[Any] = []
    end = time.monotonic() + 20
    while not found and time.monotonic() < end:
        found = [json.loads(line) for line in file.read_text().splitlines() if trace in line]
        time.sleep(0.05)
    (event,) = found
    digest = hashlib.sha256(ROWS[1].astype("<i4").tobytes()).hexdigest()
    assert event["features"] == {networks.INPUT: {"shape": [networks.LENGTH], "type": "int32", "sha256": digest}}
    assert event["prediction"] == {"y_pred": "html", "y_score": None}
    metrics = network.client.get("/metrics").text
    assert 'cd4ml_predictions_total{class="python"}' in metrics or 'cd4ml_predictions_total{class="other"}' in metrics
    assert 'feature="' not in metrics


def test_native_road_answers_the_same(saved: Path, expected: Any) -> None:
    """Where it is not proven equal, MLflow asks it, with the same answers and the same refusals."""
    from cd4ml.serving.exchange import Batch

    native = Native.load(saved, positive_label=None, allow_code=False)
    found = native.predict(Batch(columns={networks.INPUT: list(ROWS)}, rows=6), probabilities=True)
    assert native.name == "native" and native.warm_up() == "blank-row"
    assert found.y_pred[:2] == KINDS and np.array(found.probabilities) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    scored, score = load(saved).predict(networks.table(6))
    assert scored.tolist() == found.y_pred and score is None


def test_classes_that_the_output_has_not(tmp_path: Path) -> None:
    """Fewer classes than the network's output has columns never become a model that is ready."""
    folder = networks.converted(tmp_path / "model", SHA256)
    path = folder / "signature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": ["a", "b"]}))
    with pytest.raises(ModelError, match="for 2 classes"):
        fast.load(folder).warm_up()
