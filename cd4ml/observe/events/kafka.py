"""Events of a Kafka topic, from its beginning to where it ended when reading began. No offset is committed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.events.lines import decoded
from cd4ml.observe.events.part import Part

_MESSAGES: Final = 10_000
_SECONDS: Final = 15.0
# Properties of librdkafka that may follow in the address, as for the gateway.
_PROPERTIES: Final = ("security.", "ssl.", "sasl.", "client.")


def parts(url: str) -> Iterator[Part]:
    """Yield the events of a topic.

    Args:
        url: `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`, with properties of librdkafka after `?`.

    Raises:
        OptionsError: the address names no topic, or the client is not installed.
        UnavailableError: no broker answers, or there is no such topic.
    """
    address = address_of(url)
    from confluent_kafka import KafkaException

    try:
        consumer = address.consumer(
            {"group.id": "cd4ml-analyze-rollout", "enable.auto.commit": False, "enable.partition.eof": False}
        )
        try:
            yield from _messages(consumer, address.topic, address.name)
        finally:
            consumer.close()
    except KafkaException as error:
        raise UnavailableError(f"no answer from {address.name}: {error.args[0].name()}") from error


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a topic is.

    Attributes:
        name: for people, without secrets.
        properties: of librdkafka.
    """

    name: str
    topic: str
    properties: Mapping[str, str] = field(repr=False)

    def consumer(self, settings: Mapping[str, Any]) -> Any:
        """Return a consumer; nothing is connected.

        Args:
            settings: beside those of the address, which they yield to.

        Raises:
            OptionsError: librdkafka refuses a property. It is not repeated: there may be a password in it.
        """
        from confluent_kafka import Consumer, KafkaException

        try:
            return Consumer({**settings, **self.properties, "logger": _silent()})
        except (KafkaException, ValueError, TypeError):
            raise OptionsError(f"librdkafka refuses the properties in the address of {self.name}") from None


def address_of(url: str, more: Collection[str] = ()) -> Address:
    """Return where a topic is.

    Args:
        url: `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`, with properties of librdkafka after `?`.
        more: properties that the address may say beside those that all readers allow.

    Raises:
        OptionsError: the address names no topic, or the client is not installed.
    """
    try:
        import confluent_kafka  # noqa: F401
    except ImportError:
        raise OptionsError(
            "kafka://… needs the package confluent-kafka",
            advice="Install requirements/monitor.txt of cd4ml's repository beside cd4ml.",
        ) from None
    try:
        pieces = urlsplit(url)
    except ValueError:  # a bracket without an end
        pieces = urlsplit("")
    topic, properties = pieces.path.strip("/"), dict(parse_qsl(pieces.query))
    odd = [name for name in properties if not name.startswith(_PROPERTIES) and name not in more]
    if not topic or not pieces.netloc or odd:
        raise OptionsError(
            f"a topic is kafka://HOST:PORT/TOPIC, with properties that begin with {', '.join(_PROPERTIES)}"
        )
    name = f"kafka://{pieces.netloc.rpartition('@')[2]}/{topic}"
    return Address(name=name, topic=topic, properties={**properties, "bootstrap.servers": pieces.netloc})


def _silent() -> Any:
    """Return a logger that says nothing: what goes wrong is raised."""
    import logging

    logger = logging.getLogger("cd4ml.kafka")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


def _messages(consumer: Any, topic: str, name: str) -> Iterator[Part]:
    """Yield the events of all partitions, up to where each ends now."""
    from confluent_kafka import TopicPartition

    found = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
    if found.error is not None or not found.partitions:
        raise UnavailableError(f"{name} does not exist")
    for number in found.partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_SECONDS)
        consumer.assign([TopicPartition(topic, number, low)])
        at, end = low, time.monotonic() + _SECONDS
        while at < high:
            messages = consumer.consume(min(_MESSAGES, high - at), timeout=1.0)
            whole = [message for message in messages if message.error() is None and message.offset() < high]
            if not whole:
                # Offsets of transactions and of compaction hold no message: the position tells that they are passed.
                at = max(at, consumer.position([TopicPartition(topic, number)])[0].offset)
                if time.monotonic() > end:
                    raise UnavailableError(f"{name}: partition {number} sent nothing for {_SECONDS:g} seconds")
                continue
            places = [f"{name}, partition {number}, offset {message.offset()}" for message in whole]
            yield decoded([message.value() or b"{}" for message in whole], places.__getitem__)
            at, end = whole[-1].offset() + 1, time.monotonic() + _SECONDS
