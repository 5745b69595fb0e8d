"""The body of a request: of a type that is read, within its size and its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final

from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SHOWN: Final = 5


class ClientGone(Exception):
    """The client has closed the connection before its request was whole."""


def media_type_of(scope: Scope, allowed: Collection[str]) -> str:
    """Return the content type of a request, in small letters and without parameters.

    Raises:
        Refused: it is none of those that are read.
    """
    found = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            found = value
    media_type = found.decode("latin-1").partition(";")[0].strip().lower()
    if media_type not in allowed:
        known = " or ".join(sorted(filter(None, allowed))[:_SHOWN])
        raise Refused(415, "not-json", f"The content type must be {known}.")
    return media_type


async def body_of(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """Return the body, however it is sent.

    Raises:
        Refused: it is too large or too slow.
        ClientGone: the rest of it will not come.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > settings.body_bytes:
            raise _too_large(settings)
    try:
        async with asyncio.timeout(settings.body_seconds):
            return await _whole(receive, settings)
    except TimeoutError:
        raise Refused(408, "too-slow", f"The body took longer than {settings.body_seconds} seconds.") from None


async def _whole(receive: Receive, settings: Settings) -> bytes:
    """Read the pieces of a body until the last, or until they are too many."""
    received, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        received, more = received + piece if received else piece, message.get("more_body", False)
        if len(received) > settings.body_bytes:
            raise _too_large(settings)
    return received


def _too_large(settings: Settings) -> Refused:
    """Return the refusal of a body."""
    return Refused(413, "too-large", f"The body may have at most {settings.body_bytes} bytes.")
