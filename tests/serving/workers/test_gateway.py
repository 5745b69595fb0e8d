"""A gateway of several workers, as a process: what it answers, what it shows, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.workers.others import Others
from tests.serving.conftest import Gateway, running
from tests.serving.conversion import service_of
from tests.serving.events.exchanges import files, read
from tests.serving.redis import serving
from tests.serving.telemetry.test_gateway import eventually, metrics
from tests.serving.test_drain import CLIENTS, under_load

ROW = {"age": 40, "income": 52000.0, "city": "Oslo"}
REQUESTS = 'cd4ml_requests_total{code="",protocol="predict",status="200"}'
WORKERS = 2


@pytest.fixture(scope="module")
def gateway(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two workers that is ready."""
    scratch = tmp_path_factory.mktemp("workers")
    env = {"WORKERS": str(WORKERS), "LOG_LEVEL": "warning"}
    with running(people, scratch, env=env, **service_of(people)) as started:
        started.until(200)
        yield started


def asked(gateway: Gateway, path: str, count: int = 20) -> list[Any]:
    """Return the answers to one GET on each of several connections: each worker gives some of them."""
    found = []
    for _ in range(count):
        with gateway.client.stream("GET", path, headers={"connection": "close"}) as answer:
            found.append((answer.status_code, answer.read().decode()))
    return found


def children(gateway: Gateway) -> list[int]:
    """Return the processes of the workers."""
    pid = gateway.process.pid
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_metrics__whichever_worker_answers(gateway: Gateway) -> None:
    """Requests to all workers are in the one sum that each of them shows within a second."""
    before = metrics(gateway).get(REQUESTS, 0)
    for _ in range(20):
        head = {"connection": "close"}
        assert gateway.client.post("/predict", json={"rows": [ROW]}, headers=head).status_code == 200

    shown = [text for _, text in asked(gateway, "/metrics")]

    assert all(f"{REQUESTS} {before + 20}" in text for text in shown)
    assert all("\ncd4ml_workers 2.0\n" in text and "\ncd4ml_model_ready 1.0\n" in text for text in shown)
    both = [text for text in shown if all(f'process_open_fds{{worker="{worker}"}}' in text for worker in range(2))]
    assert len(both) == len(shown)


def test_connections__to_all_workers(gateway: Gateway) -> None:
    """Of 200 connections that stay open, each worker has a fair part: five standard deviations of a coin's at most."""
    host, port = gateway.client.base_url.host, gateway.client.base_url.port or 80
    connections = [socket.create_connection((host, port), timeout=20) for _ in range(CLIENTS)]
    try:
        ports = {connection.getsockname()[1] for connection in connections}
        eventually(lambda: sum(taken(gateway, ports)) == CLIENTS, seconds=60)
        found = taken(gateway, ports)
    finally:
        for connection in connections:
            connection.close()
    assert abs(found[0] - CLIENTS / 2) <= 5 * (CLIENTS / 4) ** 0.5


def taken(gateway: Gateway, ports: set[int]) -> list[int]:
    """Return how many of the connections from these ports each worker has."""
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in table if int(line[2].rpartition(":")[2], 16) in ports}
    return [len(sockets.intersection(opened(child))) for child in children(gateway)]


def opened(process: int) -> Iterator[str]:
    """Yield what a process has open; a file that it closes meanwhile is left out."""
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            yield os.readlink(file)


def test_killed__replaced_shown_and_told(gateway: Gateway) -> None:
    """A killed worker is replaced, and the gateway is ready again; metric and log say what happened."""
    first, second = children(gateway)
    count = metrics(gateway)[REQUESTS]
    os.kill(second, signal.SIGSTOP)
    os.kill(second, signal.SIGKILL)

    eventually(lambda: second not in children(gateway) and len(children(gateway)) == WORKERS)
    gateway.until(200)

    found = metrics(gateway)
    assert found['cd4ml_worker_restarts_total{reason="SIGKILL"}'] == 1 and found["cd4ml_workers"] == WORKERS
    assert found[REQUESTS] == count and first in children(gateway)
    assert gateway.process.stderr is not None
    said = json.loads(gateway.process.stderr.readline())
    assert (said["level"], said["message"]) == ("error", f"worker 1 (process {second}) has ended: SIGKILL")


def test_others__all_must_be_ready() -> None:
    """A worker is not ready, and says for which other, until every other one is, and again when one has ended."""
    board = Board(3)
    others = Others(board, 1)
    before = others.ready()
    board.page(0).beat(ready=True)
    half = others.ready()
    board.page(2).beat(ready=True)
    whole = others.ready()
    board.page(0).end()

    assert (before, half) == ("worker 0 is not ready", "worker 2 is not ready")
    assert (whole, others.ready()) == (None, "worker 0 is not ready")
    assert Others(Board(1), 0).ready() is None


def test_port_in_use__told_at_once(people: Path, gateway: Gateway, tmp_path: Path) -> None:
    """A second gateway on the port gets no share of the first one's connections: it ends, and says why."""
    port = str(gateway.client.base_url.port)
    env = {"WORKERS": "2", "PORT": port}
    with running(people, tmp_path, env=env, **service_of(people)) as second:
        assert second.process.wait(60) == 3
        assert second.process.stderr is not None
        said = json.loads(second.process.stderr.readline())
    assert said["message"] == f"cannot listen on 127.0.0.1, port {port}: Address already in use"


def test_setting_that_cannot_be__told_once(people: Path, tmp_path: Path) -> None:
    """A wrong setting ends the gateway before anything is forked, with one line and the exit code of such mistakes."""
    env = {"WORKERS": "2", "EVENTS": "ftp://nowhere"}
    with running(people, tmp_path, env=env, **service_of(people)) as started:
        _, said = started.process.communicate(timeout=60)
    assert started.process.returncode == 2
    assert [json.loads(line)["message"] for line in said.splitlines()] == [
        "EVENTS must be a path, stdout, redis://…, rediss://… or kafka://…"
    ]


def test_sigterm__no_request_is_lost(people: Path, tmp_path: Path) -> None:
    """Under 200 clients that keep their connections, every one is answered, and told that the answer is the last."""
    with running(people, tmp_path, env={"WORKERS": "2", "LOG_LEVEL": "error"}, **service_of(people)) as started:
        started.until(200)
        started.client.close()

        ended = asyncio.run(under_load(started))

        assert started.process.wait(timeout=20) == 0
    assert ended == ["told"] * CLIENTS


def test_stores_and_events__of_each_worker(people: Path, tmp_path: Path) -> None:
    """Each worker has its own connections to Redis; a row that one has answered comes from the cache of both, and the
    file of events has every line whole.
    """
    path = tmp_path / "events.jsonl"
    env = {"WORKERS": "2", "EVENTS": str(path), "LOG_LEVEL": "error", "EVENTS_FILE_BYTES": "4000", "EVENTS_FILES": "90"}
    with serving() as server:
        env |= {"CACHE": "require", "REDIS_URL": server.url, "CACHE_SLOW_MS": "1000", "CACHE_BUDGET_MS": "1000"}
        with running(people, tmp_path, env=env, **service_of(people)) as started:
            started.until(200)
            for age in [40] * 40 + list(range(18, 58)):
                head = {"connection": "close"}
                rows = {"rows": [{**ROW, "age": age}] * 3}
                assert started.client.post("/predict", json=rows, headers=head).status_code == 200
            # Another worker's counts of the cache are as of its last beat.
            eventually(lambda: metrics(started)['cd4ml_cache_total{outcome="hit"}'] >= 36)
            os.kill(started.process.pid, signal.SIGTERM)
            assert started.process.wait(30) == 0
    found = read(files(path))
    assert len(found) == 240 and len({event["trace_id"] for event in found}) == 80
