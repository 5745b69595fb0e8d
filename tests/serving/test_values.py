"""Names, values and predictions of every type that a table or a model has, on their way through the gateway."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.serving.columns import prepare
from cd4ml.serving.model import load
from cd4ml.serving.signature import Column, RowsError
from tests import models
from tests.conftest import ROOT, clean_environment
from tests.serving.conftest import Gateway, running

TIMES = [Column(name="at", type="datetime")]


def own_model(folder: Path, frame: pd.DataFrame, body: str) -> Path:
    """Save a model with the signature of the frame that predicts by these lines of Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc
        from mlflow.models import infer_signature

        code = folder / "own.py"
        code.write_text(
            "import datetime, decimal\nimport numpy, pandas\n"
            "from mlflow.pyfunc import PythonModel\nfrom mlflow.models import set_model\n"
            "class Own(PythonModel):\n    def predict(self, context, model_input, params=None):\n"
            f"        {body}\nset_model(Own())\n"
        )
        arguments = {"signature": infer_signature(frame), "pip_requirements": ["pandas"]}
        mlflow.pyfunc.save_model(str(folder / "model"), python_model=str(code), **arguments)
    return folder / "model"


def numbered(folder: Path) -> Path:
    """Save a regressor whose two columns are named by years."""
    from sklearn.linear_model import LinearRegression

    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(40, 2)), columns=[2023, 2024])
    return models.save(LinearRegression().fit(frame.to_numpy(), frame[2023] * 3 - frame[2024]), folder / "model", frame)


@pytest.mark.parametrize("example", [False, True])
def test_columns_named_by_numbers_are_asked_for_by_texts(tmp_path: Path, example: bool) -> None:
    """A library's model whose columns are whole numbers predicts for the same names as JSON writes them."""
    model = numbered(tmp_path)
    if example:
        frame = pd.DataFrame([[1.0, 2.0]], columns=[2023, 2024])
        assert load(model).predict(frame)[0].tolist() == pytest.approx([1.0])
        return
    with running(model, tmp_path) as gateway:
        gateway.until(200)
        assert gateway.client.get("/version").json()["columns"] == ["2023", "2024"]
        answer = gateway.predict([{"2024": 1.0, "2023": 2.0}])
        unknown = gateway.predict([{"2024": 1.0, "2025": 2.0}])
    assert answer.json()["predictions"][0]["y_pred"] == pytest.approx(5.0)
    assert unknown.status_code == 422 and "2023, 2024" in unknown.json()["error"]["problems"][0]["problem"]


def test_columns_named_by_fractions_reach_a_function(tmp_path: Path) -> None:
    """A Python model gets its columns by the names that it was saved with, which here are fractions."""
    frame = pd.DataFrame([[1.0, 2.0]], columns=[0.5, 1.5])
    model = load(own_model(tmp_path, frame, "return (model_input[0.5] - model_input[1.5]).to_numpy()"), allow_code=True)
    assert model.predict(pd.DataFrame({"1.5": [1.0], "0.5": [4.0]}))[0].tolist() == [3.0]


def test_columns_named_by_numbers_are_scored(tmp_path: Path) -> None:
    """The process that scores reads the columns of a file, whose names are texts, for a model that numbers them."""
    model, rows, out = numbered(tmp_path), tmp_path / "rows.parquet", tmp_path / "out.parquet"
    pd.DataFrame({"2023": [1.0], "2024": [2.0]}).to_parquet(rows)
    child, loader = ROOT / "cd4ml" / "scoring" / "child.py", ROOT / "cd4ml" / "serving" / "model.py"
    arguments = [str(child), str(loader), str(model), "", "", "", "0", str(rows), str(out)]
    # A folder without cd4ml, as in the model's own environment.
    env = clean_environment(MLFLOW_ALLOW_PICKLE_DESERIALIZATION="true")
    subprocess.run([sys.executable, "-W", "ignore", *arguments], cwd=tmp_path, env=env, check=True)
    assert pd.read_parquet(out)["y_pred"].tolist() == pytest.approx([1.0])


def test_two_columns_of_one_name_as_texts_are_refused() -> None:
    """Columns `1` and `1` as a number cannot be told apart in JSON, so the model is not served."""
    from types import SimpleNamespace

    from cd4ml.serving import model

    entries = [{"name": name, "type": "double"} for name in (1, "1")]
    schema = SimpleNamespace(is_tensor_spec=lambda: False, has_input_names=lambda: True, to_dict=lambda: entries)
    with pytest.raises(model.ModelError, match="same name"):
        model._columns(SimpleNamespace(get_input_schema=lambda: schema), None)


PREDICTIONS: list[tuple[str, Any]] = [
    ("pandas.Series(pandas.to_datetime(['2024-05-31T08:00:00'] * n))", "2024-05-31T08:00:00"),
    ("[datetime.date(2024, 5, 31)] * n", "2024-05-31"),
    ("numpy.array(['2024-05-31T08:00'] * n, dtype='datetime64[m]')", "2024-05-31T08:00:00"),
    ("numpy.array([numpy.datetime64('2024-05-31', 'ns')] * n, dtype=object)", "2024-05-31T00:00:00"),
    ("pandas.Series(pandas.to_timedelta([90] * n, unit='m'))", "P0DT1H30M0S"),
    ("[decimal.Decimal('1.50')] * n", 1.5),
    ("[decimal.Decimal('12')] * n", 12),
    ("numpy.array([numpy.int64(7)] * n, dtype=object)", 7),
    ("numpy.array([numpy.bool_(True)] * n, dtype=object)", True),
    ("pandas.Series(['high'] * n, dtype='category')", "high"),
    ("numpy.array(['high'] * n)", "high"),
]


@pytest.mark.parametrize(("answer", "expected"), PREDICTIONS)
def test_predictions_of_every_type_are_json(tmp_path: Path, answer: str, expected: Any) -> None:
    """Times, durations, decimals and numpy's own values leave the gateway as JSON values of the same meaning."""
    from cd4ml.serving import answers

    model = load(
        own_model(tmp_path, pd.DataFrame({"x": [1.0]}), f"n = len(model_input); return {answer}"), allow_code=True
    )
    found = answers.of(model.predict(pd.DataFrame({"x": [1.0, 2.0]})))
    assert json.loads(json.dumps(found.y_pred, allow_nan=False)) == [expected] * 2 and found.y_score is None
    assert type(found.y_pred[0]) is type(expected)


def test_times_are_answered_over_http(tmp_path: Path) -> None:
    """A model that predicts a time is answered 200, row by row."""
    body = "return model_input['start'] + pandas.to_timedelta(model_input['hours'], unit='h')"
    frame = pd.DataFrame({"start": pd.to_datetime(["2024-01-01"]), "hours": [1.0]})
    with running(own_model(tmp_path, frame, body), tmp_path) as gateway:
        gateway.until(200)
        answer = gateway.predict(
            [{"start": "2024-05-31T23:00:00-02:00", "hours": 1.5}, {"start": "2024-05-31", "hours": 0.0}]
        )
        refused = gateway.predict([{"start": "2024-05-31", "hours": 1.0}, {"start": "today", "hours": 1.0}])
    assert [pair["y_pred"] for pair in answer.json()["predictions"]] == ["2024-06-01T02:30:00", "2024-05-31T00:00:00"]
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (422, "rows-do-not-fit")
    assert [item["path"] for item in error["problems"]] == ["rows[1].start"]


def test_predictions_that_json_cannot_express_never_become_ready(tmp_path: Path) -> None:
    """A model whose answers could not be sent is found out while it is loaded, and not by the first caller."""
    body = "return pandas.Series(pandas.interval_range(0, len(model_input)))"
    with running(own_model(tmp_path, pd.DataFrame({"x": [1.0]}), body), tmp_path) as gateway:
        gateway.until(503, "/health/liveness")
        assert gateway.client.get("/health/readiness").json() == {
            "status": "failed",
            "reason": "ModelError",
            "warm_up": "",
        }


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-31T13:45:00.000Z", "2024-05-31T13:45:00"),
        ("2024-05-31t13:45:00z", "2024-05-31T13:45:00"),
        ("2024-05-31T13:45:00+05:30", "2024-05-31T08:15:00"),
        ("2024-05-31 13:45", "2024-05-31T13:45:00"),
        ("2024-05-31", "2024-05-31T00:00:00"),
        ("2024-05-31T13:45:00.123456789Z", "2024-05-31T13:45:00.123456789"),
    ],
)
def test_times_are_read_the_same_alone_and_among_others(text: str, moment: str) -> None:
    """ISO 8601 with or without a zone becomes UTC without a zone, whatever the other rows hold."""
    others = [None, "1999-12-31T23:59:59.5", "2001-01-01T00:00:00-08:00"]
    for values in ([text], [text, *others]):
        prepared = prepare(pd.DataFrame({"at": pd.Series(values, dtype="object")}), TIMES)["at"]
        assert prepared[0] == pd.Timestamp(moment) and prepared.dtype == "datetime64[ns]"


@pytest.mark.parametrize("text", ["31/05/2024", "now", "today", "", "9999-12-31", "1066-10-14", "2024-02-30", "NaT"])
def test_what_is_no_time_is_refused_with_its_row(text: str) -> None:
    """Other spellings, words, impossible days and years beyond nanoseconds are refused where they stand."""
    with pytest.raises(RowsError) as caught:
        prepare(pd.DataFrame({"at": ["2024-01-01", text, "2024-01-01T10:00:00.123456789Z"]}), TIMES)
    assert caught.value.rows == {"at": [1]} and "ISO 8601" in caught.value.problems["at"]


def optional_frame() -> pd.DataFrame:
    """Return rows with a whole number, a boolean and a text that may be missing."""
    frame = pd.DataFrame({"rooms": pd.array([1, 2, None] * 20, dtype="Int64"), "area": np.arange(60.0)})
    frame["garden"] = pd.Series([True, None, False] * 20, dtype="boolean")
    frame["street"] = pd.Series(["a", "b", None] * 20, dtype="object")
    return frame


def estimator(folder: Path) -> Path:
    """Save a scikit-learn model that imputes what may be missing."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    frame = optional_frame()
    plain = frame.astype({"rooms": "float64"})
    imputer = SimpleImputer(strategy="constant", fill_value=9.0)
    pipeline = make_pipeline(make_column_transformer((imputer, ["rooms", "area"])), LinearRegression())
    return models.save(pipeline.fit(plain, plain["area"] * 2 + plain["rooms"].fillna(9.0)), folder / "model", frame)


def function(folder: Path) -> Path:
    """Save a Python model that fills what is missing by itself."""
    body = "return (model_input['rooms'].fillna(9) * 10 + model_input['garden'].isna()).astype(float).to_numpy()"
    return own_model(folder, optional_frame(), body)


@pytest.mark.parametrize(("save", "missing"), [(estimator, 9.0), (function, 90.0)])
def test_a_batch_is_answered_as_its_rows_one_by_one(
    tmp_path: Path, save: Callable[[Path], Path], missing: float
) -> None:
    """Optional numbers, booleans and texts may be missing or null in any row, whatever the other rows hold."""
    rooms: list[dict[str, Any]] = [{"rooms": 2}, {"rooms": None}, {}]
    gardens: list[dict[str, Any]] = [{"garden": True}, {"garden": None}, {}]
    streets: list[dict[str, Any]] = [{"street": "a"}, {}]
    rows = [{"area": 0.0, **one, **two, **three} for one, two, three in product(rooms, gardens, streets)]
    with running(save(tmp_path), tmp_path) as gateway:
        gateway.until(200)
        single = [one for row in rows for one in gateway.predict([row]).json()["predictions"]]
        batch = gateway.predict(rows).json()["predictions"]
        wrong = gateway.predict([rows[0], {**rows[0], "rooms": 1.5}, {**rows[0], "garden": 1}]).json()["error"]
    assert batch == single
    assert int(batch[-1]["y_pred"]) == pytest.approx(missing, abs=1)
    assert [item["path"] for item in wrong["problems"]] == ["rows[1].rooms", "rows[2].garden"]


def test_a_large_whole_number_is_exact_beside_a_missing_one(tmp_path: Path) -> None:
    """A key beyond 2^53 is not rounded because another row of the batch has none."""
    frame = pd.DataFrame({"key": pd.array([1, None], dtype="Int64")})
    body = "return [str(key) for key in model_input['key']]"
    key = 2**53 + 1
    with running(own_model(tmp_path, frame, body), tmp_path) as gateway:
        gateway.until(200)
        answer = gateway.predict([{"key": key}, {"key": None}]).json()
    assert answer["predictions"][0]["y_pred"] == str(key)


def test_a_required_whole_number_must_be_there(tmp_path: Path) -> None:
    """Null and a missing value in a column that is not optional are refused with their places."""
    frame = pd.DataFrame({"n": [1, 2], "ok": [True, False]})
    with running(own_model(tmp_path, frame, "return model_input['n'].to_numpy()"), tmp_path) as gateway:
        gateway.until(200)
        error = gateway.predict([{"n": 1, "ok": True}, {"n": None, "ok": None}, {"n": 1}]).json()["error"]
    assert [item["path"] for item in error["problems"]] == ["rows[1].n", "rows[1].ok", "rows[2].ok"]


def test_the_row_that_the_model_refuses_is_named(gateway: Gateway) -> None:
    """Of many rows, one that the model itself cannot handle is told by its place."""
    good = {"age": 40, "income": 3.5, "city": "Oslo"}
    answer = gateway.predict([*[good] * 6, {**good, "city": "Atlantis"}, good])
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "refused-by-model")
    assert [item["path"] for item in answer.json()["error"]["problems"]] == ["rows[6]"]


def test_a_model_that_fails_is_answered_in_json(tmp_path: Path) -> None:
    """An error of the model's own code is 500 with a code for machines, and nothing of what was sent."""
    body = "return [0.0] if model_input['x'].iloc[0] == 0 else model_input.secret_attribute"
    with running(own_model(tmp_path, pd.DataFrame({"x": [1.0]}), body), tmp_path) as gateway:
        gateway.until(200)
        answer = gateway.predict([{"x": 123456.0}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "model-failed")
    assert "123456" not in answer.text


def test_a_model_that_fails_while_it_is_loaded_is_not_loading_for_ever(tmp_path: Path) -> None:
    """Whatever the model's code raises at the first call, the probes say that the gateway has failed."""
    model = own_model(tmp_path, pd.DataFrame({"x": [1.0]}), "raise RuntimeError('no device')")
    with running(model, tmp_path) as gateway:
        gateway.until(503, "/health/liveness")
        assert gateway.client.get("/health/readiness").json()["status"] == "failed"
