"""Reading from a store for all requests of the process: who comes while an answer is awaited is asked for together.

A request and a lookup have a budget each. Who has waited too long gets nothing, but the store is judged only by the
time since it was asked: a queue in the gateway is no fault of the store.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from redis.exceptions import RedisError

from cd4ml.serving.stores.breaker import Breaker, Circuit

_LOG: Final = logging.getLogger("uvicorn.error")
# Connecting and the handshake of TLS take longer than an answer.
_CONNECTING: Final = 2.0
_WATCHED: Final = 1.0
# So many lookups may be outstanding, each sent this share of the budget after the one before: so long a request waits
# in the queue, and a store that answers within the rest is in time. Redis has a few connections more.
_MOST_SENT: Final = 4
# What can go wrong between here and a server that may be anything.
FAILURES: Final = (RedisError, OSError, EOFError, TimeoutError, ValueError, LookupError)

Key = TypeVar("Key")
Found = TypeVar("Found")
Value = TypeVar("Value")
_Key = TypeVar("_Key", contravariant=True)
_Value = TypeVar("_Value", covariant=True)


class Source(Protocol[_Key, _Value]):
    """What is asked of a store; every method but the last may raise, as a rule FAILURES."""

    async def get(self, keys: Sequence[_Key]) -> Sequence[_Value]:
        """Return the values of keys."""

    async def probe(self) -> None:
        """Ask for next to nothing."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked(Generic[Key, Value]):
    """The keys of one request, and where it waits for their values."""

    keys: list[Key]
    found: asyncio.Future[Sequence[Value]]


class Lookups(Generic[Key, Value]):
    """Looks keys up within a budget; whatever the store does, who asks gets an answer or nothing."""

    def __init__(
        self,
        source: Source[Key, Value],
        *,
        name: str,
        budget: float,
        counts: Counter[str],
        slow: float | None = None,
        most_keys: int = 1000,
    ) -> None:
        """Prepare.

        Args:
            name: what the log calls the store.
            budget: how many seconds a request may wait for the store altogether.
            slow: an answer that takes longer counts against the store, and while one is outstanding for longer, and
                while the store is on probation, requests do not wait for it. None where a request cannot be answered
                without the store: then it waits for the whole budget, an answer that does not come in it is a late
                one, and a store that failed is probed at once.
            counts: where requests that the store did not answer are counted.
            most_keys: of how many keys the requests are put together.
        """
        self.breaker = Breaker()
        self._answered = False
        self._source, self._name, self._counts, self._most_keys = source, name, counts, most_keys
        self._budget, self._patient = budget, slow is None
        self._slow = budget if slow is None else slow
        self._asked: list[_Asked[Key, Value]] = []
        # The lookups that are outstanding and when they were sent, the oldest first.
        self._sent: dict[asyncio.Task[None], float] = {}
        self._sender: asyncio.Task[None] | None = None
        self._prober: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    def start(self, *, watch: bool) -> None:
        """Probe the store in the background; until it has answered, nobody waits for it.

        Args:
            watch: whether it is asked every second, so that its end is seen even if no request asks it.
        """
        self._open("not asked yet")
        if watch:
            self._watcher = asyncio.create_task(self._watch())

    @property
    def usable(self) -> bool:
        """Whether the store is asked."""
        return self.breaker.state is not Circuit.OPEN

    async def close(self) -> None:
        """End what runs in the background; nobody waits any longer."""
        tasks = [task for task in (self._watcher, self._sender, self._prober, *self._sent) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._drop()

    async def get(self, keys: list[Key]) -> Sequence[Value] | None:
        """Return the values of keys, None if the store was not asked or did not answer in time."""
        if self.breaker.state is Circuit.OPEN:
            self._counts["bypassed-open"] += 1
            self._open(self.breaker.reason)
            return None
        if not self._patient and self._sent and time.monotonic() - next(iter(self._sent.values())) > self._slow:
            self._counts["bypassed-waiting"] += 1
            return None
        answer: asyncio.Future[Sequence[Value]] = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(keys=keys, found=answer))
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        found: Sequence[Value] = ()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._budget):
                found = await answer
        if not found:
            self._counts["unanswered"] += 1
        return found or None

    async def _send(self) -> None:
        """Send lookups until nobody waits to be asked for; the next once one was answered, or some time later."""
        while batch := self._next():
            lookup = asyncio.create_task(self._look_up(batch))
            self._sent[lookup] = time.monotonic()
            lookup.add_done_callback(partial(self._ended, batch))
            pause = self._budget / _MOST_SENT if len(self._sent) < _MOST_SENT else None
            await asyncio.wait(self._sent, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if self.breaker.state is Circuit.OPEN:
                self._drop()

    def _next(self) -> list[_Asked[Key, Value]]:
        """Take who is asked for at once: as many as may be put together, but at least one, and nobody who has left."""
        batch: list[_Asked[Key, Value]] = []
        count = 0
        while self._asked and (not batch or count + len(self._asked[0].keys) <= self._most_keys):
            asked = self._asked.pop(0)
            if not asked.found.done():
                batch.append(asked)
                count += len(asked.keys)
        return batch

    async def _look_up(self, batch: Sequence[_Asked[Key, Value]]) -> None:
        """Look up the keys of several requests at once."""
        keys = [key for asked in batch for key in asked.keys]
        seconds = self._slow if self.breaker.state is Circuit.HALF_OPEN else self._budget
        values = await self._judged(self._source.get(keys), seconds)
        if values is None:
            return
        at = 0
        for asked in batch:
            _settle(asked, values[at : at + len(asked.keys)])
            at += len(asked.keys)

    def _ended(self, batch: Sequence[_Asked[Key, Value]], lookup: asyncio.Task[None]) -> None:
        """Whatever has ended a lookup, nobody waits for it any longer."""
        del self._sent[lookup]
        for asked in batch:
            _settle(asked, ())

    def _drop(self) -> None:
        """Whoever was not asked for yet gets nothing."""
        for asked in self._asked:
            _settle(asked, ())
        self._asked.clear()

    async def _judged(self, answer: Awaitable[Found], seconds: float) -> Found | None:
        """Return what the store answers, None if nothing in time, and judge it by that.

        What was sent before the breaker opened says nothing of the store as it is afterwards.
        """
        opened, began = self.breaker.opened, time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                found = await answer
        except Exception as error:
            if self.breaker.opened == opened:
                self._unanswered(error)
            return None
        if self.breaker.opened == opened:
            self._answered_after(time.monotonic() - began)
        return found

    def _answered_after(self, seconds: float) -> None:
        """Judge the store by how long an answer took."""
        if seconds <= self._slow:
            self.breaker.good()
        elif self.breaker.late():
            self._open(self.breaker.reason)

    def _unanswered(self, error: BaseException) -> None:
        """Judge the store by an answer that did not come."""
        late = self._patient and isinstance(error, TimeoutError)
        reason = _reason(error)
        if self.breaker.late() if late else self.breaker.failed(reason):
            self._open(reason)

    def _open(self, reason: str) -> None:
        """Leave the store alone until a probe was answered; somebody is probing from now on."""
        self.breaker.state, self.breaker.reason = Circuit.OPEN, reason
        if self._prober is None or self._prober.done():
            if self._answered:
                _LOG.warning("%s is left alone: %s", self._name, reason)
            self._prober = asyncio.create_task(self._probe())

    async def _watch(self) -> None:
        """Ask the store every second, for as long as it is used and no request has its answer outstanding."""
        while True:
            await asyncio.sleep(_WATCHED)
            if self.usable and not self._sent:
                await self._judged(self._source.probe(), self._budget)

    async def _probe(self) -> None:
        """Ask the store now and then, until it answers in time."""
        pause = self.breaker.pause if self._answered and not self._patient else 0.0
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # nosec: workers must not all ask at once
            pause = self.breaker.pause
            try:
                async with asyncio.timeout(_CONNECTING):
                    await self._source.probe()
                async with asyncio.timeout(self._slow):
                    await self._source.probe()
            except Exception as error:
                self.breaker.reason = _reason(error)
                continue
            self._answered = True
            self.breaker.probed()
            _LOG.info("%s is used", self._name)
            return


def _settle(asked: _Asked[Key, Value], found: Sequence[Value]) -> None:
    """Give an answer to who waits for it still."""
    if not asked.found.done():
        asked.found.set_result(found)


def _reason(error: BaseException) -> str:
    """Return what is wrong with a store, in words that hold nothing of its answer."""
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
