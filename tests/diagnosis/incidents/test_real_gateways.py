"""The three incidents, made with real gateways: each is found by what these say of themselves, its near miss is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto, helper, save

from cd4ml.diagnosis.incidents.metrics import KILLED, READY, Metrics, from_text
from cd4ml.image import probe
from tests import reports
from tests.diagnosis.incidents.asking import diagnosed
from tests.observe.test_prometheus import serving
from tests.prometheus import prometheus
from tests.serving.conftest import Gateway, running
from tests.serving.conversion import SHA256, service_of
from tests.serving.telemetry.test_gateway import eventually

RANGES = {"income": {"minimum": 0, "maximum": 200_000}}
MEMORY = "resources:\n  limits:\n    memory: {}\n"
VALUES = 'metrics:\n  rules:\n    p99Seconds: {:.6f}\nenv:\n  MAX_ROWS: "1000"\n'
OOM = 'kube_pod_container_status_last_terminated_reason{namespace="models",pod="credit-1",reason="OOMKilled"} 1\n'


@dataclass(kw_only=True)
class Story:
    """What a gateway left behind.

    Attributes:
        volume, broken: when the traffic grew, and when upstream changed.
        measured: details of a simulation, as build-image would report them.
    """

    folder: Path
    gateway: Gateway
    volume: datetime
    broken: datetime
    measured: dict[str, Any]


def model(folder: Path, products: int = 0) -> Path:
    """Return a model that approves incomes above 22,000, after so many products of matrices of rows by rows."""
    nodes = [
        helper.make_node("Cast", ["income"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["x"], ["y"]),
        helper.make_node("MatMul", ["x", "y"], ["0"]),
        *(helper.make_node("MatMul", [f"{number}", "0"], [f"{number + 1}"]) for number in range(products)),
        helper.make_node("ReduceMax", [f"{products}", "axes"], ["all"], keepdims=0),
        helper.make_node("Greater", ["x", "limit"], ["high"]),
        helper.make_node("Less", ["low", "all"], ["always"]),
        helper.make_node("Unsqueeze", ["always", "axes"], ["column"]),
        helper.make_node("And", ["high", "column"], ["both"]),
        helper.make_node("Squeeze", ["both", "axes"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["label"], to=TensorProto.INT64),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        helper.make_tensor("limit", TensorProto.FLOAT, [1], [22_000.0]),
        helper.make_tensor("low", TensorProto.FLOAT, [1], [-1.0]),
    ]
    given = helper.make_tensor_value_info("income", TensorProto.DOUBLE, [None, 1])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, [None])
    folder.mkdir(parents=True)
    graph = helper.make_graph(nodes, "incomes", [given], [label], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "model.onnx")
    signature = {
        "model_sha256": SHA256,
        "columns": [{"name": "income", "type": "double", "required": True}],
        "inputs": [{"name": "income", "columns": ["income"], "type": "double"}],
        "label": "label",
    } | dict.fromkeys(("score", "probabilities", "positive_label")) | {"classes": []}  # fmt: skip
    (folder / "signature.json").write_text(json.dumps(signature))
    return folder


def rows(number: int, seed: int, times: float = 1.0) -> list[dict[str, Any]]:
    """Return people with their incomes."""
    return [{"income": round(float(one) * times, 2)} for one in np.random.default_rng(seed).lognormal(10, 0.4, number)]


def ask(gateway: Gateway, asked: list[dict[str, Any]], at_once: int = 5) -> None:
    """Ask for predictions, some rows in each request."""
    for start in range(0, len(asked), at_once):
        assert gateway.predict(asked[start : start + at_once]).status_code == 200


def wait_for(file: Path, events: int) -> None:
    """Wait until so many events were written."""
    eventually(lambda: file.exists() and len(file.read_text().splitlines()) >= events, seconds=60)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A gateway that gets some traffic, then fifteen times as many rows, then incomes a thousand times as large."""
    folder = tmp_path_factory.mktemp("story")
    served = model(folder / "model")
    (folder / "ranges.json").write_text(json.dumps({"ranges": RANGES}))
    env = {"EVENTS": str(folder / "events.jsonl"), "RANGES_FILE": str(folder / "ranges.json")}
    began = datetime.now(UTC)
    with running(served, folder, env=env, **service_of(served)) as gateway:
        gateway.until(200)
        took = (datetime.now(UTC) - began).total_seconds()
        ready = probe.resident_bytes([Path(f"/proc/{gateway.process.pid}")])
        ask(gateway, rows(400, 1))
        volume = datetime.now(UTC)
        ask(gateway, rows(1200, 2))
        ask(gateway, rows(4800, 3), at_once=400)
        wait_for(folder / "events.jsonl", 6400)
        (folder / "calm.jsonl").write_text((folder / "events.jsonl").read_text())
        (folder / "calm.txt").write_text(gateway.client.get("/metrics").text)
        broken = datetime.now(UTC)
        ask(gateway, rows(300, 4, times=1000.0))
        wait_for(folder / "events.jsonl", 6700)
        (folder / "metrics.txt").write_text(gateway.client.get("/metrics").text)
        peak = probe.resident_bytes([Path(f"/proc/{gateway.process.pid}")], "VmHWM")
        load = {"rows": 400, "peak_mib": round(peak / 1024**2, 1)}
        measured = {"ready_mib": round(ready / 1024**2, 1), "startup_seconds": round(took, 2), "load": load}
        yield Story(folder=folder, gateway=gateway, volume=volume, broken=broken, measured=measured)


def said(judged: Mapping[str, Any]) -> str:
    """Return everything that is said of an incident."""
    return json.dumps(judged)


def test_unit_changed_upstream__found(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """Incomes that come a thousand times as large are named with their factor, beside the gateway's count of them."""
    found = diagnosed(
        story.folder, capsys, "--events", "events.jsonl", "--metrics-file", "metrics.txt",
        "--since", story.broken.isoformat(), "--maximum-p99-ms", "20000", code=1,
    )  # fmt: skip

    judged = found["upstream-change"]
    assert judged["answer"] == "found" and found["latency-grows-with-input"]["answer"] == "not-this"
    assert "`income` came in another unit: times a thousand" in judged["told"]
    assert any("cd4ml_out_of_range_values_total" in one["source"] and one["value"] == 300 for one in judged["evidence"])
    assert judged["changes"][0]["key"] == "income"
    assert found["out-of-memory"]["answer"] == "cannot-tell" and "values: " in found["out-of-memory"]["lacking"][0]


def test_more_traffic_alone__not_found(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """Fifteen times as many rows of the same people, in large requests too, are no upstream change and not slow."""
    (story.folder / "fits.yaml").write_text(MEMORY.format("64Gi"))
    reports.write(story.folder / "measured", "build-image", details={"simulation": story.measured})

    found = diagnosed(
        story.folder, capsys, "--events", "calm.jsonl", "--metrics-file", "calm.txt",
        "--since", story.volume.isoformat(), "--values", "fits.yaml", "--reports", "measured",
        "--maximum-p99-ms", "20000", code=0,
    )  # fmt: skip

    assert {one["answer"] for one in found.values()} == {"not-this"}
    assert "predictions are as before" in found["upstream-change"]["told"]
    assert "400 rows: 0 of 12 requests" in said(found["latency-grows-with-input"])


def test_latency__found_on_large_requests(story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that compares every row with every other one breaks the limit on large requests."""
    served = model(tmp_path / "slow", products=3)
    with running(served, tmp_path, env={"EVENTS": str(tmp_path / "events.jsonl")}, **service_of(served)) as gateway:
        gateway.until(200)
        ask(gateway, rows(60, 1), at_once=1)
        ask(gateway, rows(12_000, 2), at_once=1000)
        wait_for(tmp_path / "events.jsonl", 12_060)
        (tmp_path / "metrics.txt").write_text(gateway.client.get("/metrics").text)
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    large = median(event["latency_ms"] for event in events if event["rows"] == 1000)
    (tmp_path / "values.yaml").write_text(VALUES.format(large / 2000))

    found = diagnosed(
        tmp_path, capsys, "--events", "events.jsonl", "--metrics-file", "metrics.txt", "--values", "values.yaml", code=1
    )

    judged = found["latency-grows-with-input"]
    assert judged["answer"] == "found" and "requests of 1,000 rows and more" in judged["told"]
    assert ", in values.yaml:3" in said(judged)
    assert judged["changes"][-1]["key"] == "resources.limits.cpu"
    assert found["upstream-change"]["lacking"] == ["since was not given: when the trouble began"]


def test_memory__more_than_the_pod_may_have(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit below what a real gateway needs once it is ready is named with its line, and what would do."""
    (story.folder / "small.yaml").write_text(MEMORY.format("16Mi"))
    reports.write(story.folder / "measured", "build-image", details={"simulation": story.measured})

    found = diagnosed(
        story.folder, capsys, "--values", "small.yaml", "--reports", "measured", "--metrics-file", "metrics.txt", code=1
    )

    judged = found["out-of-memory"]
    needs = story.measured["load"]["peak_mib"]
    (change,) = judged["changes"]
    assert judged["answer"] == "found" and (change["place"], change["key"]) == (
        "small.yaml:3",
        "resources.limits.memory",
    )
    assert needs * 1.25 <= float(change["to"].removesuffix("Mi")) <= needs * 1.25 + 64
    ready = next(one for one in judged["evidence"] if "gateways that are ready" in one["says"])
    assert ready["contradicts"] and ready["value"] == 1


def test_slow_start__with_enough_memory__not_found(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    """A pod that takes longer to start than it may has another trouble, which is said with the value to change."""
    (story.folder / "slow.yaml").write_text("startupSeconds: 0.01\n" + MEMORY.format("64Gi"))
    reports.write(story.folder / "measured", "build-image", details={"simulation": story.measured})

    judged = diagnosed(story.folder, capsys, "--values", "slow.yaml", "--reports", "measured", code=4)["out-of-memory"]

    assert judged["answer"] == "not-this" and "is restarted after 0.01 s: that is no OOM" in said(judged)
    assert [(one["place"], one["key"]) for one in judged["changes"]] == [("slow.yaml:1", "startupSeconds")]


def test_prometheus__says_who_was_killed(story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A container that Prometheus says was OOMKilled is found, and the limit that is large enough contradicts."""
    reports.write(tmp_path / "reports", "build-image", details={"simulation": story.measured})
    (tmp_path / "values.yaml").write_text(MEMORY.format("64Gi"))
    with scraped(tmp_path, story.gateway) as address:
        arguments = ("--prometheus", address, "--pod-selector", 'namespace="models"', "--values", "values.yaml")
        found = diagnosed(tmp_path, capsys, *arguments, code=1)
        elsewhere = diagnosed(tmp_path, capsys, *arguments[:3], 'namespace="others"', *arguments[4:], code=4)

    judged = found["out-of-memory"]
    assert judged["answer"] == "found" and "credit-1" in judged["told"]
    assert [one["contradicts"] for one in judged["evidence"] if "the gateway needs" in one["says"]] == [True, True]
    assert elsewhere["out-of-memory"]["answer"] == "not-this"
    assert "requests take more than 500 ms" in said(found["latency-grows-with-input"])


def pods(request: BaseHTTPRequestHandler) -> None:
    """Say what kube-state-metrics would."""
    request.send_response(200)
    request.send_header("Content-Type", "text/plain; version=0.0.4")
    request.end_headers()
    request.wfile.write(OOM.encode())


@contextmanager
def scraped(folder: Path, gateway: Gateway) -> Iterator[str]:
    """Run a Prometheus that scrapes a gateway and what says who was killed, and return its address."""
    with serving(pods) as states:
        targets = [f"127.0.0.1:{gateway.client.base_url.port}", f"127.0.0.1:{states}"]
        with prometheus(folder, [{"targets": targets}]) as address:
            eventually(lambda: knows(address, READY) and knows(address, KILLED), seconds=60)
            yield address


def knows(address: str, name: str) -> bool:
    """Whether a Prometheus has a metric."""
    try:
        return bool(httpx.get(f"{address}/api/v1/query", params={"query": name}).json()["data"]["result"])
    except (httpx.TransportError, ValueError, LookupError):
        return False


def test_metrics__as_a_gateway_writes_them(story: Story) -> None:
    """What is read of a gateway's own text are its numbers: requests by their duration, rows, ranges."""
    found: Metrics = from_text(str(story.folder / "metrics.txt"))

    assert sum(count for _, count in found.seconds) == 80 + 240 + 12 + 60
    assert found.rows == 400 + 1200 + 4800 + 300
    assert found.outside["income"] == 300 and found.ready == [1.0] and found.killed is None
    assert np.isinf(found.seconds[-1][0]) and found.slower(0.0) == (392, 392, 392)
