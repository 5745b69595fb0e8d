"""The one door to sources of events: which kind of place an address names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cd4ml.errors import OptionsError
from cd4ml.observe.events import labels
from cd4ml.observe.events.lines import decoded
from cd4ml.worker.sources.batch import Decode, Source
from cd4ml.worker.sources.files import Files
from cd4ml.worker.sources.kafka_group import KafkaGroup
from cd4ml.worker.sources.redis_group import RedisGroup


def open_labels(place: str, positions: Mapping[str, Mapping[str, Any]]) -> Source:
    """Return a source of labels; see `open_source`."""
    return open_source(place, positions, labels.decoded)


def open_source(place: str, positions: Mapping[str, Mapping[str, Any]], decode: Decode = decoded) -> Source:
    """Return a source, which goes on where it was left.

    Args:
        positions: of all sources, by their names.
        decode: what lies there: events, or labels.

    Raises:
        OptionsError: the place is of no kind that is known.
    """
    scheme, separator, _ = place.partition("://")
    if separator and scheme in ("redis", "rediss"):
        return RedisGroup(place, positions, decode)
    if separator and scheme == "kafka":
        return KafkaGroup(place, positions, decode)
    if separator:
        raise OptionsError(
            f"{scheme}://… is not read: events are files of JSON lines, redis://…, rediss://… or kafka://…"
        )
    return Files(place, positions.get(place), decode)
