"""Lookups by a client of the test's own, which fails as no Redis does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from cd4ml.serving.stores.lookups import Lookups


class Broken:
    """A client that fails by a defect of its own, once it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Wait, and fail."""
        await self.go.wait()
        raise AssertionError(len(keys))

    async def probe(self) -> None:
        """Not asked."""
        raise NotImplementedError

    async def close(self) -> None:
        """See Source."""


@pytest.mark.parametrize("cancelled", [True, False])
def test_reader_that_ends__leaves_nobody_waiting(cancelled: bool) -> None:
    """A defect of the client, or the end of the process, answers who was asked for and who came meanwhile."""

    async def run() -> list[Sequence[bytes | None] | None]:
        client = Broken()
        lookups = Lookups(client, name="the cache", budget=30, slow=30, counts=Counter())
        asking = [asyncio.create_task(lookups.get([b"first"]))]
        await asyncio.sleep(0.01)
        asking.append(asyncio.create_task(lookups.get([b"later"])))
        await asyncio.sleep(0.01)
        if cancelled:
            await lookups.close()
        else:
            client.go.set()
        async with asyncio.timeout(5):
            return await asyncio.gather(*asking)

    assert asyncio.run(run()) == [None, None]


class Slow:
    """A client that takes as long as it is told, and notes how many lookups it had at once."""

    def __init__(self, *seconds: float, then: float = 0.0) -> None:
        self.seconds, self.then = list(seconds), then
        self.now = self.most = self.lookups = 0

    async def get(self, keys: Sequence[int]) -> list[int]:
        """Return the keys, late."""
        self.lookups += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.seconds.pop(0) if self.seconds else self.then)
        finally:
            self.now -= 1
        return [*keys]

    async def probe(self) -> None:
        """Answer at once."""

    async def close(self) -> None:
        """See Source."""


def lookups(client: Slow, counts: Counter[str] | None = None, *, budget: float = 1.0) -> Lookups[int, int]:
    """Return lookups that wait for the whole budget."""
    return Lookups(client, name="the store", budget=budget, counts=Counter() if counts is None else counts)


def test_one_lookup_late__who_came_meanwhile_is_answered() -> None:
    """A lookup that ends without an answer leaves its own request with nothing, and the next one its answer."""

    async def run() -> None:
        counts: Counter[str] = Counter()
        used = lookups(Slow(3600), counts)
        first = asyncio.create_task(used.get([1]))
        await asyncio.sleep(0.4)
        second = asyncio.create_task(used.get([2]))
        async with asyncio.timeout(10):
            assert [*await asyncio.gather(first, second)] == [None, [2]]
        assert counts == {"unanswered": 1} and used.breaker.opened == 0
        await used.close()

    asyncio.run(run())


def test_store_slower_than_half_the_budget__is_not_taken_for_dead() -> None:
    """Requests that come while lookups are outstanding are answered in time; a few lookups overlap, and no more."""

    async def run() -> None:
        counts: Counter[str] = Counter()
        client = Slow(then=1.2)
        used = lookups(client, counts, budget=2)
        asking = []
        for number in range(60):
            asking.append(asyncio.create_task(used.get([number])))
            await asyncio.sleep(0.05)
        async with asyncio.timeout(20):
            assert await asyncio.gather(*asking) == [[number] for number in range(60)]
        assert not counts and used.breaker.opened == 0
        assert 2 <= client.most <= 4 and client.lookups < 15
        await used.close()

    asyncio.run(run())


def test_waiting_in_the_queue__is_no_fault_of_the_store() -> None:
    """Requests that waited too long to be asked for get nothing in time; the store was in time and is not blamed."""

    async def run() -> None:
        counts: Counter[str] = Counter()
        client = Slow(then=0.7)
        used = Lookups(client, name="the store", budget=1, counts=counts, most_keys=1)
        async with asyncio.timeout(5):
            found = await asyncio.gather(*(used.get([number]) for number in range(30)))
        assert 1 <= counts["unanswered"] == found.count(None) < 30
        assert used.breaker.opened == 0 and client.most <= 4
        await used.close()

    asyncio.run(run())


def test_late_lookups_of_the_past__do_not_open_the_breaker_again() -> None:
    """Lookups that were sent before the breaker opened are not held against a store that answers again."""

    async def run() -> None:
        used = lookups(Slow(*[3600] * 8))
        asking = []
        for _ in range(8):
            asking.append(asyncio.create_task(used.get([1])))
            await asyncio.sleep(0.26)
        async with asyncio.timeout(20):
            await asyncio.gather(*asking)
        await asyncio.sleep(1)
        assert used.breaker.opened == 1 and used.usable
        await used.close()

    asyncio.run(run())


class Odd(Slow):
    """A client that fails as its author did not foresee, until it is fixed."""

    odd = True

    async def get(self, keys: Sequence[int]) -> list[int]:
        """Fail."""
        await self.probe()
        return [*keys]

    async def probe(self) -> None:
        """Fail."""
        if self.odd:
            raise TypeError


def test_odd_failure__is_a_failure_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a lookup, the watcher or the prober runs into is counted and opens the breaker, and probing goes on."""
    monkeypatch.setattr("cd4ml.serving.stores.lookups._WATCHED", 0.05)

    async def until(usable: bool) -> None:
        async with asyncio.timeout(10):
            while used.usable is not usable:
                await asyncio.sleep(0.01)

    async def run() -> None:
        for watched in (False, True):
            client.odd = False
            used.start(watch=watched)
            await until(True)
            client.odd = True
            if not watched:
                assert await used.get([1]) is None and counts == {"unanswered": 1}
            await until(False)
            assert used.breaker.reason == "TypeError"
            client.odd = False
            await until(True)
            assert await used.get([1]) == [1]
        await used.close()

    counts: Counter[str] = Counter()
    client = Odd()
    used = lookups(client, counts)
    asyncio.run(run())
