"""Other servers' protocols over HTTP: their own clients, their paths, and what a running gateway refuses."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton

from cd4ml.serving.model import load
from tests import models
from tests.serving.conftest import Gateway

COLUMNS = ["age", "income", "city"]
TENSORS: list[dict[str, Any]] = [
    {"name": "age", "shape": [2], "datatype": "INT64", "data": [40, 25]},
    {"name": "income", "shape": [2], "datatype": "FP64", "data": [3.5, None]},
    {"name": "city", "shape": [2], "datatype": "BYTES", "data": ["Oslo", "Oslo"]},
]
MODEL_PATHS = ["/v2/models/loans", "/v2/models/loans/versions/3"]


@pytest.fixture
def table() -> pd.DataFrame:
    """Rows of the model."""
    return models.people(30, seed=6)[COLUMNS]


@pytest.fixture
def expected(loan_model: Path, table: pd.DataFrame) -> list[Any]:
    """What the model predicts for the rows when it is called directly."""
    return list(load(loan_model).predict(table)[0].tolist())


def test_mlflow__its_own_client(gateway: Gateway, table: pd.DataFrame, expected: list[Any]) -> None:
    """MLflow's client of a scoring server gets the model's predictions, also for a table with missing numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    client = ScoringServerClient(gateway.client.base_url.host, gateway.client.base_url.port)
    client.wait_server_ready(timeout=5)

    answer = client.invoke(table)

    assert table["income"].isna().any() and answer.get_predictions()[0].tolist() == expected


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", ["", "3"])
def test_open_inference__tritons_client(
    gateway: Gateway, table: pd.DataFrame, expected: list[Any], binary: bool, version: str
) -> None:
    """Triton's client, which sends and asks for bytes unless it is told otherwise, gets the model's predictions."""
    client = triton.InferenceServerClient(gateway.client.base_url.netloc.decode())
    arrays = {
        "age": table["age"].to_numpy(),
        "income": table["income"].to_numpy(),
        "city": table["city"].to_numpy(object),
    }
    if not binary:  # in JSON it has no way to write NaN
        arrays["income"] = np.nan_to_num(arrays["income"], nan=float(table["income"].median()))
    inputs = []
    for name, datatype in (("age", "INT64"), ("income", "FP64"), ("city", "BYTES")):
        inputs.append(triton.InferInput(name, [len(table), 1], datatype))
        inputs[-1].set_data_from_numpy(arrays[name].reshape(-1, 1), binary_data=binary)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("y_pred", "probabilities")]

    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("loans", version)
    named = client.infer("loans", inputs, model_version=version, outputs=outputs, request_id="7")
    plain = client.infer("loans", inputs, model_version=version)

    assert named.get_response()["id"] == "7" and named.as_numpy("probabilities").shape == (len(table), 2)
    assert named.as_numpy("y_pred").tolist() == plain.as_numpy("y_pred").tolist()
    assert not binary or plain.as_numpy("y_pred").tolist() == expected
    assert plain.as_numpy("y_score").tolist() == named.as_numpy("probabilities")[:, 1].tolist()
    with pytest.raises(triton.InferenceServerException, match=r"rows\[\*\].city: is missing"):
        client.infer("loans", inputs[:2])
    client.close()


def test_mlflow__csv(gateway: Gateway, table: pd.DataFrame, expected: list[Any]) -> None:
    """A table as pandas writes it to CSV, with its index, is answered."""
    answer = gateway.client.post("/invocations", content=table.to_csv(), headers={"Content-Type": "text/csv"})

    assert answer.json() == {"predictions": expected}


@pytest.mark.parametrize("path", MODEL_PATHS)
def test_open_inference__answers_as_predict_does(gateway: Gateway, path: str) -> None:
    """Tensors get the labels, scores and probabilities that `/predict` gives for the same rows."""
    rows = [{tensor["name"]: tensor["data"][at] for tensor in TENSORS} for at in range(2)]
    own = gateway.client.post("/predict?probabilities=true", json={"rows": rows}).json()
    names = ["y_pred", "y_score", "probabilities"]
    body = {"inputs": TENSORS, "outputs": [{"name": name} for name in names], "id": "1"}
    found = gateway.client.post(f"{path}/infer", json=body).json()

    assert (found["model_name"], found["model_version"], found["id"]) == ("loans", "3", "1")
    outputs = {output["name"]: output for output in found["outputs"]}
    for name in names[:2]:
        assert outputs[name]["data"] == [pair[name] for pair in own["predictions"]]
    assert outputs["probabilities"]["shape"] == [2, len(own["classes"])]
    assert outputs["probabilities"]["data"] == sum([pair["probabilities"] for pair in own["predictions"]], [])


@pytest.mark.parametrize("path", MODEL_PATHS)
def test_open_inference__metadata_and_probes(gateway: Gateway, path: str) -> None:
    """Server, model and probes are described at the protocol's paths."""
    get = gateway.client.get

    assert get("/v2").json().keys() == {"name", "version", "extensions"}
    assert [get(f"/v2/health/{probe}").json() for probe in ("live", "ready")] == [{"live": True}, {"ready": True}]
    assert get(path).json()["inputs"][0] == {"name": "age", "datatype": "INT64", "shape": [-1]}
    assert get(f"{path}/ready").json() == {"name": "loans", "ready": True}


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/loans/versions/4", "/v2/models/loans/versions/3/infer/more", "/v2/x"]
)
def test_open_inference__other_models(gateway: Gateway, path: str) -> None:
    """Another model, another version and other paths are 404, told as the protocol's clients read it."""
    for answer in (gateway.client.get(path), gateway.client.post(f"{path}/infer", json={"inputs": TENSORS})):
        assert answer.status_code == 404 and isinstance(answer.json()["error"], str)


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/v2/models/loans/infer", {"inputs": [{**TENSORS[0], "data": ["x", 1]}]}, "error"),
        ("/invocations", {"dataframe_records": [{"age": "secret"}]}, "message"),
    ],
)
def test_refusals__in_the_clients_own_terms(gateway: Gateway, path: str, body: Any, key: str) -> None:
    """A refusal is 422 in the protocol's own form, with the place of the problem and nothing of what was sent."""
    answer = gateway.client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert answer.status_code == 422 and answer.json()["problems"][0]["path"] in answer.json()[key]
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ["/v2/models/loans/infer", "/invocations", "/predict"])
@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"inputs": ' + b"[" * 1000 + b"]" * 1000 + b"}", b"\xff", b"NaN"]
)
def test_refusals__giant_and_broken_bodies(gateway: Gateway, path: str, content: bytes) -> None:
    """Arrays within arrays without end, and bytes that are no JSON, are refused at once and never a 5xx."""
    answer = gateway.client.post(path, content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("path", "media_type"), [("/v2/models/loans/infer", "text/csv"), ("/invocations", "application/x-parquet")]
)
def test_refusals__of_other_content_types(gateway: Gateway, path: str, media_type: str) -> None:
    """A content type that a protocol does not read is 415."""
    assert gateway.client.post(path, content=b"x", headers={"Content-Type": media_type}).status_code == 415


def test_mlflow__probes(gateway: Gateway) -> None:
    """MLflow's probes answer as its own server does, and /version as this gateway always did."""
    assert [gateway.client.get(path).status_code for path in ("/ping", "/health")] == [200, 200]
    assert gateway.client.get("/version").json()["model"]["name"] == "loans"
