"""The publisher of events that the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cd4ml.serving.events.event import Events, Sample
from cd4ml.serving.events.privacy import Privacy
from cd4ml.serving.events.publisher import Publisher
from cd4ml.serving.events.sinks.sink import Sink
from cd4ml.serving.settings import Settings, SettingsError

_STDOUT: Final = "stdout"
# Of requests that wait to become events.
_BYTES: Final = 32 * 1024**2


def publisher(settings: Settings, model: Mapping[str, str | None]) -> Publisher:
    """Return the publisher; `EVENTS` must be set.

    Raises:
        SettingsError: a setting has a value that it cannot have.
    """
    events = Events(
        model=model,
        track=settings.track,
        cohort=settings.cohort or None,
        privacy=Privacy(
            omit=_names(settings.events_omit),
            hashed=_names(settings.events_hash),
            key=settings.events_hash_key.encode(),
        ),
        sample=Sample(settings.events_sample),
    )
    return Publisher(
        events,
        _sink(settings),
        most_rows=settings.events_queue,
        most_bytes=_BYTES,
        drain=settings.events_drain_seconds,
    )


def _sink(settings: Settings) -> Sink:
    """Return the sink; a client is imported only where it is used."""
    where = settings.events
    scheme, separator, _ = where.partition("://")
    if not separator:
        from cd4ml.serving.events.sinks.files import Lines, Stdout

        if where == _STDOUT:
            return Stdout()
        return Lines(Path(where), size=settings.events_file_bytes, files=settings.events_files)
    if scheme in ("redis", "rediss"):
        from cd4ml.serving.events.sinks.redis_stream import RedisStream

        return RedisStream(where, length=settings.events_stream_length)
    if scheme == "kafka":
        from cd4ml.serving.events.sinks.kafka import Kafka

        return Kafka(where, queue=settings.events_queue)
    raise SettingsError("EVENTS must be a path, stdout, redis://…, rediss://… or kafka://…")


def _names(text: str) -> list[str]:
    """Return names; they stand on lines of their own where one holds a comma."""
    parts = text.split("\n") if "\n" in text else text.split(",")
    return [part.strip() for part in parts if part.strip()]
