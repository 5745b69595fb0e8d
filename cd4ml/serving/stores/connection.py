"""The connection to Redis: one server or a cluster, in the clear or by TLS."""

from __future__ import annotations

from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from cd4ml.serving.settings import SettingsError

SCHEMES: Final = ("redis://", "rediss://", "unix://")
_CONNECTIONS: Final = 8


def connect(url: str, *, cluster: bool, setting: str) -> Any:
    """Return a client of Redis; no connection is made yet.

    Args:
        setting: the variable that holds the URL.

    Raises:
        SettingsError: the URL is none of Redis. What it holds is not repeated: there may be a password in it.
    """
    if not url.startswith(SCHEMES):
        raise SettingsError(f"{setting} must begin with {', '.join(SCHEMES)}")
    # The library would try again on its own for seconds: who waits, and for how long, is decided by who asks.
    arguments: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "max_connections": _CONNECTIONS}
    arguments |= {"client_name": "cd4ml", "protocol": 2}
    try:
        return (RedisCluster if cluster else Redis).from_url(url, **arguments)
    except (ValueError, TypeError, RedisError):
        raise SettingsError(f"{setting} is not a URL that the Redis client understands") from None
