"""The cache's own requests to Redis: values by their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import OutOfMemoryError, ReadOnlyError

from cd4ml.serving.stores.connection import connect

_PROBE: Final = [b"cd4ml:probe"]


class Client:
    """Values in Redis; every method but the last may raise FAILURES."""

    def __init__(self, url: str, *, cluster: bool) -> None:
        """Prepare; no connection is made yet.

        Raises:
            SettingsError: the URL is none of Redis.
        """
        self._redis = connect(url, cluster=cluster, setting="REDIS_URL")
        # The keys of one request are spread over the servers of a cluster.
        self._mget = self._redis.mget_nonatomic if isinstance(self._redis, RedisCluster) else self._redis.mget

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of keys, None where there is none."""
        return _texts(await self._mget(keys), len(keys))

    async def probe(self) -> None:
        """See Source."""
        await self.get(_PROBE)

    async def put(self, values: Mapping[bytes, bytes], seconds: int) -> list[str]:
        """Write values that expire, and return why some were not written: a reason for each."""
        # The connections of a pipeline go back to the pool when it is left.
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(key, value, ex=seconds)
            answers = await pipeline.execute(raise_on_error=False)
        return [_reason(answer) for answer in answers if isinstance(answer, BaseException)]

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


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
