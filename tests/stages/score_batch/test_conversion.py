"""score-batch with a conversion to ONNX: only what is equal to the model scores a table, and only as long as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cd4ml.checks.image.runtime import Obstacle
from cd4ml.checks.scoring.runtime import conversion_check, library_check
from cd4ml.image.comparison import CONVERTED
from cd4ml.report import Status
from cd4ml.scoring.batch.checked import UnequalError, as_expected, difference
from cd4ml.scoring.batch.converted import Converted
from cd4ml.scoring.batch.kernel import Fast
from cd4ml.scoring.conversion.run import MODEL, SIGNATURE
from cd4ml.serving.runtimes.graph import Graph, Input
from cd4ml.serving.signature import Column
from cd4ml.stages.score_batch import conversion
from cd4ml.stages.score_batch import run as stage
from tests import models
from tests.conftest import Run
from tests.scoring.conftest import FEATURES

Cd4ml = Callable[..., Run]
ARGUMENTS = ("--data", "rows.parquet", "--output", "scores.parquet", "--part-rows", "500")


def graph_of(fitted: Any, folder: Path) -> Path:
    """Write a classifier of `x`, a double, as ONNX."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    made = convert_sklearn(
        fitted, initial_types=[("x", DoubleTensorType([None, 1]))], options={id(fitted): {"zipmap": False}}
    )
    folder.mkdir()
    (folder / MODEL).write_bytes(made.SerializeToString())
    (folder / SIGNATURE).write_text(
        '{"model_sha256": "", "columns": [{"name": "x", "type": "double"}], "classes": [0, 1], "positive_label": 1,'
        ' "inputs": [{"name": "x", "columns": ["x"], "type": "double"}], "label": "label",'
        ' "probabilities": "probabilities"}'
    )
    return folder


def logistic(slope: float) -> Any:
    """Return a classifier of one column."""
    from sklearn.linear_model import LogisticRegression

    rows = pd.DataFrame({"x": np.linspace(-3, 3, 40)})
    return LogisticRegression().fit(rows, (slope * rows["x"] > 0).astype(int))


def test_conversion__the_models_predictions(cd4ml: Cd4ml, saved: Path, tmp_path: Path) -> None:
    """A conversion that is proven equal scores a table of numbers and texts, some missing, as the model does."""
    rows = models.people(1_050, seed=7)
    rows.to_parquet(tmp_path / "rows.parquet", index=False)

    run = cd4ml("score-batch", "--model", str(saved / "good"), *ARGUMENTS, "--runtime", "onnx")

    scores = pq.read_table(tmp_path / "scores.parquet")
    model = joblib.load(saved / "good" / "model.pkl")
    assert run.code == 0 and run.report["details"]["runtime"]["name"] == "onnx"
    assert run.report["details"]["runtime"]["gaps"] == ["city", "income"]
    assert [str(kind) for kind in scores.schema.types] == ["int64", "int64", "double"]
    assert scores["y_pred"].to_pylist() == model.predict(rows[FEATURES]).tolist()
    assert scores["y_score"].to_pylist() == pytest.approx(model.predict_proba(rows[FEATURES])[:, 1], rel=1e-5, abs=1e-6)


def test_conversion__that_differs(cd4ml: Cd4ml, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a conversion turns out to be another model's, the model itself scores all rows, and the report says so."""
    fitted, rows = logistic(1), pd.DataFrame({"x": np.linspace(-3, 3, 1_000)})
    model = models.save(fitted, tmp_path / "model", rows)
    rows.to_parquet(tmp_path / "rows.parquet", index=False)
    fast = Fast(
        folder=graph_of(logistic(-1), tmp_path / "other"),
        interpreter=Path(sys.executable),
        scores=["y_score"],
        gaps=[],
        tolerance={"y_score": (1e-5, 1e-6)},
    )
    check = conversion_check(way="double", rows=20, edges=0, share=0.01, tolerance=CONVERTED)
    monkeypatch.setattr(
        stage, "choose", lambda *_: conversion.Road(check=check, fast=fast, details={}, identity="other")
    )

    run = cd4ml("score-batch", "--model", str(model), *ARGUMENTS)

    (told,) = [check for check in run.report["checks"] if check["id"] == "runtime"]
    assert (run.code, told["value"], told["reason"]) == (0, "native", "not-equal")
    assert "by the conversion" in told["message"] and "by the model" in told["message"]
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert scores["y_pred"].tolist() == fitted.predict(rows).tolist()


def test_conversion__is_refused_where_it_was_not_proven(tmp_path: Path) -> None:
    """Missing values of a column on which nothing was proven, and infinite ones, get no answer; others get theirs."""
    import onnxruntime

    folder, fitted = graph_of(logistic(1), tmp_path / "graph"), logistic(1)
    graph = Graph(
        model_sha256="",
        columns=[Column(name="x", type="double")],
        inputs=[Input(name="x", columns=["x"], type="double")],
        label="label",
        probabilities="probabilities",
        classes=(0, 1),
        positive_label=1,
    )
    asked = Converted(onnxruntime.InferenceSession(folder / MODEL), graph, scores=["y_score"], gaps=[])

    def answer(values: list[float | None]) -> pa.Table:
        table = pa.table({"x": pa.array(values, pa.float64())})
        with pa.OSFile(str(tmp_path / "given"), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
            writer.write_table(table)
        asked.answer(tmp_path / "given", tmp_path / "made")
        return pa.ipc.open_file(tmp_path / "made").read_all()

    found = answer([-1.0, 2.0])
    assert found["y_pred"].to_pylist() == [0, 1]
    chances = fitted.predict_proba(pd.DataFrame({"x": [-1.0, 2.0]}))[:, 1]
    assert found["y_score"].to_pylist() == pytest.approx(chances, rel=1e-6)
    for value, said in ((None, b"missing"), (float("nan"), b"missing"), (float("inf"), b"infinite")):
        found = answer([1.0, value])
        assert found.num_columns == 0 and said in found.schema.metadata[b"cd4ml.refused"]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"y_pred": [1, 0], "y_score": [0.9, 0.2]}, None),
        ({"y_pred": [1, 0], "y_score": [0.9000001, 0.2]}, None),
        ({"y_pred": [1, 1], "y_score": [0.9, 0.2]}, "y_pred of row 11 is 1 by the conversion, 0 by the model"),
        ({"y_pred": [1, 0], "y_score": [0.91, 0.2]}, "y_score of row 10"),
        ({"y_pred": [1, 0], "y_score": [0.9, float("nan")]}, "y_score of row 11"),
    ],
)
def test_differences(found: dict[str, list[float]], says: str | None) -> None:
    """A label that differs is seen, and a score that differs by more than rounding, or is no number."""
    expected = pa.table({"y_pred": [1, 0], "y_score": [0.9, 0.2]})

    said = difference(as_expected(pa.table(found), expected), expected, {"y_score": (1e-5, 1e-6)}, 10)

    assert said is None if says is None else says in str(said)


def test_other_columns__are_a_difference() -> None:
    """Predictions of other columns, or of a type that does not hold the model's, are not taken for its own."""
    expected = pa.table({"y_pred": ["a"]})

    for found in ({"y_pred": ["a"], "y_score": [0.5]}, {"label": ["a"]}):
        with pytest.raises(UnequalError):
            as_expected(pa.table(found), expected)
    with pytest.raises(UnequalError):
        as_expected(pa.table({"y_pred": [1.5]}), pa.table({"y_pred": [1]}))


@pytest.mark.parametrize(("tried", "status"), [(True, Status.FAILED), (False, Status.ERROR)])
def test_demanded_conversion(tried: bool, status: Status) -> None:
    """`runtime: onnx` blocks where nothing is proven; `auto` passes with the model's own library, and says why."""
    obstacle = Obstacle(reason="not-equal", why="it differs", tried=tried)

    assert library_check(obstacle, demanded=True).status is status
    allowed = library_check(obstacle, demanded=False)
    assert (allowed.status, allowed.value, allowed.reason) == (Status.PASSED, "native", "not-equal")
