"""The native road: the frame that a batch becomes, and an estimator that is asked once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.serving.columns import prepare
from cd4ml.serving.exchange import Batch
from cd4ml.serving.model import load
from cd4ml.serving.runtimes.native import frame
from cd4ml.serving.signature import Column
from tests import models

COLUMNS = (
    Column(name="n", type="integer"),
    Column(name="2024", label=2024, type="long"),
    Column(name="x", type="double"),
    Column(name="small", type="float", required=False),
    Column(name="ok", type="boolean"),
    Column(name="city", type="string", required=False),
)


@pytest.mark.parametrize("rows", [1, 3])
def test_frame__as_prepared(rows: int) -> None:
    """The frame that is made at once is, to the type and the missing value, what the strict conversion makes."""
    values: dict[str, list[Any]] = {
        "n": [1, 2.0, -(2**31)],
        "2024": [2**53 + 1, 7.0, 0],
        "x": [None, 1e300, 2],
        "small": [0.1, None, 3e38],
        "ok": [True, False, True],
        "city": ["Oslo", None, ""],
    }
    batch = Batch({name: column[:rows] for name, column in values.items()}, rows)
    table = pd.DataFrame({name: pd.Series(column, dtype="object") for name, column in batch.columns.items()})

    pd.testing.assert_frame_equal(frame(batch, COLUMNS), prepare(table, COLUMNS))


def test_pipeline__transformed_once(tmp_path: Path) -> None:
    """A pipeline's labels and probabilities are the very bits that it gives itself, for one transformation."""
    table = models.people(200)
    pipeline = models.classifier(table)
    rows = models.people(100, seed=5)[["age", "income", "city"]]
    model = load(models.save(pipeline, tmp_path / "model", table[["age", "income", "city"]]))
    steps = model._transform
    calls: list[int] = []

    def counted(frame: pd.DataFrame) -> Any:
        """Transform, and count it."""
        calls.append(len(frame))
        return steps(frame)

    object.__setattr__(model, "_transform", counted)

    y_pred, y_score = model.predict(rows)

    assert y_score is not None and calls == [100]
    assert np.array_equal(y_pred, pipeline.predict(rows))
    assert np.array_equal(y_score, pipeline.predict_proba(rows)[:, 1])
    assert not any(math.isnan(score) for score in y_score)
