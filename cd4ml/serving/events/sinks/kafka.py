"""Events in a Kafka topic: each written once in order, acknowledged by all replicas, kept while the broker is away."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from cd4ml.serving.events.sinks.sink import Unavailable
from cd4ml.serving.settings import SettingsError

_LOG: Final = logging.getLogger("uvicorn.error")
_ALLOWED: Final = ("security.", "ssl.", "sasl.", "compression.", "client.", "linger.ms", "message.timeout.ms")
_POLL: Final = 0.1


class Kafka:
    """A topic. librdkafka sends in a thread of its own, outside Python, and tries again for five minutes."""

    def __init__(self, url: str, *, queue: int) -> None:
        """Prepare; nothing is connected.

        Args:
            url: `kafka://HOST:PORT[,HOST:PORT…]/TOPIC[?PROPERTY=VALUE…]` with properties of librdkafka.
            queue: how many events may wait for the broker.

        Raises:
            SettingsError: the URL names no topic or an unknown property, or the client is not installed.
        """
        parts = urlsplit(url)
        topic = parts.path.strip("/")
        if not parts.netloc or not topic or "/" in topic or "@" in parts.netloc:
            raise SettingsError("EVENTS must be kafka://HOST:PORT/TOPIC; users are `?sasl.username=…&sasl.password=…`")
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        if odd := [name for name in given if not name.startswith(_ALLOWED)]:
            raise SettingsError(f"EVENTS: {odd[0][:60]!r} cannot be set; what can begins with {', '.join(_ALLOWED)}")
        self.counts: Counter[str] = Counter()
        self._topic = topic
        self._poller: asyncio.Task[None] | None = None
        self._properties = {"linger.ms": "20", "compression.type": "lz4"} | given
        self._properties |= {
            "bootstrap.servers": parts.netloc,
            "acks": "all",
            "enable.idempotence": "true",
            "queue.buffering.max.messages": str(queue),
            "queue.buffering.max.kbytes": str(32 * 1024),
            "log.connection.close": "false",
        }
        # Only to see that it can be made: its threads would not outlive a fork of the process.
        self._made()
        self._producer: Any = None

    def _made(self) -> Any:
        """Return the producer."""
        try:
            from confluent_kafka import KafkaException, Producer
        except ImportError:
            raise SettingsError(
                "EVENTS: the Kafka client is not in this image; build it with `kafka-events: true`"
            ) from None
        try:
            return Producer(self._properties, logger=_LOG)
        except (KafkaException, ValueError, TypeError):
            raise SettingsError("EVENTS: librdkafka refuses the properties of the URL") from None

    async def start(self) -> None:
        """See Sink."""
        self._producer = self._made()
        self._poller = asyncio.create_task(self._poll())

    async def send(self, events: Sequence[bytes]) -> None:
        """See Sink."""
        from confluent_kafka import KafkaException

        for at, event in enumerate(events):
            try:
                self._producer.produce(self._topic, event, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0)
                raise Unavailable("the broker takes no more", events[at:]) from None
            except KafkaException as error:  # too large, for one
                self.counts[f"dropped-{_reason(error.args[0])}"] += 1
        self._producer.poll(0)

    async def close(self, seconds: float) -> None:
        """See Sink."""
        if self._poller is None:
            return
        self._poller.cancel()
        await asyncio.gather(self._poller, return_exceptions=True)
        left = await asyncio.to_thread(self._producer.flush, seconds)
        self.counts["dropped-shutdown"] += left

    async def _poll(self) -> None:
        """Take reports of deliveries, which librdkafka keeps until it is asked for them."""
        while True:
            self._producer.poll(0)
            await asyncio.sleep(_POLL)

    def _delivered(self, error: Any, _message: Any) -> None:
        """Count an event by what became of it."""
        self.counts[f"dropped-{_reason(error)}" if error else "delivered"] += 1


def _reason(error: Any) -> str:
    """Return librdkafka's name of an error, as it is counted."""
    return str(error.name()).strip("_").lower().replace("_", "-")
