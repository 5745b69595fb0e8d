"""The connection to Redis: one server or a cluster, in the clear or by TLS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError
from redis.retry import Retry

from cd4ml.serving.settings import SettingsError

SCHEMES: Final = ("redis://", "rediss://", "unix://")
# What can go wrong between here and a server that may be anything.
FAILURES: Final = (RedisError, OSError, EOFError, TimeoutError, ValueError, LookupError)
_CONNECTIONS: Final = 8


class Client(Protocol):
    """What the cache asks of Redis; every method may raise FAILURES."""

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of keys, None where there is none."""

    async def put(self, values: Mapping[bytes, bytes], seconds: int) -> list[str]:
        """Write values that expire, and return why some were not written: a reason for each."""

    async def close(self) -> None:
        """Close the connections."""


def connect(url: str, *, cluster: bool) -> Client:
    """Return a client; no connection is made yet.

    Raises:
        SettingsError: the URL is none of Redis. What it holds is not repeated: there may be a password in it.
    """
    if not url.startswith(SCHEMES):
        raise SettingsError(f"REDIS_URL must begin with {', '.join(SCHEMES)}")
    # The library would try again on its own for seconds: who waits, and for how long, is decided by the cache.
    arguments: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "max_connections": _CONNECTIONS}
    arguments |= {"client_name": "cd4ml", "protocol": 2}
    try:
        if cluster:
            return _Cluster(RedisCluster.from_url(url, **arguments))
        return _Server(Redis.from_url(url, **arguments))
    except (ValueError, TypeError, RedisError):
        raise SettingsError("REDIS_URL is not a URL that the Redis client understands") from None


class _Server:
    """One server."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See Client."""
        return _texts(await self._redis.mget(keys), len(keys))

    async def put(self, values: Mapping[bytes, bytes], seconds: int) -> list[str]:
        """See Client."""
        # The connections of a pipeline go back to the pool when it is left.
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(key, value, ex=seconds)
            answers = await pipeline.execute(raise_on_error=False)
        return [_reason(answer) for answer in answers if isinstance(answer, BaseException)]

    async def close(self) -> None:
        """See Client."""
        await self._redis.aclose()


class _Cluster(_Server):
    """A cluster: the keys of one request are spread over its servers."""

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """See Client."""
        return _texts(await self._redis.mget_nonatomic(keys), len(keys))


def _texts(answer: Any, count: int) -> list[bytes | None]:
    """Return an answer to a request for values, if it is one."""
    if not isinstance(answer, list) or len(answer) != count:
        raise ValueError("the server does not answer like Redis")
    return [text if isinstance(text, bytes) else None for text in answer]


def _reason(error: BaseException) -> str:
    """Return why a value was not written, as it is counted."""
    if isinstance(error, OutOfMemoryError):
        return "full"
    return "read-only" if isinstance(error, ReadOnlyError) else "refused"
