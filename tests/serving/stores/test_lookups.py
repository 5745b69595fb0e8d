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
