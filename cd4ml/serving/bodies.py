"""The body of a request: of a type that is read, within its size and its time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from functools import lru_cache
from typing import Any, Final

from cd4ml.serving.exchange import Headers
from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SHOWN: Final = 5


class ClientGone(Exception):
    """The client has closed the connection before its request was whole."""


def media_type_of(headers: Headers, allowed: Collection[str]) -> str:
    """Return the content type of a request, in small letters and without parameters.

    Raises:
        Refused: it is none of those that are read.
    """
    found = b""
    for name, value in headers:
        if name == b"content-type":
            found = value
    media_type = _media_type(found)
    if media_type not in allowed:
        known = " or ".join(sorted(filter(None, allowed))[:_SHOWN])
        raise Refused(415, "not-json", f"The content type must be {known}.")
    return media_type


@lru_cache(maxsize=64)
def _media_type(header: bytes) -> str:
    """Return the content type in a header."""
    return header.decode("latin-1").partition(";")[0].strip().lower()


async def body_of(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """Return the body, however it is sent; the connection itself says if it takes too long.

    Raises:
        Refused: it is too large or too slow.
        ClientGone: the rest of it will not come.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            demand_size(int(value), settings)
    received, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        received, more = received + piece if received else piece, message.get("more_body", False)
        demand_size(len(received), settings)
    return received


def demand_size(size: int, settings: Settings) -> None:
    """Demand that a body is within its size.

    Raises:
        Refused: it is too large.
    """
    if size > settings.body_bytes:
        raise Refused(413, "too-large", f"The body may have at most {settings.body_bytes} bytes.")
