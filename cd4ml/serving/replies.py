"""The headers of an answer, for whoever writes it: as messages of ASGI, or as bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cd4ml.serving.bodies import Send
from cd4ml.serving.exchange import Headers

# After a refused body the rest of it may still be on its way: it must not be read as the next request.
CLOSING: Final = (408, 413)
_AGAIN: Final = (429, 503)

Write = Callable[[int, bytes], None]


def fields(status: int, body: bytes, media_type: bytes, more: Headers = ()) -> bytes:
    """Return the headers that an answer of this status has, as they are written."""
    found = b"content-type: %b\r\ncontent-length: %d\r\n" % (media_type, len(body))
    if status == 200 and not more:
        return found
    for name, value in (*more, *_by_status(status)):
        if b"\n" in value or b"\r" in value:
            raise RuntimeError("Invalid HTTP header value.")
        found += b"%b: %b\r\n" % (name, value)
    return found


async def reply(
    send: Send, status: int, body: bytes, media_type: bytes, *, allow: bytes | None = None, more: Headers = ()
) -> None:
    """Send an answer."""
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *more, *_by_status(status)]
    if allow is not None:
        headers.append((b"allow", allow))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _by_status(status: int) -> Headers:
    """Return the headers that come with a status."""
    if status in CLOSING:
        return [(b"connection", b"close")]
    return [(b"retry-after", b"1")] if status in _AGAIN else []
