"""A real Kafka that is frozen, shut down and started again under load: what the gateway, its events and the worker do;
and workers that are killed while they read."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from cd4ml.cli import main
from tests.conftest import ROOT, clean_environment
from tests.real_engines.kafka import Broker, running
from tests.real_engines.test_kafka_group import fill
from tests.serving.conftest import running as serving
from tests.worker.stream import events, rows, worker, write_profile

PAUSE = float(os.environ.get("CD4ML_PAUSE", "5"))
KILLS = int(os.environ.get("CD4ML_KILLS", "5"))
ROW = {"age": 40, "income": 3.5, "city": "Oslo"}


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker."""
    with running() as found:
        yield found


@dataclass
class Load:
    """Requests one after another, about fifty a second, until it is told to end."""

    address: str
    codes: list[int] = field(default_factory=list)
    slowest: float = 0.0
    ending: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask."""
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while not self.ending.is_set():
                began = time.monotonic()
                head = {"X-Request-ID": f"r{len(self.codes)}"}
                self.codes.append(client.post("/predict", json={"rows": [ROW]}, headers=head).status_code)
                self.slowest = max(self.slowest, time.monotonic() - began)
                time.sleep(0.02)


def topic(broker: Broker, name: str, count: int) -> list[str]:
    """Return the requests whose events are in a topic, once there are so many."""
    from confluent_kafka import Consumer

    settings = {"bootstrap.servers": broker.address, "group.id": "test", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    consumer.subscribe([name])
    found: list[str] = []
    end = time.monotonic() + 120
    while len(found) < count and time.monotonic() < end:
        messages = consumer.consume(1_000, timeout=1.0)
        found += [json.loads(one.value() or b"{}")["request_id"] for one in messages if one.error() is None]
    found += [json.loads(one.value() or b"{}")["request_id"] for one in consumer.consume(1_000, timeout=3.0)]
    consumer.close()
    return found


def test_outage__no_request_fails_and_no_event_is_lost(broker: Broker, loan_model: Path, tmp_path: Path) -> None:
    """While the broker is frozen, and while it is away, every request is answered; each event is in the topic once, and
    the worker counts them all once it can read again."""
    write_profile(tmp_path)
    broker.topic("outage")
    url = f"kafka://{broker.address}/outage"
    env = {"EVENTS": url, "EVENTS_QUEUE": "100000", "EVENTS_DRAIN_SECONDS": "60"}
    with serving(loan_model, tmp_path, env=env) as gateway:
        gateway.until(200)
        load = Load(str(gateway.client.base_url))
        asking = threading.Thread(target=load.run)
        asking.start()
        watching = worker(tmp_path, url, names=("age", "income", "city"))
        watching.now = time.time()
        while not watching.counts.get("counted"):
            watching.worker.turn()
        broker.signal(signal.SIGSTOP)
        time.sleep(PAUSE)
        broker.signal(signal.SIGCONT)
        seen = watching.counts["counted"]
        while watching.counts["counted"] <= seen:
            watching.worker.turn()
        broker.stop()
        end = time.monotonic() + PAUSE
        while time.monotonic() < end:
            watching.worker.turn()
        away = dict(watching.worker.away)
        broker.start()
        time.sleep(2)
        load.ending.set()
        asking.join(60)
        gateway.client.close()
        os.kill(gateway.process.pid, signal.SIGTERM)
        _, said = gateway.process.communicate(timeout=120)
    sent = len(load.codes)
    found = topic(broker, "outage", sent)
    while watching.counts["counted"] < sent:
        watching.worker.turn()
    watching.worker.close()
    print(f"{sent} requests, twice {PAUSE:g} s without a broker, the slowest took {load.slowest * 1000:.0f} ms")

    assert set(load.codes) == {200}
    assert "events were lost" not in said and gateway.process.returncode == 0
    assert sorted(found) == sorted(f"r{number}" for number in range(sent))
    assert away and watching.counts == {"counted": sent}


def test_killed__nothing_lost_or_doubled(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that are killed at random points of reading count each event once, and all of them."""
    monkeypatch.chdir(tmp_path)
    write_profile(tmp_path)
    Path("cd4ml.yaml").write_text("detect-drift: {reference: profile.json, exclude: [y_score]}\n")
    broker.topic("killed")
    url, whole, rng = (
        f"kafka://{broker.address}/killed",
        events(rows(4_000, seed=2), time.time() - 60, 60.0),
        random.Random(7),
    )
    fill(broker, "killed", [*whole[:2_500], *whole[2_000:], *whole[:500]])
    rooms = "from cd4ml.worker import program as p; from cd4ml.worker.sources import kafka_group as k"
    start = f"{rooms}; k._MESSAGES, p.COMMIT_SECONDS = 40, 0; import cd4ml.__main__"
    command = [sys.executable, "-c", start, "monitor", "--events", url, "--metrics-port", "0", "--window", "1d"]
    for _ in range(KILLS):
        environ = clean_environment(PYTHONPATH=str(ROOT))
        with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None and re.search(r"http://", process.stderr.readline())
            time.sleep(0.2 + rng.random() * 0.6)
            process.kill()

    # The day has not ended: what was counted stands in the state alone.
    assert main(["monitor", "--events", url, "--once", "--window", "1d"]) == 4
    with np.load("monitor-state.npz") as arrays:
        told = json.loads(arrays["told"].tobytes())
    assert told["totals"]["counts"] == {"counted": 4_000, "duplicate": 1_000}
