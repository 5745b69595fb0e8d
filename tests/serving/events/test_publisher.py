"""The queue of events: bounded, never waited for, and emptied within a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from cd4ml.serving.events.publisher import Publisher
from cd4ml.serving.events.sinks.sink import Unavailable
from tests.serving.events.exchanges import events, exchange, read


class Place:
    """A sink that can be away, or hang."""

    def __init__(self, *, away: bool = False, hangs: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.got: list[bytes] = []
        self.away, self.hangs = away, hangs

    async def start(self) -> None:
        """Nothing to do."""

    async def send(self, events: Sequence[bytes]) -> None:
        """Take events, or not."""
        if self.hangs:
            await asyncio.sleep(3600)
        if self.away:
            self.got += events[:1]
            self.counts["delivered"] += 1
            raise Unavailable("away", events[1:])
        self.got += events
        self.counts["delivered"] += len(events)

    async def close(self, seconds: float) -> None:
        """Nothing to do."""


def publisher(place: Place, *, rows: int = 1000, size: int = 10**6, drain: float = 5, share: float = 1) -> Publisher:
    """Return a publisher into a place."""
    return Publisher(events(share=share), place, most_rows=rows, most_bytes=size, drain=drain)


def test_end__everything_is_delivered_in_order() -> None:
    """What was noted before the end is delivered, large requests too, each once and in order."""

    async def run() -> None:
        place = Place()
        publishing = publisher(place)
        await publishing.start()
        for number in range(100):
            publishing.finished(exchange(number, rows=5))
        await publishing.close()
        found = [event["id"] for event in read(place.got)]
        assert found == [f"{number:032x}-{number:016x}-{row}" for number in range(100) for row in range(5)]
        assert publishing.counts == {"delivered": 500} and publishing.waiting == 0

    asyncio.run(run())


def test_place_that_hangs__queue_is_bounded_and_the_end_too() -> None:
    """While the place hangs, what is beyond the bounds is dropped and counted, and the end is in time."""

    async def run(rows: int, size: int, kept: int) -> None:
        publishing = publisher(Place(hangs=True), rows=rows, size=size, drain=0.2)
        await publishing.start()
        await asyncio.sleep(0)
        for number in range(1000):
            publishing.finished(exchange(number, rows=2))
        assert publishing.waiting == kept and publishing.dropped["queue-full"] == 2000 - kept
        began = time.monotonic()
        await publishing.close()
        assert time.monotonic() - began < 5
        assert publishing.counts == {"dropped-queue-full": 2000 - kept, "dropped-shutdown": kept}

    asyncio.run(run(100, 10**9, 100))
    asyncio.run(run(10**9, 10_000, 100))


def test_fetched_features__count_against_the_queue() -> None:
    """What was fetched for a request fills the queue as what was sent does, and leaves it with its event."""

    async def run() -> None:
        place = Place()
        publishing = publisher(place, size=1000)
        await publishing.start()
        for _ in range(2):
            for number in range(10):
                publishing.finished(exchange(number, bytes_fetched=300))
            assert publishing.waiting == 2
            await asyncio.sleep(0.5)
            assert publishing.waiting == 0
        await publishing.close()
        assert publishing.counts == {"delivered": 4, "dropped-queue-full": 16}

    asyncio.run(run())


def test_place_that_comes_back__nothing_is_lost() -> None:
    """What a place did not take is offered again, and only that."""

    async def run() -> None:
        place = Place(away=True)
        publishing = publisher(place)
        await publishing.start()
        for number in range(10):
            publishing.finished(exchange(number))
        await asyncio.sleep(0.3)
        assert 0 < len(place.got) < 10
        place.away = False
        await publishing.close()
        assert [event["request_id"] for event in read(place.got)] == [f"request-{number}" for number in range(10)]
        assert publishing.counts == {"delivered": 10}

    asyncio.run(run())


def test_value_that_json_cannot_express__is_counted() -> None:
    """A request that cannot be written costs its own event and no other."""

    async def run() -> None:
        place = Place()
        publishing = publisher(place)
        await publishing.start()
        broken = exchange(1, rows=2)
        broken.answers.y_pred.pop()  # type: ignore[union-attr]
        for one in (exchange(0), broken, exchange(2)):
            publishing.finished(one)
        await publishing.close()
        assert publishing.counts == {"delivered": 3, "dropped-not-json": 1} and publishing.waiting == 0

    asyncio.run(run())


def test_sample__is_not_even_queued() -> None:
    """Requests outside of the sample cost nothing."""

    async def run() -> None:
        place = Place()
        publishing = publisher(place, share=0.25)
        await publishing.start()
        for number in range(400):
            publishing.finished(exchange(number))
        assert 60 < publishing.waiting < 140
        await publishing.close()
        assert publishing.counts.keys() == {"delivered"}

    asyncio.run(run())
