"""The worker on a real Kafka: each event once, whatever ends, goes away, or is assigned anew."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cd4ml.observe.events import labels
from cd4ml.observe.events.lines import decoded
from cd4ml.report import Status
from cd4ml.worker.sources import kafka_group
from cd4ml.worker.sources.batch import Decode
from tests.real_engines.kafka import Broker, running
from tests.worker.stream import BEGIN, events, rows, worker, write_profile

AFTER = BEGIN + 3901


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker."""
    with running() as found:
        yield found


def fill(broker: Broker, topic: str, found: list[dict[str, Any]]) -> None:
    """Add events to the topic, acknowledged by the broker."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": broker.address, "acks": "all", "enable.idempotence": True})
    for one in found:
        producer.produce(topic, json.dumps(one))
    assert producer.flush(60) == 0


def lag(broker: Broker, topic: str) -> int:
    """Return how many messages of the topic the group has not committed."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": kafka_group.GROUP})
    places = [
        TopicPartition(topic, number) for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ]
    ends = {one.partition: consumer.get_watermark_offsets(one, timeout=30)[1] for one in places}
    committed = consumer.committed(places, timeout=30)
    consumer.close()
    return sum(ends[one.partition] - max(one.offset, 0) for one in committed)


def test_group__crashes_and_a_broker_that_stops(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that end at any point count each message once; a broker that was shut down is waited for, and silence
    ends no window meanwhile; what the state holds is committed, and nothing else."""
    monkeypatch.setattr(kafka_group, "_MESSAGES", 60)
    monkeypatch.setattr(kafka_group, "_PATIENCE", 5.0)
    write_profile(tmp_path)
    broker.topic("credit")
    url, whole, rng = f"kafka://{broker.address}/credit", events(rows(1_200, seed=2), BEGIN), random.Random(5)
    fill(broker, "credit", [*whole[:700], *whole[600:1_000]])
    for _ in range(6):
        worker(tmp_path, url).crash(rng.randrange(4), BEGIN + 3600, monkeypatch)
    running = worker(tmp_path, url)
    running.drain(BEGIN + 3600)
    broker.stop()
    running.drain(AFTER)
    away = dict(running.worker.away)
    broker.start()
    fill(broker, "credit", whole[1_000:])
    while running.worker.away:
        running.worker.turn()
    running.drain(AFTER)
    running.worker.close()
    report = running.reports[-1]

    assert "no answer from kafka://" in away[url] or "sent nothing" in away[url]
    assert [one.status for one in running.reports] == [Status.ERROR, Status.PASSED]
    assert (report.inputs[1].rows, running.counts["duplicate"]) == (1_200, 100)
    assert lag(broker, "credit") == 0


@pytest.mark.parametrize(("topic", "decode"), [("predicted", decoded), ("true", labels.decoded)])
def test_group__what_was_dropped_unread_is_told(broker: Broker, topic: str, decode: Decode) -> None:
    """Messages that the broker dropped before they were read are unreadable ones, of events as of labels."""
    from confluent_kafka import TopicPartition

    broker.topic(topic, partitions=1)
    said = events(rows(10, seed=2), BEGIN)
    fill(broker, topic, said if topic == "predicted" else [{"id": one["id"], "y_true": 1} for one in said])
    client, place = broker.admin(), TopicPartition(topic, 0, 5)
    assert client.delete_records([place])[place].result(60).low_watermark == 5
    url = f"kafka://{broker.address}/{topic}"
    source = kafka_group.KafkaGroup(url, {url: {"next": {"0": 2}}}, decode)
    batches = list(iter(source.read, None))
    source.close()

    assert (sum(one.unreadable for one in batches), sum(len(one.events) for one in batches)) == (3, 5)
    assert [place for one in batches for place in one.places] == [
        f"{url}, partition 0: offsets 2 to 4 were dropped unread"
    ]
    assert len({tuple(one.events.columns) for one in batches}) == 1


def test_group__topic_that_was_made_again_is_read_from_its_beginning(broker: Broker) -> None:
    """A topic that ends before the place where the state says to go on is another one: all of it is read, once."""
    broker.topic("again", partitions=1)
    fill(broker, "again", events(rows(10, seed=2), BEGIN))
    url = f"kafka://{broker.address}/again"
    source = kafka_group.KafkaGroup(url, {url: {"next": {"0": 20}}})
    batches = list(iter(source.read, None))
    source.close()

    assert [one.unreadable for one in batches] == [0] * len(batches)
    assert sum(len(one.events) for one in batches) == 10
    assert source.position() == {"next": {"0": 10}}
