"""The fast road: ONNX Runtime answers as the model does, and serves nothing but what was proven."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from cd4ml.digests import folder_sha256
from cd4ml.serving.exchange import Batch
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes import fast
from cd4ml.serving.runtimes.graph import Input
from cd4ml.serving.runtimes.onnx import PROVIDERS, _filler
from cd4ml.serving.settings import declared
from cd4ml.serving.signature import ModelError
from cd4ml.serving.state import Phase, Service, State
from tests import models
from tests.conftest import ROOT
from tests.serving.conftest import running
from tests.serving.conversion import SHA256, Convert, service_of

GOOD: dict[str, list[Any]] = {"age": [40, 60], "income": [3.5, None], "city": ["Oslo", "Bergen"]}


def batch(columns: Mapping[Any, list[Any]]) -> Batch:
    """Return a batch of these columns."""
    return Batch(columns=dict(columns), rows=len(next(iter(columns.values()))))


def test_answers_are_those_of_the_estimator(people: Path) -> None:
    """Labels are equal and scores within single precision, also where values are missing."""
    frame = models.people(300, seed=5)[["age", "income", "city"]]
    estimator = models.classifier(models.people())
    columns = {name: [None if pd.isna(value) else value for value in frame[name].tolist()] for name in frame}
    found = fast.load(people).predict(batch(columns), probabilities=True)
    chances = estimator.predict_proba(frame)
    assert found.y_pred == estimator.predict(frame).tolist()
    assert found.y_score == pytest.approx(chances[:, 1].tolist(), abs=1e-6)
    assert np.array(found.probabilities) == pytest.approx(chances, abs=1e-6)


def test_row_with_an_unseen_category_is_named(people: Path) -> None:
    """What an operator of the graph refuses is refused with the place of the row."""
    runtime = fast.load(people)
    columns: dict[str, list[Any]] = {
        "age": [40] * 5,
        "income": [1.0] * 5,
        "city": ["Oslo", "Oslo", "Oslo", "Paris", "Oslo"],
    }
    with pytest.raises(Refused) as refused:
        runtime.predict(batch(columns))
    assert (refused.value.status, refused.value.code) == (422, "refused-by-model")
    assert [problem.path for problem in refused.value.problems] == ["rows[3]"]


def test_number_that_single_precision_cannot_hold_is_refused(people: Path) -> None:
    """A number that would silently become infinite is refused where it stands."""
    with pytest.raises(Refused) as refused:
        fast.load(people).predict(batch({**GOOD, "income": [1.0, 1e300]}))
    assert [problem.path for problem in refused.value.problems] == ["rows[1].income"]


def test_single_precision_is_kept_where_the_graph_takes_doubles() -> None:
    """0.15 in a column of single precision is one number, as in the cache's keys, whatever the input takes."""
    entry = Input(name="x", columns=("small", "wide"), type="double")
    given = {"small": [0.15, None, float(np.float32(0.15))], "wide": [0.15, None, 1.0]}

    found = _filler(entry, frozenset({"small"}))(batch(given))

    assert found.dtype == np.float64 and found[0, 0] == found[2, 0] == np.float32(0.15) and found[0, 1] == 0.15
    assert np.isnan(found[1]).all()


def test_classes_keep_their_types(convert: Convert) -> None:
    """Truths, texts and numbers come back as the classes that the model knows, with a probability each."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=90), "b": rng.normal(size=90)})
    for classes in ([False, True], ["no", "yes"], [1.0, 2.0], ["x", "y", "z"]):
        labels = np.array(classes)[np.arange(90) % len(classes)]
        estimator = LogisticRegression().fit(frame, labels)
        runtime = fast.load(convert(estimator, frame))
        found = runtime.predict(batch(frame.head(10).to_dict("list")), probabilities=True)
        assert found.y_pred == estimator.predict(frame.head(10)).tolist()
        assert [type(label) for label in found.y_pred] == [type(classes[0])] * 10
        assert list(runtime.classes) == classes and np.array(found.probabilities).shape == (10, len(classes))
        assert (found.y_score is None) == (len(classes) > 2)


def test_column_that_may_be_left_out_is_missing(convert: Convert) -> None:
    """An optional column that a batch does not have counts as missing in every row."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, np.nan], "b": [0.0, 1.0, 0.0, 1.0]})
    estimator = make_pipeline(SimpleImputer(), LinearRegression()).fit(frame, [1.0, 2.0, 3.0, 4.0])
    folder = convert(estimator, frame)
    signature = json.loads((folder / "signature.json").read_text())
    signature["columns"][0]["required"] = False
    (folder / "signature.json").write_text(json.dumps(signature))
    found = fast.load(folder).predict(batch({"b": [1.0, 0.0]}))
    expected = estimator.predict(pd.DataFrame({"a": [np.nan, np.nan], "b": [1.0, 0.0]}))
    assert found.y_pred == pytest.approx(expected.tolist(), abs=1e-5) and found.y_score is None


def _without_a_column(signature: dict[str, Any]) -> None:
    signature["inputs"][0]["columns"] = []


def _with_an_output_of_another_name(signature: dict[str, Any]) -> None:
    signature["label"] = "other"


def _with_a_label_that_is_no_class(signature: dict[str, Any]) -> None:
    signature["positive_label"] = 7


def _with_a_type_of_its_own(signature: dict[str, Any]) -> None:
    signature["columns"][0]["type"] = "datetime"


def _with_a_word_of_its_own(signature: dict[str, Any]) -> None:
    signature["more"] = 1


def _without_outputs(signature: dict[str, Any]) -> None:
    del signature["label"]


@pytest.mark.parametrize(
    "change",
    [
        *(_without_a_column, _with_an_output_of_another_name, _with_a_label_that_is_no_class),
        *(_with_a_type_of_its_own, _with_a_word_of_its_own, _without_outputs),
    ],
)
def test_signature_that_contradicts_the_graph_is_refused(
    people: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    """A signature.json that says something else than the graph, or than itself, loads nothing."""
    shutil.copytree(people, tmp_path / "m")
    path = tmp_path / "m" / "signature.json"
    signature = json.loads(path.read_text())
    change(signature)
    path.write_text(json.dumps(signature))
    with pytest.raises(ModelError):
        fast.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no graph", "cannot be read as an ONNX file"),
        # An opset_import of the domain `x.y`: a library beside the runtime.
        (b"\x42\x05\x0a\x03x.y", "needs operators of 'x.y'"),
        (b"\x08\x07\x3a\x00", "ONNX Runtime cannot load the model"),
    ],
)
def test_file_that_needs_more_than_the_runtime_is_refused(
    people: Path, tmp_path: Path, content: bytes, says: str
) -> None:
    """What is no graph of the runtime's own operators is not loaded."""
    shutil.copytree(people, tmp_path / "m")
    (tmp_path / "m" / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        fast.load(tmp_path / "m")


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "migraphx", "openvino"])
def test_provider_that_is_not_here_is_refused(people: Path, provider: str) -> None:
    """ONNX Runtime would calculate on the processor without a word: the gateway says what it lacks instead."""
    with pytest.raises(ModelError, match=f"^EXECUTION_PROVIDER={provider}: this ONNX Runtime has no "):
        fast.load(people, provider=provider)


def test_every_provider_that_can_be_set_is_known() -> None:
    """The words of the setting are those that the runtime knows, and ONNX Runtime knows their names."""
    words = dict(declared())["EXECUTION_PROVIDER"].words
    assert set(words) == set(PROVIDERS) and set(PROVIDERS.values()) <= set(onnxruntime.get_all_providers())


@pytest.mark.parametrize("runtime", ["onnx", None])
def test_gateway_says_which_provider_it_lacks(people: Path, runtime: str | None, tmp_path: Path) -> None:
    """A gateway that is set to calculate with what it has not is never ready, on either road."""
    service = Service(name="m", version=None, sha256=SHA256, runtime=runtime, onnx_sha256=folder_sha256(people))
    if runtime is None:
        service = Service(name="m", version=None, sha256=folder_sha256(people))
    state = State(folder=people, service=service, provider="cuda")
    state.load()
    assert (state.phase, state.reason) == (Phase.FAILED, "ModelError")


def test_gateway_serves_the_graph_under_the_digest_of_the_model(people: Path, tmp_path: Path) -> None:
    """Over HTTP the answers name the MLflow model that the gates looked at, and bad rows are refused as ever."""
    with running(people, tmp_path, **service_of(people)) as gateway:
        gateway.until(200)
        answer = gateway.predict([{"age": 40, "income": 3.5, "city": "Oslo"}])
        assert answer.status_code == 200 and answer.json()["model"]["sha256"] == SHA256
        expected = models.classifier(models.people()).predict_proba(
            pd.DataFrame({"age": [40], "income": [3.5], "city": ["Oslo"]})
        )
        assert answer.json()["predictions"][0]["y_score"] == pytest.approx(expected[0][1], abs=1e-6)
        unseen = gateway.predict([{"age": 40, "income": 3.5, "city": "Paris"}])
        assert unseen.status_code == 422 and unseen.json()["error"]["problems"][0]["path"] == "rows[0]"
        text = gateway.predict([{"age": "40", "income": 3.5, "city": "Oslo"}])
        assert text.status_code == 422 and text.json()["error"]["problems"][0]["path"] == "rows[0].age"
        assert gateway.client.get("/version").json()["columns"] == ["age", "income", "city"]


@pytest.mark.parametrize("service", [{"sha256": "b" * 64}, {"onnx_sha256": "c" * 64}, {"onnx_sha256": None}])
def test_gateway_serves_no_other_graph(people: Path, tmp_path: Path, service: dict[str, Any]) -> None:
    """A graph of another model, or one that was changed after it was proven, never becomes ready."""
    with running(people, tmp_path, **service_of(people) | service) as gateway:
        assert gateway.until(503, "/health/liveness").json()["status"] == "failed"
        assert gateway.predict([{"age": 40, "income": 3.5, "city": "Oslo"}]).status_code == 503


def test_fast_road_needs_neither_pandas_nor_mlflow(people: Path) -> None:
    """The runtime loads and answers where pandas, MLflow, scikit-learn and PyYAML are not installed."""
    program = (
        "import sys\nfor name in ('pandas', 'mlflow', 'sklearn', 'yaml', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "import cd4ml.serving.app\nfrom pathlib import Path\nfrom cd4ml.serving.state import Service, State\n"
        "service = Service(name='m', version=None, sha256=sys.argv[2], runtime='onnx', onnx_sha256=sys.argv[3])\n"
        "state = State(folder=Path(sys.argv[1]), service=service)\nstate.load()\nprint(state.phase, state.warm_up)\n"
    )
    command = [sys.executable, "-c", program, str(people), SHA256, folder_sha256(people)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert run.stdout == "ready refused-blank-row\n", run.stderr
