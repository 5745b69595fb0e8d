"""Reading from Redis for all requests of the process: what is asked while one MGET is awaited goes into the next."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from cd4ml.serving.cache.breaker import Breaker, Circuit
from cd4ml.serving.cache.client import FAILURES, Client

_LOG: Final = logging.getLogger("uvicorn.error")
_MOST_KEYS: Final = 1000
# Connecting and the handshake of TLS take longer than an answer.
_CONNECTING: Final = 2.0
_WATCHED: Final = 1.0
_PROBE: Final = [b"cd4ml:probe"]

Found = list[bytes | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """The keys of one request, and since when it waits."""

    keys: list[bytes]
    since: float
    found: asyncio.Future[Found]


class Lookups:
    """Looks keys up within a budget; whatever Redis does, who asks gets an answer or nothing."""

    def __init__(self, client: Client, *, budget: float, slow: float, counts: Counter[str]) -> None:
        """Prepare.

        Args:
            budget: how many seconds a request may wait for Redis altogether.
            slow: an answer that takes longer counts against Redis, and while one is outstanding for longer, further
                requests do not wait for it.
            counts: where requests that went past the cache are counted.
        """
        self.breaker = Breaker()
        self._answered = False
        self._client, self._budget, self._slow, self._counts = client, budget, slow, counts
        self._asked: list[_Asked] = []
        self._since: float | None = None
        self._reader: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    def start(self, *, watch: bool) -> None:
        """Probe Redis in the background; until it has answered, nobody waits for it.

        Args:
            watch: whether Redis is asked every second, so that its end is seen even if no request asks it.
        """
        self._open("not asked yet")
        if watch:
            self._watcher = asyncio.create_task(self._watch())

    @property
    def usable(self) -> bool:
        """Whether Redis is asked."""
        return self.breaker.state is not Circuit.OPEN

    async def close(self) -> None:
        """End what runs in the background."""
        tasks = [task for task in (self._watcher, self._reader, self._prober) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, keys: list[bytes]) -> Found | None:
        """Return the values of keys, None if Redis was not asked or did not answer in time."""
        now = time.monotonic()
        if self.breaker.state is Circuit.OPEN:
            self._counts["bypassed-open"] += 1
            self._open(self.breaker.reason)
            return None
        if self._since is not None and now - self._since > self._slow:
            self._counts["bypassed-waiting"] += 1
            return None
        asked = _Asked(keys=keys, since=now, found=asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        # The reader answers everybody, whatever becomes of it.
        found = await asked.found
        return found or None

    async def _read(self) -> None:
        """Ask Redis until nobody waits; whatever ends this, nobody waits any longer."""
        batch: list[_Asked] = []
        try:
            while self._asked:
                batch = self._next()
                await self._answer(batch)
                self._since = None
                if self.breaker.state is Circuit.OPEN:
                    break
        finally:
            self._since = None
            for asked in (*batch, *self._asked):
                _settle(asked, [])
            self._asked.clear()

    def _next(self) -> list[_Asked]:
        """Take who is asked for at once: as many as one MGET takes, but at least one."""
        batch = [self._asked.pop(0)]
        count = len(batch[0].keys)
        while self._asked and count + len(self._asked[0].keys) <= _MOST_KEYS:
            batch.append(self._asked.pop(0))
            count += len(batch[-1].keys)
        return batch

    async def _answer(self, batch: list[_Asked]) -> None:
        """Look up the keys of several requests at once."""
        keys = [key for asked in batch for key in asked.keys]
        budget = self._slow if self.breaker.state is Circuit.HALF_OPEN else self._budget
        self._since = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, budget - (self._since - batch[0].since))):
                values = await self._client.get(keys)
        except FAILURES as error:
            self._counts["unanswered"] += len(batch)
            reason = _reason(error)
            if self.breaker.failed(reason):
                self._open(reason)
            return
        if time.monotonic() - self._since > self._slow:
            if self.breaker.late():
                self._open(self.breaker.reason)
        else:
            self.breaker.good()
        at = 0
        for asked in batch:
            _settle(asked, values[at : at + len(asked.keys)])
            at += len(asked.keys)

    def _open(self, reason: str) -> None:
        """Leave Redis alone until a probe was answered; somebody is probing from now on."""
        self.breaker.state, self.breaker.reason = Circuit.OPEN, reason
        if self._prober is None or self._prober.done():
            if self._answered:
                _LOG.warning("the cache is left alone: %s", reason)
            self._prober = asyncio.create_task(self._probe())

    async def _watch(self) -> None:
        """Ask Redis like a request does, for as long as it is used."""
        while True:
            await asyncio.sleep(_WATCHED)
            if self.usable:
                await self.get(_PROBE)

    async def _probe(self) -> None:
        """Ask Redis now and then, until it answers in time."""
        pause = self.breaker.pause if self._answered else 0.0
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # nosec: workers must not all ask at once
            pause = self.breaker.pause
            try:
                async with asyncio.timeout(_CONNECTING):
                    await self._client.get(_PROBE)
                async with asyncio.timeout(self._slow):
                    await self._client.get(_PROBE)
            except FAILURES as error:
                self.breaker.reason = _reason(error)
                continue
            self._answered = True
            self.breaker.probed()
            _LOG.info("the cache is used")
            return


def _settle(asked: _Asked, found: Found) -> None:
    """Give an answer to who waits for it still."""
    if not asked.found.done():
        asked.found.set_result(found)


def _reason(error: BaseException) -> str:
    """Return what is wrong with Redis, in words that hold nothing of its answer."""
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
