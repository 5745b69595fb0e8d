"""Events in a Redis Stream, as the gateway writes them: entries with the one field `event`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.events.lines import decoded
from cd4ml.observe.events.part import Part

_ENTRIES: Final = 10_000
_SECONDS: Final = 10.0


def parts(url: str) -> Iterator[Part]:
    """Yield the events of a stream, as far as it reached when reading began.

    Args:
        url: `redis://HOST:PORT[/DATABASE]/STREAM`, or `rediss://…`.

    Raises:
        OptionsError: the address names no stream. It is not repeated: there may be a password in it.
        UnavailableError: the server does not answer, or has no such stream.
    """
    from redis import Redis
    from redis.exceptions import RedisError

    pieces = urlsplit(url)
    path, _, stream = pieces.path.rpartition("/")
    stream = unquote(stream)
    if not stream or not pieces.hostname:
        raise OptionsError("a Redis stream is redis://HOST:PORT/STREAM, or redis://HOST:PORT/DATABASE/STREAM")
    name = f"{pieces.scheme}://{pieces.hostname}:{pieces.port or 6379}{path}/{stream}"
    try:
        client: Any = Redis.from_url(
            urlunsplit(pieces._replace(path=path)), socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
        )
        with client:
            if not client.exists(stream):
                raise UnavailableError(f"{name} does not exist: no event was written to it yet, or its name is another")
            yield from _entries(client, stream, name)
    except (RedisError, OSError) as error:
        raise UnavailableError(f"no answer from {name}: {type(error).__name__}") from error
    except ValueError:
        raise OptionsError("the address of a Redis stream is not one that the Redis client understands") from None


def _entries(client: Any, stream: str, name: str) -> Iterator[Part]:
    """Yield the events of all entries up to the newest one of now."""
    newest = client.xrevrange(stream, count=1)
    last, start = newest[0][0] if newest else b"0-0", b"-"
    while entries := client.xrange(stream, min=start, max=last, count=_ENTRIES):
        places = [f"{name} {entry.decode()}" for entry, _ in entries]
        # What has no such field is not an event: an empty object is refused as such, an empty line would not count.
        yield decoded([fields.get(b"event") or b"{}" for _, fields in entries], places.__getitem__)
        start = b"(" + entries[-1][0]
