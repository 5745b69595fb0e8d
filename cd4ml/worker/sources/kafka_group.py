"""Events in a Kafka topic, read as a consumer group: offsets are committed once the state holds what was read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cd4ml.errors import UnavailableError
from cd4ml.observe.events.kafka import address_of
from cd4ml.observe.events.lines import decoded
from cd4ml.worker.sources.batch import Batch, Decode, batch_of

GROUP: Final = "cd4ml-monitor"
_MESSAGES: Final = 10_000
_WAIT: Final = 0.5  # seconds that messages are collected for
_PATIENCE: Final = 30.0
_SETTINGS: Final = {
    # The broker waits so long for a worker that was killed before the next one gets its partitions.
    "session.timeout.ms": 10_000,
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
    "partition.assignment.strategy": "range",
    "topic.metadata.refresh.interval.ms": 30_000,
}


class KafkaGroup:
    """A topic; one worker is the whole group.

    Where to go on is what the state says: what the broker knows is for those who watch the group, and for a state that
    was removed.
    """

    def __init__(self, url: str, positions: Mapping[str, Mapping[str, Any]], decode: Decode = decoded) -> None:
        """Prepare; nothing is asked.

        Args:
            url: `kafka://HOST:PORT[,HOST:PORT…]/TOPIC`, with properties of librdkafka after `?`.
            positions: of an earlier worker, by the names of its sources: no password stands in a state.
            decode: what messages hold. Those that are no events have a group of their own.

        Raises:
            OptionsError: the address names no topic, or the client is not installed.
        """
        address = address_of(url, more=("group.id",))
        self.name, self._topic = address.name, address.topic
        self._next: dict[int, int] = {
            int(number): int(at) for number, at in positions.get(self.name, {}).get("next", {}).items()
        }
        self._ends: dict[int, int] = {}
        # Partitions that are assigned, None before any are; and where to go on in those, until that is looked at.
        self._mine: set[int] | None = None
        self._unchecked: dict[int, int] | None = None
        self._decode = decode
        group = GROUP if decode is decoded else f"{GROUP}-labels"
        self._consumer = address.consumer({**_SETTINGS, "group.id": group})
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._lost, on_lost=self._lost)

    def read(self) -> Batch | None:
        """See Source."""
        from confluent_kafka import KafkaException

        end = time.monotonic() + _PATIENCE
        try:
            while True:
                batch = self._some()
                if batch is not None:
                    return batch
                if self._mine is not None and self._drained():
                    return None
                if time.monotonic() > end:
                    raise UnavailableError(f"{self.name} sent nothing for {_PATIENCE:g} seconds")
        except KafkaException as error:
            raise UnavailableError(f"no answer from {self.name}: {error.args[0].name()}") from error

    def position(self) -> Mapping[str, Any]:
        """See Source."""
        return {"next": {str(number): at for number, at in sorted(self._next.items())}}

    def committed(self) -> None:
        """Commit what the state holds; where the broker is away, the state knows it all the same."""
        from confluent_kafka import KafkaException, TopicPartition

        offsets = [
            TopicPartition(self._topic, number, self._next[number])
            for number in self._next.keys() & (self._mine or set())
        ]
        try:
            if offsets:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException:
            pass

    def close(self) -> None:
        """See Source."""
        self._consumer.close()

    def _some(self) -> Batch | None:
        """Return the next messages, None if none came."""
        if self._unchecked is not None and (lost := self._check()):
            return lost
        lines, places = [], []
        for message in self._consumer.consume(_MESSAGES, timeout=_WAIT):
            if message.error() is not None:
                self._took(message.error(), message)
                continue
            number, at = message.partition(), message.offset()
            # What was fetched before a rebalance, and told before it, may come again.
            if at >= self._next.get(number, 0):
                self._next[number] = at + 1
                lines.append(message.value() or b"{}")
                places.append(f"{self.name}, partition {number}, offset {at}")
        return batch_of(self._decode(lines, places.__getitem__), len(lines)) if lines else None

    def _took(self, error: Any, message: Any) -> None:
        """Take what is no message: the end of a partition, or an error."""
        from confluent_kafka import KafkaError, KafkaException

        if error.code() == KafkaError._PARTITION_EOF:
            self._ends[message.partition()] = message.offset()
        else:
            raise KafkaException(error)

    def _assigned(self, consumer: Any, partitions: Any) -> None:
        """Go on where the state says; where it says nothing, where the group was, or at the oldest message."""
        for one in partitions:
            one.offset = self._next.get(one.partition, one.offset)
        consumer.assign(partitions)
        self._mine, self._ends = {one.partition for one in partitions}, {}
        self._unchecked = {number: self._next[number] for number in self._mine & self._next.keys()}

    def _lost(self, _consumer: Any, _partitions: Any) -> None:
        """Read nothing until partitions are assigned again."""
        self._mine, self._unchecked = None, None

    def _check(self) -> Batch | None:
        """Hold where the state says to go on against what the topic holds; messages that it dropped are unreadable."""
        from confluent_kafka import TopicPartition

        try:
            self._whole()
        except UnavailableError:
            # Nothing is read, but whoever asks for nothing learns of no other assignment. The next one begins anew.
            self._consumer.pause(self._consumer.assignment())
            self._consumer.consume(1, timeout=_WAIT)
            raise
        lost, places = 0, []
        # Messages may have come with the assignment: what was dropped counts from where this worker was to go on.
        for number, at in sorted((self._unchecked or {}).items()):
            place = TopicPartition(self._topic, number)
            low, high = self._consumer.get_watermark_offsets(place, timeout=_PATIENCE)
            if at < low:
                lost += low - at
                places.append(f"{self.name}, partition {number}: offsets {at} to {low - 1} were dropped unread")
            if not low <= at <= high and self._next[number] == at:  # above: a topic of this name was made again
                self._next[number] = low
                self._consumer.seek(TopicPartition(self._topic, number, low))
        self._unchecked = None
        return replace(batch_of(self._decode([], str), 0), unreadable=lost, places=places) if lost else None

    def _drained(self) -> bool:
        """Whether everything was read that the topic holds now."""
        self._whole()
        # The answers to fetches tell the ends; asking for each would wait in line behind the next fetch.
        mine = self._mine or set()
        return mine == self._ends.keys() and all(self._ends[number] >= self._high(number) for number in mine)

    def _whole(self) -> None:
        """See that this worker has the whole topic: it must not judge windows on a part of their events."""
        there = self._consumer.list_topics(self._topic, timeout=_PATIENCE).topics[self._topic]
        if there.error is not None or not there.partitions:
            raise UnavailableError(f"{self.name} does not exist", advice="Say where the gateway's EVENTS go.")
        if self._mine is not None and not self._mine >= set(there.partitions):
            raise UnavailableError(
                f"{self.name}: {len(self._mine)} of {len(there.partitions)} partitions are assigned to this worker: "
                "others read as the same group, or partitions were added just now",
                advice="One worker is the whole group; give each its own: ?group.id=NAME in the address.",
            )

    def _high(self, number: int) -> int:
        """Return where a partition ended by the newest answer."""
        from confluent_kafka import TopicPartition

        return int(self._consumer.get_watermark_offsets(TopicPartition(self._topic, number), cached=True)[1])
