"""Events in a real Redis Stream: when it is killed, full or not a stream."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cd4ml.serving.events.publisher import Publisher
from cd4ml.serving.events.sinks.redis_stream import RedisStream
from cd4ml.serving.events.sinks.sink import Unavailable
from cd4ml.serving.settings import SettingsError
from tests.serving.events.exchanges import events, exchange, read
from tests.serving.redis import Server, serving


def stream(server: Server, name: str = "predictions") -> list[dict[str, Any]]:
    """Return the events of a stream, oldest first."""
    client: Any = server.ask()
    return read([fields[b"event"] for _, fields in client.xrange(name)])


def publisher(sink: RedisStream) -> Publisher:
    """Return a publisher into a stream."""
    return Publisher(events(), sink, most_rows=10_000, most_bytes=10**8, drain=5)


def test_stream__holds_what_was_delivered() -> None:
    """Each event is an entry with the field `event`, in order, in the database that the URL names."""

    async def run(server: Server) -> None:
        publishing = publisher(RedisStream(f"{server.url}/0/my%20stream", length=1000))
        await publishing.start()
        for number in range(300):
            publishing.finished(exchange(number))
        await publishing.close()
        assert publishing.counts == {"delivered": 300}
        found = [event["request_id"] for event in stream(server, "my stream")]
        assert found == [f"request-{number}" for number in range(300)]

    with serving() as server:
        asyncio.run(run(server))


def test_length__is_bounded() -> None:
    """The stream keeps about as many of the newest events as it may."""

    async def run(server: Server) -> None:
        publishing = publisher(RedisStream(f"{server.url}/predictions", length=200))
        await publishing.start()
        for number in range(1000):
            publishing.finished(exchange(number))
        await publishing.close()
        found = stream(server)
        assert 200 <= len(found) < 400 and found[-1]["request_id"] == "request-999"

    with serving() as server:
        asyncio.run(run(server))


def test_killed_and_back__what_waited_is_delivered() -> None:
    """Events of a time without Redis wait for it, and come in order once it is back."""

    async def run(server: Server) -> None:
        server.kill()
        publishing = publisher(RedisStream(f"{server.url}/predictions", length=1000))
        await publishing.start()
        for number in range(150):
            publishing.finished(exchange(number))
        await asyncio.sleep(0.3)
        assert publishing.waiting == 150
        await asyncio.to_thread(server.start)
        for number in range(150, 200):
            publishing.finished(exchange(number))
        await publishing.close()
        assert publishing.counts == {"delivered": 200}
        assert [event["request_id"] for event in stream(server)] == [f"request-{number}" for number in range(200)]

    with serving() as server:
        asyncio.run(run(server))


def test_full__events_wait() -> None:
    """A Redis without memory takes nothing, loses nothing, and gets everything once it has room."""

    async def run(server: Server) -> None:
        client = server.ask()
        client.config_set("maxmemory", "1")
        sink = RedisStream(f"{server.url}/predictions", length=1000)
        lines = [line for number in range(3) for line in events().of(exchange(number))]
        with pytest.raises(Unavailable, match="Redis takes no events: OutOfMemoryError") as error:
            await sink.send(lines)
        assert error.value.left == lines and sink.counts["delivered"] == 0
        client.config_set("maxmemory", "0")
        await sink.send(error.value.left)
        assert len(stream(server)) == 3 and sink.counts["delivered"] == 3
        await sink.close(1)

    with serving() as server:
        asyncio.run(run(server))


def test_no_stream__events_are_dropped_and_counted() -> None:
    """What Redis will never take does not hold up what comes later."""

    async def run(server: Server) -> None:
        server.ask().set("predictions", "a text")
        sink = RedisStream(f"{server.url}/predictions", length=1000)
        await sink.send([b"{}", b"{}"])
        assert sink.counts["dropped-refused"] == 2
        await sink.close(1)

    with serving() as server:
        asyncio.run(run(server))


@pytest.mark.parametrize("url", ["redis://:secret@localhost:6379", "redis://:secret@localhost:port/predictions"])
def test_url__refused_without_its_password(url: str) -> None:
    """A URL that names no stream or no server is refused, and not repeated."""
    with pytest.raises(SettingsError) as error:
        RedisStream(url, length=10)

    assert "EVENTS" in str(error.value) and "secret" not in str(error.value)
