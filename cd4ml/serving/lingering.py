"""Answers that end a connection, and connections that wait until the client has taken theirs."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar, Final

# How many connections may wait for their end at once; one more is closed with its answer, and may lose it.
MOST_LINGERING: Final = 64
_LINGER_SECONDS: Final = 2.0


class Lingering(asyncio.Protocol):
    """A connection that gets its last answer, and is closed when the client has taken it or time is up."""

    open: ClassVar[set[Lingering]] = set()

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, *, answer: bytes, asked: bool = False
    ) -> None:
        self._transport, self._answer = transport, answer
        self._end = loop.call_later(_LINGER_SECONDS, transport.abort)
        self.open.add(self)
        if asked:
            self.data_received(b"")

    def data_received(self, _data: bytes) -> None:
        """Answer once the client has asked; the rest is read and dropped."""
        if self._answer:
            self._transport.write(self._answer)
            self._transport.write_eof()
            self._answer = b""

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the deadline."""
        self._end.cancel()
        self.open.discard(self)


def dismiss(
    transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, answer: bytes, *, asked: bool = False
) -> None:
    """End a connection with a last answer; what the client still sends is dropped, or it could take the answer away.

    Args:
        asked: whether the client has asked already, and is answered at once.
    """
    if len(Lingering.open) < MOST_LINGERING:
        transport.set_protocol(Lingering(transport, loop, answer=answer, asked=asked))
        return
    transport.set_protocol(asyncio.Protocol())
    if transport.get_write_buffer_size():
        transport.abort()
        return
    transport.write(answer)
    transport.close()


def _whole_answer(status: str, code: str, message: str) -> bytes:
    """Return a whole answer that ends its connection."""
    body = json.dumps({"error": {"code": code, "message": message, "problems": [], "more": 0}})
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Retry-After: 1\r\nConnection: close\r\n\r\n{body}".encode()


BUSY: Final = _whole_answer("503 Service Unavailable", "busy", "Too many connections are open.")
TOO_SLOW: Final = _whole_answer("408 Request Timeout", "too-slow", "The request's headers took too long.")
HEAD_TOO_LARGE: Final = _whole_answer("431 Request Header Fields Too Large", "head-too-large", "Too many headers.")
