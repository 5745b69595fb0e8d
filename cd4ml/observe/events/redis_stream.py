"""Events in a Redis Stream, as the gateway writes them: entries with the one field `event`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    from redis.exceptions import RedisError

    address = address_of(url)
    name, stream = address.name, address.stream
    try:
        with address.client() as client:
            if not client.exists(stream):
                raise UnavailableError(f"{name} does not exist: no event was written to it yet, or its name is another")
            yield from _entries(client, stream, name)
    except (RedisError, OSError) as error:
        raise UnavailableError(f"no answer from {name}: {type(error).__name__}") from error


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a stream is.

    Attributes:
        name: for people, without secrets.
        stream: its key.
    """

    name: str
    stream: str
    _server: str = field(repr=False)

    def client(self) -> Any:
        """Return a client of the server; nothing is connected.

        Raises:
            OptionsError: the client does not understand the address.
        """
        from redis import Redis

        try:
            return Redis.from_url(self._server, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
        except ValueError:
            raise _not_understood() from None


def address_of(url: str) -> Address:
    """Return where a stream is.

    Args:
        url: `redis://HOST:PORT[/DATABASE]/STREAM`, or `rediss://…`.

    Raises:
        OptionsError: the address names no stream. It is not repeated: there may be a password in it.
    """
    try:
        pieces = urlsplit(url)
        port = pieces.port or 6379
    except ValueError:
        raise _not_understood() from None
    path, _, stream = pieces.path.rpartition("/")
    stream = unquote(stream)
    if not stream or not pieces.hostname:
        raise OptionsError("a Redis stream is redis://HOST:PORT/STREAM, or redis://HOST:PORT/DATABASE/STREAM")
    name = f"{pieces.scheme}://{pieces.hostname}:{port}{path}/{stream}"
    return Address(name=name, stream=stream, _server=urlunsplit(pieces._replace(path=path)))


def _not_understood() -> OptionsError:
    """Return what to say of an address that is none; it is not repeated."""
    return OptionsError("the address of a Redis stream is not one that the Redis client understands")


def _entries(client: Any, stream: str, name: str) -> Iterator[Part]:
    """Yield the events of all entries up to the newest one of now."""
    newest = client.xrevrange(stream, count=1)
    last, start = newest[0][0] if newest else b"0-0", b"-"
    while entries := client.xrange(stream, min=start, max=last, count=_ENTRIES):
        places = [f"{name} {entry.decode()}" for entry, _ in entries]
        # What has no such field is not an event: an empty object is refused as such, an empty line would not count.
        yield decoded([fields.get(b"event") or b"{}" for _, fields in entries], places.__getitem__)
        start = b"(" + entries[-1][0]
