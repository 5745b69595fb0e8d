"""A Redis Stream read as a consumer group: at least once from Redis, once in the counts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError
from cd4ml.report import Status
from cd4ml.worker.sources import redis_group
from tests.serving.redis import Server, serving
from tests.worker.stream import BEGIN, events, rows, worker, write_profile

AFTER = BEGIN + 3901


def fill(server: Server, found: list[dict[str, Any]]) -> None:
    """Add events to the stream, as the gateway does."""
    with server.ask() as client, client.pipeline(transaction=False) as pipeline:
        for one in found:
            pipeline.xadd("credit", {"event": json.dumps(one)})
        pipeline.execute()


def test_group__killed_stopped_and_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that end at any point count each entry once; a Redis that is away is waited for, one that comes back
    without its data is read from there on; nothing acknowledged is delivered again."""
    monkeypatch.setattr(redis_group, "_ENTRIES", 60)
    write_profile(tmp_path)
    whole = events(rows(1_200, seed=2), BEGIN)
    rng = random.Random(5)
    with serving() as server:
        url = f"{server.url}/credit"
        fill(server, [*whole[:700], *whole[600:1_000]])
        for _ in range(12):
            worker(tmp_path, url).crash(rng.randrange(3), BEGIN + 3600, monkeypatch)
        running = worker(tmp_path, url)
        running.drain(BEGIN + 3600)
        with server.ask() as client:
            pending: Any = client.xpending("credit", redis_group.GROUP)
        server.kill()
        assert not running.worker.turn() and "no answer from redis://" in running.worker.away[url]
        assert running.reports[-1].status is Status.ERROR
        server.start()
        fill(server, whole[1_000:])
        (report,) = running.drain(AFTER)
        running.worker.close()

    assert pending["pending"] == 0
    assert (report.status, report.inputs[1].rows) == (Status.PASSED, 1_200)
    assert running.worker.away == {} and running.counts["duplicate"] == 100


@pytest.mark.parametrize("place", ["localhost", "localhost:99999/events", "[localhost/events"])
def test_address__refused_without_its_password(tmp_path: Path, place: str) -> None:
    """An address without a stream, or that is none, is refused, and not repeated."""
    write_profile(tmp_path, 200)
    with pytest.raises(OptionsError) as error:
        worker(tmp_path, f"redis://:secret@{place}")

    assert "secret" not in str(error.value)
