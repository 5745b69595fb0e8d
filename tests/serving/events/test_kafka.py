"""Events in a topic of a real broker that speaks Kafka's protocol (tansu)."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cd4ml.serving.events.publisher import Publisher
from cd4ml.serving.events.sinks.kafka import Kafka
from cd4ml.serving.settings import SettingsError
from tests.conftest import ROOT
from tests.serving.events.brokers import serving
from tests.serving.events.exchanges import events, exchange, read
from tests.ports import free_port


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """A broker."""
    with serving() as found:
        yield found


def topic(broker: str, count: int) -> list[dict[str, Any]]:
    """Return so many events of the topic."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": broker, "group.id": "test", "enable.auto.commit": "false"})
    consumer.assign([TopicPartition("predictions", 0, 0)])
    found: list[bytes] = []
    end = time.monotonic() + 30
    while len(found) < count and time.monotonic() < end:
        for message in consumer.consume(count, timeout=0.5):
            assert message.error() is None
            found.append(message.value() or b"")
    consumer.close()
    return read(found)


def test_topic__holds_what_was_delivered(broker: str) -> None:
    """Every event that is counted as delivered is in the topic, once and in order; one that is too large is counted."""

    async def run() -> None:
        publishing = Publisher(
            events(), Kafka(f"kafka://{broker}/predictions", queue=10_000), most_rows=10_000, most_bytes=10**8, drain=20
        )
        await publishing.start()
        for number in range(500):
            publishing.finished(exchange(number))
        large = exchange(500)
        large.batch.columns["city"] = ["x" * 2_000_000]  # type: ignore[union-attr]
        publishing.finished(large)
        await publishing.close()
        assert publishing.counts == {"delivered": 500, "dropped-msg-size-too-large": 1}

    asyncio.run(run())
    assert [event["request_id"] for event in topic(broker, 500)] == [f"request-{number}" for number in range(500)]


def test_broker_that_is_away__queue_is_bounded_and_the_end_too() -> None:
    """Without a broker nobody waits, what does not fit is dropped, and all that is lost at the end is counted."""

    async def run() -> None:
        sink = Kafka(f"kafka://127.0.0.1:{free_port()}/predictions", queue=50)
        publishing = Publisher(events(), sink, most_rows=100, most_bytes=10**8, drain=0.5)
        await publishing.start()
        for number in range(400):
            publishing.finished(exchange(number))
            await asyncio.sleep(0.001)
        began = time.monotonic()
        await publishing.close()
        assert time.monotonic() - began < 10
        assert publishing.counts["delivered"] == 0 and sum(publishing.counts.values()) == 400
        assert publishing.counts["dropped-queue-full"] > 0 and publishing.counts["dropped-shutdown"] > 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("kafka://localhost:9092", "kafka://HOST:PORT/TOPIC"),
        ("kafka://user:secret@localhost:9092/topic", "sasl.username"),
        ("kafka://localhost:9092/topic?acks=0", "'acks' cannot be set"),
        ("kafka://localhost:9092/topic?enable.idempotence=false", "cannot be set"),
        ("kafka://localhost:9092/topic?sasl.secret=secret", "librdkafka refuses"),
    ],
)
def test_url__refused_without_its_password(url: str, problem: str) -> None:
    """What would weaken delivery cannot be set, and what is wrong is said without repeating a password."""
    with pytest.raises(SettingsError) as error:
        Kafka(url, queue=10)

    assert problem in str(error.value) and "secret" not in str(error.value).replace("sasl.secret", "")


def test_client__is_imported_only_where_it_is_used(tmp_path: Path) -> None:
    """A gateway that writes no events to Kafka or Redis imports neither client."""
    code = (
        "import sys\nfrom cd4ml.serving.settings import Settings\nfrom cd4ml.serving.events.setup import publisher\n"
        f"publisher(Settings.read({{'EVENTS': {str(tmp_path / 'events.jsonl')!r}}}), {{}})\n"
        "assert not {'confluent_kafka', 'redis'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
