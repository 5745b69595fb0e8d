"""Writing features to Redis, in the layout of `cd4ml.feature_store`: many at a time, each entity as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from cd4ml.data.features.scalars import Scalar
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.feature_store import layout

SCHEMES: Final = ("redis://", "rediss://", "unix://")
_SECONDS: Final = 30.0
# What the server answers for an entity.
_WRITTEN, _NEWER, _FOREIGN = 1, 0, -1
# One entity: nothing is written over a newer event, or over what is not of this layout. It is replaced as a whole, so
# that the moment is that of every field, and a second run leaves what the first one did. HSET is the first write: after
# another one a full server would not refuse it.
_SCRIPT: Final = """
local kind = redis.call('TYPE', KEYS[1])['ok']
if kind ~= 'none' then
  if kind ~= 'hash' then return -1 end
  local held = redis.call('HMGET', KEYS[1], '@layout', '@event_timestamp')
  if held[1] ~= ARGV[1] or not held[2] then return -1 end
  if held[2] > ARGV[2] then return 0 end
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if kind ~= 'none' then
  local given = {}
  for place = 4, #ARGV, 2 do given[ARGV[place]] = true end
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if not given[name] then redis.call('HDEL', KEYS[1], name) end
  end
end
if ARGV[3] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[3]) else redis.call('PERSIST', KEYS[1]) end
return 1
"""


@dataclass(kw_only=True)
class Count:
    """What came of entities.

    Attributes:
        newer: those of which the store held a newer event, which stays.
        foreign: those whose key held something else, which stays too.
        expired: those whose features are older than they may be, and were not written.
    """

    written: int = 0
    newer: int = 0
    foreign: int = 0
    expired: int = 0


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entity's features, and the moment at which they held."""

    value: int | str
    moment: datetime
    features: Mapping[str, Scalar]


class Writer:
    """Writes entities of one kind."""

    def __init__(self, url: str, entity: str, *, prefix: str, keep: timedelta | None, cluster: bool) -> None:
        """Prepare; no connection is made yet.

        Args:
            keep: how long after their moment features are kept; None for ever.

        Raises:
            OptionsError: the URL is none of Redis. What it holds is not repeated: there may be a password in it.
        """
        self.count = Count()
        self._name, self._entity, self._prefix, self._keep = public(url), entity, prefix, keep
        self._url, self._cluster = url, cluster
        self._client: Any = None

    def __enter__(self) -> Writer:
        """Connect.

        Raises:
            UnavailableError: nobody answers.
        """
        from redis import Redis
        from redis.cluster import RedisCluster
        from redis.exceptions import RedisError

        kind: Any = RedisCluster if self._cluster else Redis
        try:
            self._client = kind.from_url(self._url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
            self._client.ping()
        except (RedisError, OSError) as error:
            raise self._gone(error) from error
        except (ValueError, TypeError):
            raise OptionsError("online is not a URL that the Redis client understands") from None
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._client.close()

    def write(self, rows: Iterable[Row], now: datetime) -> None:
        """Write entities in one round trip; those that the server has taken stay if a later one is refused.

        Raises:
            UnavailableError: the server does not answer, or does not take an entity.
        """
        from redis.exceptions import RedisError

        pipeline = self._client.pipeline(**({} if self._cluster else {"transaction": False}))
        asked = 0
        for row in rows:
            until = None if self._keep is None else row.moment + self._keep
            if until is not None and until <= now:
                self.count.expired += 1
                continue
            key = layout.key_of(self._entity, row.value, prefix=self._prefix)
            fields = [part for pair in layout.fields_of(row.features, row.moment).items() for part in pair]
            expiry = b"" if until is None else str(int(until.timestamp() * 1000)).encode()
            pipeline.execute_command("EVAL", _SCRIPT, 1, key, layout.VERSION, layout.stamp(row.moment), expiry, *fields)
            asked += 1
        try:
            answers = pipeline.execute() if asked else []
        except (RedisError, OSError) as error:
            raise self._gone(error) from error
        self.count.written += answers.count(_WRITTEN)
        self.count.newer += answers.count(_NEWER)
        self.count.foreign += answers.count(_FOREIGN)

    def _gone(self, error: Exception) -> UnavailableError:
        """Return why nothing more can be written; what the server says may hold anything, and is not repeated."""
        return UnavailableError(
            f"{self._name} does not take features: {type(error).__name__}.",
            advice="What was written is whole; run it again.",
        )


def public(url: str) -> str:
    """Return a server's URL without user and password.

    Raises:
        OptionsError: it is none of Redis.
    """
    if not url.startswith(SCHEMES):
        raise OptionsError(f"online must begin with {', '.join(SCHEMES)}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise OptionsError("online is not a URL") from None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
