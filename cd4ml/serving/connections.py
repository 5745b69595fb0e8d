"""Connections that end: a deadline for a request's head, and a bound on how many are open.

uvicorn's own protocol waits for a request's head, and for a client that does not read, as long as the client likes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

_REFUSED_SECONDS: Final = 2.0


def protocol(*, seconds: float, most: int) -> type[H11Protocol]:
    """Return the class of a connection.

    Args:
        seconds: how long a client may take to send a request's line and headers, and to take what was answered.
        most: how many connections may be open; one more is answered 503.
    """

    class Connection(_Connection):
        """A connection with these limits."""

        def __init__(
            self,
            config: Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            super().__init__(config, server_state, app_state, _loop)
            self.most = most
            self.reading = _Deadline(self.loop, seconds, self.too_slow)
            self.writing = _Deadline(self.loop, seconds, lambda: self.transport.abort())

    return Connection


class _Connection(H11Protocol):
    """uvicorn's connection, and a deadline whenever it is the client's turn to send the rest or to read."""

    most: int
    reading: _Deadline
    writing: _Deadline

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or answer 503 if too many are open."""
        if len(self.connections) >= self.most:
            transport.set_protocol(_Refused(transport, self.loop))
            return
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on; what was begun must be whole before the deadline, however slowly it drips."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of one that was answered early must come soon."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self.reading.stop()
        self.writing.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give the client a deadline to take what was answered."""
        super().pause_writing()
        self.writing.start()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self.writing.stop()

    def _watch(self) -> None:
        """Set the deadline if the client owes the rest of a request; take it away while one is being answered."""
        if self.transport.is_closing():
            return
        if self.cycle is None or (self.cycle.response_complete and self._owed()):
            self.reading.start()
            return
        self.reading.stop()
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # The rest of a request that was answered early has come, and has put an end to uvicorn's own timer.
            task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = task

    def _owed(self) -> bool:
        """Whether a request has begun to arrive that is not whole."""
        return self.conn.their_state is not h11.IDLE or bool(self.conn.trailing_data[0])

    def too_slow(self) -> None:
        """End the connection; whoever has sent half a request is told why."""
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self.transport.write(_answer("408 Request Timeout", "too-slow", "The request's headers took too long."))
        self.transport.close()


class _Deadline:
    """Calls a function once, unless it is stopped before; starting it again does not put it off."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, function: Callable[[], None]) -> None:
        self._loop, self._seconds, self._function = loop, seconds, function
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Let the time run, if it does not yet."""
        self._timer = self._timer or self._loop.call_later(self._seconds, self._function)

    def stop(self) -> None:
        """Forget it."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None


class _Refused(asyncio.Protocol):
    """A connection too many: answered once the client has asked, and never kept."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._answered = transport, False
        self._end = _Deadline(loop, _REFUSED_SECONDS, transport.abort)
        self._end.start()

    def data_received(self, _data: bytes) -> None:
        """Answer; the rest is read and dropped, because closing earlier could take the answer away again."""
        if not self._answered:
            self._answered = True
            self._transport.write(_answer("503 Service Unavailable", "busy", "Too many connections are open."))
            self._transport.write_eof()

    def connection_lost(self, _error: Exception | None) -> None:
        """Forget the deadline."""
        self._end.stop()


def _answer(status: str, code: str, message: str) -> bytes:
    """Return a whole answer that ends its connection."""
    body = json.dumps({"error": {"code": code, "message": message, "problems": [], "more": 0}})
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nRetry-After: 1\r\n"
    return f"{head}Connection: close\r\n\r\n{body}".encode()
