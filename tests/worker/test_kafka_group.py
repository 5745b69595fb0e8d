"""A topic read as a consumer group, on a broker that speaks Kafka's protocol (tansu); what only Kafka itself can show
is in tests/real_engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cd4ml.errors import OptionsError
from cd4ml.report import Status
from cd4ml.worker.sources import kafka_group
from tests.serving.events.brokers import serving
from tests.worker.stream import BEGIN, events, rows, worker, write_profile

AFTER = BEGIN + 3901


def fill(broker: str, found: list[dict[str, Any]]) -> None:
    """Add events to the topic; one in a batch: of several, tansu tells too few."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker, "batch.num.messages": 1})
    for one in found:
        producer.produce("predictions", json.dumps(one))
    assert producer.flush(30) == 0


def test_group__goes_on_where_the_state_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker had read and not kept when it ended is read again by the next one, and counted once."""
    settings = {**kafka_group._SETTINGS, "session.timeout.ms": 1_000, "heartbeat.interval.ms": 250}
    monkeypatch.setattr(kafka_group, "_SETTINGS", settings)
    monkeypatch.setattr(kafka_group, "_MESSAGES", 100)
    write_profile(tmp_path)
    whole = events(rows(400, seed=2), BEGIN)
    with serving() as broker:
        url = f"kafka://{broker}/predictions"
        fill(broker, whole[:300])
        first = worker(tmp_path, url)
        first.now = BEGIN + 3600
        assert first.worker.turn()
        monkeypatch.setattr(first.worker, "commit", lambda: None)
        while first.counts["counted"] < 300:
            first.worker.turn()
        first.worker.close()
        fill(broker, [*whole[300:], *whole[:50]])
        second = worker(tmp_path, url)
        (report,) = second.drain(AFTER)
        second.worker.close()

    assert (report.status, report.inputs[1].rows) == (Status.PASSED, 400)
    assert second.counts == {"counted": 400, "duplicate": 50}
    assert second.worker.state.positions[url] == {"next": {"0": 450}}


@pytest.mark.parametrize("place", ["localhost:9092", "localhost/events?group.id=a&acks=0", "localhost/e?sasl.x=secret"])
def test_address__refused_without_its_password(tmp_path: Path, place: str) -> None:
    """An address without a topic, or with a property that is not one, is refused, and not repeated."""
    write_profile(tmp_path, 200)
    with pytest.raises(OptionsError) as error:
        worker(tmp_path, f"kafka://{place}")

    assert "secret" not in str(error.value)
