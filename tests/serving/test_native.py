"""The native road: the frame that a batch becomes, and an estimator that is asked once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cd4ml.serving.columns import prepare
from cd4ml.serving.exchange import Batch
from cd4ml.serving.model import Answer, Model, ModelError, load
from cd4ml.serving.refused import Refused
from cd4ml.serving.runtimes.native import Native, frame
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
    assert isinstance(model, Model)
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


def native(
    predict: Callable[[Any, int], Answer], *, classes: Sequence[Any] = (), chances: Callable[[Any], Any] | None = None
) -> Native:
    """Return a model of one number that predicts like this."""
    return Native(
        Model(
            columns=(Column(name="x", type="double"),),
            example=None,
            classes=classes,
            positive_label=None,
            _transform=lambda rows: rows,
            _predict=predict,
            _probabilities=chances,
            raw=None,
        )
    )


def test_refusal__logged_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """What a model raises on a row is the caller's fault by its type, so the log says where it was raised."""

    def looked_up(_rows: Any, _count: int) -> Answer:
        """Look a feature up that is not there."""
        raise KeyError("feature_store_v2")

    with caplog.at_level(logging.WARNING), pytest.raises(Refused) as refused:
        native(looked_up).predict(Batch({"x": [1.0, 2.0]}, 2))

    assert (refused.value.status, refused.value.code) == (422, "refused-by-model")
    (record,) = caplog.records
    assert record.exc_info is not None and isinstance(record.exc_info[1], KeyError)


def test_too_few_predictions__no_refusal() -> None:
    """A model that does not predict for each row has a defect: that is not said to be the caller's."""

    def short(_rows: Any, count: int) -> Answer:
        """Forget a row."""
        raise ModelError(f"the model gave {count - 1} predictions for {count} rows")

    with pytest.raises(ModelError, match="1 predictions for 2 rows"):
        native(short).predict(Batch({"x": [1.0, 2.0]}, 2))


def test_probability_that_is_not_a_number__no_prediction() -> None:
    """A row with a probability that JSON cannot express is refused by its place, and not answered with null."""
    model = native(
        lambda _rows, count: (pd.Series([0] * count), None),
        classes=(0, 1, 2),
        chances=lambda rows: np.array([[0.2, 0.3, 0.5], [np.nan, 0.5, 0.5]])[: len(rows)],
    )

    with pytest.raises(Refused) as refused:
        model.predict(Batch({"x": [1.0, 2.0]}, 2), probabilities=True)

    assert (refused.value.code, [one.path for one in refused.value.problems]) == ("no-prediction", ["rows[1]"])
    assert model.predict(Batch({"x": [1.0]}, 1), probabilities=True).probabilities == [[0.2, 0.3, 0.5]]
