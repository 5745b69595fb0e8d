"""Metrics: counted right, over all workers, within bounds, and as Prometheus wants them."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cd4ml.serving.exchange import Answers, Batch
from cd4ml.serving.settings import SettingsError
from cd4ml.serving.signature import Column, Tensor
from cd4ml.serving.telemetry.metrics import families
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.telemetry.metrics.metrics import Metrics
from cd4ml.serving.telemetry.metrics.ranges import ranges_in, ranges_of
from tests.conftest import need_program
from tests.serving.telemetry.exchanges import answered, refused

MODEL: dict[str, str | None] = {"name": 'lo"a\nns', "version": None, "sha256": "a" * 64}
COLUMNS = [Column(name="age", type="long"), Column(name="city", type="string"), Column(name="free", type="double")]
RANGES = ranges_of({"ranges": {"age": {"minimum": 18, "maximum": 75}, "city": {"categories": ["Oslo", "Bergen"]}}})


def loaded(board: Board, worker: int = 0, classes: tuple[Any, ...] = (0, 1)) -> Metrics:
    """Return the metrics of a worker whose model is loaded."""
    return Metrics(board, worker, model=MODEL, runtime=lambda: Loaded(classes=classes), ranges=RANGES)


@dataclass(kw_only=True)
class Loaded:
    """A model that is loaded."""

    classes: Sequence[Any]
    columns: Sequence[Column] = tuple(COLUMNS)
    name: str = "onnx"
    positive_label: Any = None
    inline_rows: int = 0
    tensors: Sequence[Tensor] = ()

    def predict(self, batch: Batch, *, probabilities: bool = False) -> Answers:
        """See Runtime."""
        raise AssertionError((batch, probabilities))

    def warm_up(self) -> str:
        """See Runtime."""
        return "no-example"


def shown(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return the samples of a scrape by name and labels' values, but those of processes."""
    text = metrics.text().decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.startswith("process_")
    }


def test_requests__by_protocol_status_and_code() -> None:
    """Requests are counted by how they were answered, and timed in the bucket that they belong to."""
    metrics = loaded(Board())
    for exchange in (answered({"age": [40]}, [1]), answered({"age": [40]}, [0]), refused(422, "no-rows")):
        metrics.finished(exchange)

    found = shown(metrics)

    assert found["cd4ml_requests_total", "", "predict", "200"] == 2
    assert found["cd4ml_requests_total", "no-rows", "predict", "422"] == 1
    assert found["cd4ml_request_duration_seconds_bucket", "0.0001", "predict"] == 0
    assert found["cd4ml_request_duration_seconds_bucket", "0.00025", "predict"] == 1
    assert found["cd4ml_request_duration_seconds_bucket", "0.0005", "predict"] == 3
    assert found["cd4ml_request_duration_seconds_bucket", "+Inf", "predict"] == 3
    assert found["cd4ml_request_duration_seconds_sum", "predict"] == pytest.approx(0.001)


@pytest.mark.parametrize("times", [1, 10], ids=["few rows", "many rows"])
def test_quality__classes_scores_missing_and_outside(times: int) -> None:
    """Few rows and many are counted alike: classes, scores, entropy, values that are missing or out of range."""
    metrics = loaded(Board())
    columns: dict[str, list[Any]] = {
        "age": [17, 18, 75, None],
        "city": ["Oslo", None, "Rome", "Bergen"],
        "free": [1e9, math.nan, -1.0, None],
    }
    batch = {name: values * times for name, values in columns.items()}

    metrics.finished(answered(batch, [0, 1, 1, 1] * times, [0.05, 0.5, 0.51, 1.0] * times))
    found = {key: value / times for key, value in shown(metrics).items()}

    assert (found["cd4ml_predictions_total", "0"], found["cd4ml_predictions_total", "1"]) == (1, 3)
    assert [found["cd4ml_missing_values_total", name] for name in columns] == [1, 1, 2]
    assert found["cd4ml_out_of_range_values_total", "age"] == 1
    assert found["cd4ml_out_of_range_values_total", "city"] == 1
    assert ("cd4ml_out_of_range_values_total", "free") not in found
    assert found["cd4ml_prediction_score_bucket", "0.05"] == 1
    assert found["cd4ml_prediction_score_bucket", "0.5"] == 2
    assert found["cd4ml_prediction_score_sum",] == pytest.approx(2.06)
    assert found["cd4ml_prediction_entropy_bucket", "0.1"] == 1
    assert found["cd4ml_prediction_entropy_bucket", "0.9"] == 2
    assert found["cd4ml_prediction_entropy_bucket", "1.0"] == 4


def test_quality__probabilities_and_numbers() -> None:
    """Probabilities of several classes have their entropy; a model that predicts numbers has their count and sum."""
    several = loaded(Board(), classes=("a", "b", "c", "d"))
    exchange = answered({}, ["a", "b"])
    assert exchange.answers is not None
    exchange.answers.probabilities = [[0.25] * 4, [1.0, 0.0, 0.0, 0.0]]
    several.finished(exchange)
    numbers = loaded(Board(), classes=())
    numbers.finished(answered({}, [1.5, 2.5]))

    assert shown(several)["cd4ml_prediction_entropy_sum",] == pytest.approx(2.0)
    assert shown(numbers)["cd4ml_prediction_value_sum",] == 4.0
    assert shown(numbers)["cd4ml_prediction_value_count",] == 2


def test_quality__numbers_past_the_greatest_double() -> None:
    """A whole number that no double can hold is neither a gap among fractions nor part of a sum."""
    metrics = loaded(Board(), classes=())
    metrics.finished(answered({"free": [10**400, 0.5, None, *[1.5] * 9]}, [10**400, *[2.0] * 11]))
    found = shown(metrics)

    assert found["cd4ml_missing_values_total", "free"] == 1
    assert (found["cd4ml_prediction_value_count",], found["cd4ml_prediction_value_sum",]) == (11, 22.0)


def test_refused_output__no_prediction() -> None:
    """What the model said for a request that was refused in the end is no prediction that anybody got."""
    metrics = loaded(Board(), classes=())
    exchange = answered({"free": [None]}, [2.0])
    exchange.status, exchange.error = 422, "unknown-output"
    metrics.finished(exchange)
    found = shown(metrics)

    assert found["cd4ml_missing_values_total", "free"] == 1
    assert found["cd4ml_prediction_value_count",] == found["cd4ml_request_rows_count", "predict"] == 0


def test_cardinality__bounded() -> None:
    """However many classes, features and codes there are, and however long their names, the series stay few."""
    board = Board()
    columns = [Column(name=f"c{number}" * 100, type="double") for number in range(3000)]
    model = Loaded(classes=range(5000), columns=columns)
    metrics = Metrics(board, 0, model=MODEL, runtime=lambda: model, ranges={})
    for number in range(1000):
        metrics.finished(refused(400, f"code-{number}"))
    metrics.finished(answered({}, list(range(5000))))

    text = metrics.text()
    found = shown(metrics)

    assert len(text) < 150_000
    assert found["cd4ml_predictions_total", "other"] == 4950
    assert found["cd4ml_missing_values_total", "other"] == 2800 * 5000
    assert found["cd4ml_requests_total", "other", "other", ""] == 801


def test_board__full() -> None:
    """Series past the memory's end are counted nowhere, and disturb none of the others."""
    page = Board().page(0)
    page.begin()
    places = [page.place(families.CACHE, (f"{number:090}",)) for number in range(5000)]

    assert places[0] > 0 and places[-1] == 0
    assert len(list(page.series())) == sum(place > 0 for place in places) < 5000


def test_workers__any_of_them_answers_for_all() -> None:
    """A scrape of one worker shows what all have counted; one that takes another's place goes on with its counts."""
    board = Board(2)
    metrics = loaded(board)
    metrics.finished(answered({"age": [40]}, [1]))
    for _ in range(2):
        child = os.fork()
        if child == 0:
            other = loaded(board, worker=1)
            other.finished(answered({"age": [40]}, [1]))
            other.gauge(families.IN_FLIGHT, lambda: 3)
            other.outcomes(families.CACHE, lambda: {"hit": 5})
            other.text()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    metrics.gauge(families.IN_FLIGHT, lambda: 1)

    found = shown(metrics)

    assert found["cd4ml_requests_total", "", "predict", "200"] == 3
    assert found["cd4ml_predictions_total", "1"] == 3
    assert found["cd4ml_cache_total", "hit"] == 10
    assert found["cd4ml_requests_in_flight",] == 4
    assert found["cd4ml_workers",] == 2


def test_ready__only_when_every_worker_is() -> None:
    """The gateway counts as ready only once each worker is: that its model is loaded is not enough."""
    board = Board(2)
    ready = [True, False]
    first, second = loaded(board), loaded(board, 1)
    first.ready, second.ready = (lambda: ready[0]), (lambda: ready[1])
    second.text()

    before = shown(first)["cd4ml_model_ready",]
    ready[1] = True
    second.text()

    assert (before, shown(first)["cd4ml_model_ready",]) == (0, 1)


def test_workers__one_that_ended_keeps_its_counts() -> None:
    """Until a worker is replaced its counts stay in the sum, its gauges do not, and nothing is ready."""
    board = Board(2)
    first, second = loaded(board), loaded(board, 1)
    first.ready = second.ready = lambda: True
    second.finished(answered({"age": [40]}, [1]))
    second.gauge(families.IN_FLIGHT, lambda: 3)
    second.text()
    board.page(1).end()

    found = shown(first)

    assert found["cd4ml_requests_total", "", "predict", "200"] == 1
    assert (found["cd4ml_requests_in_flight",], found["cd4ml_workers",], found["cd4ml_model_ready",]) == (0, 1, 0)


def test_promtool__finds_nothing() -> None:
    """Prometheus' own linter has nothing to say of any metric, and the format reads back what was written."""
    promtool = need_program("promtool")
    metrics = loaded(Board())
    metrics.finished(answered({"age": [None]}, [1], [0.3]))
    for family in families.FAMILIES:
        if family.kind is families.Kind.GAUGE and not family.labels:
            metrics.gauge(family, lambda: 1)
        if family.labels == ("outcome",):
            metrics.outcomes(family, lambda: {"written": 1})
    metrics.histogram(families.FETCHING)(0.003)
    metrics.replaces("SIGKILL")
    loaded_regression = loaded(Board(), classes=())
    found = shown(metrics)

    for text in (metrics.text(), loaded_regression.text()):
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert found["cd4ml_model_info", MODEL["name"] or "", "onnx", "a" * 64, ""] == 1
    counted = [found["cd4ml_feature_lookup_seconds_bucket", bound] for bound in ("0.0025", "0.005", "+Inf")]
    assert (counted, found["cd4ml_feature_lookup_seconds_sum",]) == ([0, 1, 1], 0.003)
    names = {key[0] for key in found} | {key[0] for key in shown(loaded_regression)}
    assert all(any(name.startswith(family.name) for name in names) for family in families.FAMILIES)


@pytest.mark.parametrize(
    "text",
    [
        *(None, "{", "[]"),
        '{"ranges": {"age": {"minimum": "x"}}}',
        '{"ranges": {"age": {"minimum": 9, "maximum": 1}}}',
        '{"ranges": {"age": {"minimum": 1, "max": 9}}}',
        '{"ranges": {"city": {"categories": "Oslo"}}}',
        '{"ranges": {"age": {"minimum": 18}, "city": "odd"}}',
    ],
)
def test_ranges__unreadable_refused(text: str | None, tmp_path: Path) -> None:
    """A file of ranges that is not there, holds none, or says one that counts nothing, is not passed over."""
    if text is not None:
        (tmp_path / "ranges.json").write_text(text)

    with pytest.raises(SettingsError, match="RANGES_FILE"):
        ranges_in(str(tmp_path / "ranges.json"))


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("agee", {"minimum": 18}, "names an unknown feature: 'agee'"),
        ("city", {"minimum": 1}, "'city' is not a column of numbers"),
    ],
)
def test_ranges__of_another_model_refused(name: str, said: dict[str, float], message: str) -> None:
    """Ranges that the model's columns cannot have are refused once it is loaded: they would count nothing for ever."""
    metrics = Metrics(Board(), 0, model=MODEL, runtime=lambda: None, ranges=ranges_of({"ranges": {name: said}}))

    with pytest.raises(SettingsError, match=message):
        metrics.know(Loaded(classes=()))
    loaded(Board()).know(Loaded(classes=()))
