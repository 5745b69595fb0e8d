"""A whole gateway, watched by what operators have: Prometheus, a collector of spans, and whoever reads its log."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from cd4ml.serving.telemetry import log
from tests.prometheus import prometheus
from tests.serving.conftest import Gateway, running
from tests.serving.telemetry.collector import Collector, collecting
from tests.serving.telemetry.exchanges import PARENT

ROW = {"age": 40, "income": 52000.0, "city": "Oslo"}
RANGES = {"age": {"minimum": 18, "maximum": 75}, "city": {"categories": ["Oslo", "Bergen"]}}
CANARIES = ("Canary-4711", "0.424242")


@dataclass(kw_only=True)
class Watched:
    """A gateway, its collector, and what is read of its log while it runs."""

    gateway: Gateway
    collector: Collector


@pytest.fixture(scope="module")
def watched(loan_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A gateway that sends its spans to a collector."""
    with collecting() as collector:
        scratch = tmp_path_factory.mktemp("watched")
        (scratch / "ranges.json").write_text(json.dumps({"ranges": RANGES}))
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "parentbased_always_off"}
        env["RANGES_FILE"] = str(scratch / "ranges.json")
        with running(loan_model, scratch, env=env) as gateway:
            gateway.until(200)
            yield Watched(gateway=gateway, collector=collector)


def metrics(gateway: Gateway) -> dict[str, float]:
    """Return the samples of a scrape as they are written."""
    answer = gateway.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def eventually(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until a condition holds, and return its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come true")


def test_trace__taken_over_and_answered(watched: Watched) -> None:
    """A caller's trace and request id are in the answer, of a refusal too; without them the answer begins some."""
    headers = {"traceparent": PARENT.decode(), "tracestate": "a=1", "x-request-id": "order-7"}

    good = watched.gateway.client.post("/predict", json={"rows": [ROW]}, headers=headers)
    bad = watched.gateway.client.post("/predict", json={"rows": []}, headers=headers)
    new = watched.gateway.predict([ROW])

    for answer in (good, bad):
        assert answer.headers["traceparent"].split("-")[1] == PARENT.decode().split("-")[1]
        assert (answer.headers["tracestate"], answer.headers["x-request-id"]) == ("a=1", "order-7")
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", new.headers["traceparent"])
    assert new.headers["x-request-id"] == new.headers["traceparent"].split("-")[1]


def test_span__reaches_the_collector(watched: Watched) -> None:
    """The span of a sampled request reaches the collector, and is the one that the answer names."""
    answer = watched.gateway.client.post("/predict", json={"rows": [ROW]}, headers={"traceparent": PARENT.decode()})
    span_id = answer.headers["traceparent"].split("-")[2]

    span = eventually(lambda: [span for span in watched.collector.spans if span.span_id.hex() == span_id])[0]

    assert span.parent_span_id.hex() == PARENT.decode().split("-")[2]


def test_metrics__of_requests_and_inputs(watched: Watched) -> None:
    """Requests, predictions, and inputs that are missing or outside the usual ranges are counted."""
    before = metrics(watched.gateway)
    assert watched.gateway.predict([ROW, ROW | {"age": 17}, ROW | {"income": None}]).status_code == 200
    assert watched.gateway.predict([ROW | {"city": "Rome"}]).status_code == 422
    assert watched.gateway.predict([{"age": "x"}]).status_code == 422
    after = metrics(watched.gateway)

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert more('cd4ml_requests_total{code="",protocol="predict",status="200"}') == 1
    assert more('cd4ml_requests_total{code="rows-do-not-fit",protocol="predict",status="422"}') == 1
    assert more('cd4ml_request_duration_seconds_count{protocol="predict"}') == 3
    assert more('cd4ml_missing_values_total{feature="income"}') == 1
    assert more('cd4ml_out_of_range_values_total{feature="age"}') == 1
    assert more('cd4ml_out_of_range_values_total{feature="city"}') == 1
    assert more("cd4ml_prediction_score_count") == 3
    assert sum(more(f'cd4ml_predictions_total{{class="{label}"}}') for label in (0, 1)) == 3
    assert after["cd4ml_model_ready"] == 1 and after["cd4ml_requests_in_flight"] == 0
    assert after['process_resident_memory_bytes{worker="0"}'] > 10_000_000


def test_prometheus__scrapes_it(watched: Watched, tmp_path: Path) -> None:
    """A real Prometheus scrapes the gateway, and answers queries about it."""
    assert watched.gateway.predict([ROW]).status_code == 200
    target = f"127.0.0.1:{watched.gateway.client.base_url.port}"
    with prometheus(tmp_path, [{"targets": [target]}]) as address:

        def asked(query: str) -> list[Any]:
            answer = httpx.get(f"{address}/api/v1/query", params={"query": query})
            return list(answer.json()["data"]["result"]) if answer.status_code == 200 else []

        (model,) = eventually(lambda: asked("cd4ml_model_info"))
        (quantile,) = eventually(
            lambda: asked("histogram_quantile(0.99, sum by (le) (cd4ml_request_duration_seconds_bucket))")
        )
        (up,) = asked("up")

    assert model["metric"]["name"] == "loans" and model["metric"]["runtime"] == "native"
    assert 0 < float(quantile["value"][1]) <= 10
    assert up["value"][1] == "1"


def test_log__from_the_start_to_the_end(loan_model: Path, tmp_path: Path) -> None:
    """Every line of a gateway's life is JSON with documented fields; none holds a value that was sent or answered."""
    with running(loan_model, tmp_path) as gateway:
        gateway.until(200)
        gateway.client.get("/metrics")
        rows: list[dict[str, Any]] = [{"income": float(CANARIES[1])}, {"city": CANARIES[0]}, {"age": CANARIES[0]}]
        answers = [gateway.predict([ROW | row]) for row in rows]
        os.kill(gateway.process.pid, signal.SIGTERM)
        _, text = gateway.process.communicate(timeout=40)

    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]

    assert [line["status"] for line in requests] == [answer.status_code for answer in answers]
    assert [line["trace_id"] for line in requests] == [answer.headers["x-request-id"] for answer in answers]
    assert [line.get("error") for line in requests] == [None, "refused-by-model", "rows-do-not-fit"]
    assert all(set(line) <= set(log.FIELDS) for line in lines)
    said = [line["message"] for line in lines]
    assert any(message.startswith("ready: model loans") for message in said) and "Shutting down" in said
    assert not any(canary in text for canary in CANARIES)
