"""The gateway over HTTP: right predictions, strict input, honest probes, a clean end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from cd4ml.serving.model import load
from tests import models
from tests.serving.conftest import Gateway, running

GOOD = {"age": 40, "income": 3.5, "city": "Oslo"}


def test_answers_equal_the_model_called_directly(gateway: Gateway, loan_model: Path) -> None:
    """A row sent over HTTP gets exactly the label and the score that the model gives in this process."""
    frame = models.people(100, seed=5)[["age", "income", "city"]]
    rows = json.loads(frame.to_json(orient="records", double_precision=15))
    y_pred, y_score = load(loan_model).predict(frame)
    assert y_score is not None
    answer = gateway.predict(rows)
    assert answer.status_code == 200
    predictions = answer.json()["predictions"]
    assert [item["y_pred"] for item in predictions] == y_pred.tolist()
    assert [item["y_score"] for item in predictions] == pytest.approx(y_score.tolist(), abs=1e-12)


def test_every_answer_names_the_model(gateway: Gateway) -> None:
    """Name, version and digest of the model stand beside its predictions."""
    model = gateway.predict([GOOD]).json()["model"]
    assert model["name"] == "loans" and model["version"] == "3" and len(model["sha256"]) == 64
    assert gateway.client.get("/version").json()["model"] == model


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-json"),
        (b"{", "not-json"),
        (b"\xff\xfe", "not-json"),
        (b"[" * 100_000, "not-json"),
        (b'{"rows": [{"age": ' + b"9" * 5000 + b"}]}", "not-json"),
        (b'{"rows": [{"age": 40, "income": 3.5, "city": "\\ud800"}]}', "not-json"),
        (b'{"rows": [{"age": 40, "income": 3.5, "city": "Oslo", "\\udfff": 1}]}', "not-json"),
        (b"null", "no-rows"),
        (b"[]", "no-rows"),
        (b'{"rows": []}', "no-rows"),
        (b'{"rows": {}}', "no-rows"),
        (b'{"rows": [{"age": 1}], "more": 1}', "no-rows"),
        (b'{"rows": [1]}', "rows-do-not-fit"),
        (b'{"rows": [{}]}', "rows-do-not-fit"),
        (b'{"rows": [{"age": 1, "age": 2}]}', "repeated-key"),
        (b'{"rows": [{"age": 40, "income": NaN, "city": "Oslo"}]}', "not-finite"),
        (b'{"rows": [{"age": 40, "income": -Infinity, "city": "Oslo"}]}', "not-finite"),
        (b'{"rows": [{"age": 40, "income": 1e999, "city": "Oslo"}]}', "not-finite"),
        (b'{"rows": [' + b",".join([b'{"age": 1}'] * 1001) + b"]}", "too-many-rows"),
    ],
)
def test_a_body_that_is_no_request_is_refused(gateway: Gateway, body: bytes, code: str) -> None:
    """Bytes that are not exactly a request of rows are answered with 422 and a reason, never with a 5xx."""
    answer = gateway.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"age": None}, "rows[0].age"),
        ({"age": "40"}, "rows[0].age"),
        ({"age": 40.5}, "rows[0].age"),
        ({"age": True}, "rows[0].age"),
        ({"age": 2**63}, "rows[0].age"),
        ({"age": [40]}, "rows[0].age"),
        ({"income": "3.5"}, "rows[0].income"),
        ({"income": False}, "rows[0].income"),
        ({"income": 10**400}, "rows[0].income"),
        ({"city": 3}, "rows[0].city"),
        ({"city": {"a": 1}}, "rows[0].city"),
        ({"secret-column": 1}, "rows[0]"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(
    gateway: Gateway, change: dict[str, Any], path: str
) -> None:
    """A value of another type and an unknown column get 422 with the field's path, and nothing is repeated."""
    answer = gateway.client.post(
        "/predict", content=json.dumps({"rows": [{**GOOD, **change}]}), headers={"Content-Type": "application/json"}
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["problems"][0]["path"]) == (422, "rows-do-not-fit", path)
    assert "secret-column" not in answer.text


def test_escaped_characters_are_read(gateway: Gateway) -> None:
    """A text that is written in escapes is the text itself."""
    body = json.dumps({"rows": [{**GOOD, "city": "Troms\u00f8"}]}, ensure_ascii=True)
    assert "\\u00f8" in body
    answer = gateway.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_a_missing_column_is_refused(gateway: Gateway) -> None:
    """A row without one of the model's columns gets 422 and the column's name."""
    error = gateway.predict([GOOD, {"age": 40, "income": 3.5}]).json()["error"]
    assert error["problems"] == [{"path": "rows[1].city", "problem": "is missing"}]


def test_a_missing_value_is_the_models_business(gateway: Gateway) -> None:
    """Null in a column of doubles reaches the model, which imputes it."""
    assert gateway.predict([{**GOOD, "income": None}]).status_code == 200


def test_a_category_that_the_model_refuses_is_the_callers_fault(gateway: Gateway) -> None:
    """What the model itself raises on a value becomes 422, not 500, and the value is not repeated."""
    answer = gateway.predict([{**GOOD, "city": "Atlantis"}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "refused-by-model")
    assert "Atlantis" not in answer.text


def test_many_problems_give_a_short_answer(gateway: Gateway) -> None:
    """A thousand bad rows are answered with twenty problems and the number of the rest."""
    answer = gateway.predict([{"age": "x" * 200, "income": "y", "city": 1}] * 1000)
    assert len(answer.content) < 3000 and len(answer.json()["error"]["problems"]) == 20
    assert answer.json()["error"]["more"] > 0


def test_a_large_body_is_refused_by_its_declared_length(gateway: Gateway) -> None:
    """More than 1 MiB is refused with 413."""
    answer = gateway.client.post(
        "/predict", content=b" " * (1024 * 1024 + 1), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_large_body_in_chunks_is_refused(gateway: Gateway) -> None:
    """A body without a declared length is counted as it arrives, and cut off at 1 MiB."""
    host, port = gateway.client.base_url.host, gateway.client.base_url.port
    with socket.create_connection((host, port or 80), timeout=20) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        try:
            for _ in range(200):
                connection.sendall(chunk)
        except OSError:
            pass  # the gateway has closed the connection, as it should
        assert b" 413 " in connection.recv(200)


def test_only_json_is_read(gateway: Gateway) -> None:
    """A body of another content type is refused before it is read."""
    assert gateway.client.post("/predict", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_other_paths_and_methods(gateway: Gateway) -> None:
    """Unknown paths and methods are 404 and 405, and the pages that load scripts from elsewhere are off."""
    assert gateway.client.get("/nope").status_code == 404
    assert gateway.client.get("/docs").status_code == 404
    assert gateway.client.get("/predict").status_code == 405


def test_probes_stay_quick_while_predictions_run(tmp_path: Path) -> None:
    """A model that takes its time does not hold up the probes."""
    with running(_slow_model(tmp_path, seconds=1.5), tmp_path) as gateway:
        gateway.until(200)
        thread = threading.Thread(target=gateway.predict, args=([{"x": 1.0}],))
        thread.start()
        time.sleep(0.3)
        start = time.monotonic()
        assert gateway.client.get("/health/liveness").status_code == 200
        assert time.monotonic() - start < 0.8
        thread.join()


def test_a_request_that_has_begun_is_answered_after_sigterm(tmp_path: Path) -> None:
    """SIGTERM lets running predictions finish and ends the process in good order."""
    answers: list[httpx.Response] = []
    with running(_slow_model(tmp_path, seconds=1.5), tmp_path) as gateway:
        gateway.until(200)
        thread = threading.Thread(target=lambda: answers.append(gateway.predict([{"x": 1.0}])))
        thread.start()
        time.sleep(0.4)
        os.kill(gateway.process.pid, signal.SIGTERM)
        thread.join()
        assert gateway.process.wait(timeout=20) in (0, -signal.SIGTERM)
    assert [answer.status_code for answer in answers] == [200]


def test_other_weights_than_the_gates_saw_are_never_served(loan_model: Path, tmp_path: Path) -> None:
    """A model folder with another digest than the declared one leaves the gateway not ready and not alive."""
    changed = tmp_path / "model"
    shutil.copytree(loan_model, changed)
    with running(changed, tmp_path, sha256="0" * 64) as gateway:
        gateway.until(503, "/health/liveness")
        assert gateway.client.get("/health/readiness").json()["status"] == "failed"
        assert gateway.predict([GOOD]).status_code == 503


def test_a_model_that_cannot_be_loaded_is_not_ready(loan_model: Path, tmp_path: Path) -> None:
    """A truncated model file ends in a failed gateway, not in one that answers."""
    broken = tmp_path / "model"
    shutil.copytree(loan_model, broken)
    (broken / "model.pkl").write_bytes((broken / "model.pkl").read_bytes()[:100])
    with running(broken, tmp_path) as gateway:
        gateway.until(503, "/health/liveness")
        assert gateway.client.get("/health/readiness").status_code == 503


def test_a_regressor_has_no_score(tmp_path: Path) -> None:
    """A regression model gives numbers and null for the score."""
    from sklearn.linear_model import LinearRegression

    frame = models.people()[["age"]].astype(float)
    folder = models.save(LinearRegression().fit(frame, frame["age"] * 2), tmp_path / "model", frame, example=True)
    with running(folder, tmp_path) as gateway:
        assert gateway.until(200).json()["warm_up"] == "example"
        assert gateway.predict([{"age": 21.0}]).json()["predictions"][0] == {
            "y_pred": pytest.approx(42.0),
            "y_score": None,
        }


def test_the_positive_label_chooses_the_score(loan_model: Path, tmp_path: Path) -> None:
    """With the other label as positive, the score is the other class's probability."""
    with running(loan_model, tmp_path, positive_label="0") as other:
        other.until(200)
        flipped = other.predict([GOOD]).json()["predictions"][0]["y_score"]
    y_score = load(loan_model).predict(pd.DataFrame([GOOD]))[1]
    assert y_score is not None and flipped == pytest.approx(1 - y_score[0])


@pytest.mark.parametrize(
    "answer",
    [
        "pandas.Series([True, None], dtype=object)",
        "pandas.Series([1, None], dtype='Int64')",
        "pandas.DataFrame({'y_pred': ['yes', 'no'], 'y_score': [0.9, None]}, dtype=object)",
        "[1.0, float('inf')]",
    ],
    ids=["label", "number", "score", "infinite"],
)
def test_a_row_without_a_prediction_is_refused(answer: str, tmp_path: Path) -> None:
    """Where the model has no label or no score for a row, the answer is 422 and not a prediction of null."""
    with running(
        _model(tmp_path, f"import pandas\n        return ({answer})[: len(model_input)]"), tmp_path
    ) as gateway:
        gateway.until(200)
        assert gateway.predict([{"x": 1.0}]).status_code == 200
        error = gateway.predict([{"x": 1.0}, {"x": 2.0}])
    assert (error.status_code, error.json()["error"]["code"]) == (422, "no-prediction")
    assert error.json()["error"]["problems"][0]["path"] == "rows[1]"


def _slow_model(folder: Path, seconds: float) -> Path:
    """Return a model that sleeps, and holds no lock while it does."""
    sleep = f"time.sleep({seconds} if model_input['x'].iloc[0] else 0)"
    return _model(folder, f"import time\n        {sleep}\n        return [0.0] * len(model_input)")


def _model(folder: Path, body: str) -> Path:
    """Return a model of the column `x` that predicts by these lines of Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

    code = folder / "own.py"
    code.write_text(
        "from mlflow.pyfunc import PythonModel\nfrom mlflow.models import set_model\n"
        "class Own(PythonModel):\n    def predict(self, context, model_input, params=None):\n"
        f"        {body}\nset_model(Own())\n"
    )
    signature = ModelSignature(inputs=Schema([ColSpec("double", "x")]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(folder / "model"), python_model=str(code), signature=signature, pip_requirements=["pandas"]
        )
    return folder / "model"
