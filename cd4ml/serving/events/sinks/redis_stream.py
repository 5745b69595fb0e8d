"""Events in a Redis Stream: entries with the one field `event`; the stream keeps about so many of the newest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.retry import Retry

from cd4ml.serving.events.sinks.sink import Unavailable
from cd4ml.serving.settings import SettingsError

_SECONDS: Final = 5.0
_FAILURES: Final = (RedisError, OSError, EOFError, TimeoutError)
# It may pass; whatever else a server says of an event, it will say again.
_PASSING: Final = (OutOfMemoryError, ReadOnlyError, BusyLoadingError)
_PASSING_WORDS: Final = ("LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF", "NOREPLICAS")


class RedisStream:
    """A stream of one server."""

    def __init__(self, url: str, *, length: int) -> None:
        """Prepare; nothing is connected.

        Args:
            url: `redis://HOST:PORT[/DATABASE]/STREAM`, or `rediss://…`.
            length: how many of the newest entries the stream keeps, roughly.

        Raises:
            SettingsError: the URL names no stream. It is not repeated: there may be a password in it.
        """
        parts = urlsplit(url)
        path, _, stream = parts.path.rpartition("/")
        if not stream or not parts.netloc:
            raise SettingsError("EVENTS must be redis://HOST:PORT/STREAM, or redis://HOST:PORT/DATABASE/STREAM")
        arguments: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2}
        try:
            self._redis: Any = Redis.from_url(urlunsplit(parts._replace(path=path)), **arguments)
        except (ValueError, TypeError, RedisError):
            raise SettingsError("EVENTS is not a URL that the Redis client understands") from None
        self.counts: Counter[str] = Counter()
        self._stream, self._length = unquote(stream), length

    async def start(self) -> None:
        """See Sink."""

    async def send(self, events: Sequence[bytes]) -> None:
        """See Sink. Where an answer is lost, events are sent again: an `id` may then stand in the stream twice."""
        try:
            async with asyncio.timeout(_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                for event in events:
                    pipeline.xadd(self._stream, {"event": event}, maxlen=self._length, approximate=True)
                answers = await pipeline.execute(raise_on_error=False)
        except _FAILURES as error:
            raise Unavailable(f"no answer from Redis: {type(error).__name__}", events) from error
        left = [event for event, answer in zip(events, answers, strict=True) if _passes(answer)]
        refused = sum(isinstance(answer, BaseException) for answer in answers) - len(left)
        self.counts["dropped-refused"] += refused
        self.counts["delivered"] += len(events) - len(left) - refused
        if left:
            reason = next(type(answer).__name__ for answer in answers if _passes(answer))
            raise Unavailable(f"Redis takes no events: {reason}", left)

    async def close(self, seconds: float) -> None:
        """See Sink."""
        try:
            async with asyncio.timeout(seconds):
                await self._redis.aclose()
        except _FAILURES:
            pass


def _passes(answer: Any) -> bool:
    """Whether an answer is a refusal that may pass."""
    if isinstance(answer, _PASSING):
        return True
    return isinstance(answer, ResponseError) and str(answer).startswith(_PASSING_WORDS)
