"""Connections that end: a deadline for whatever the client owes, and a bound on how many are open.

uvicorn's own protocol waits for a request's head, and for a client that does not read, as long as the client likes.
One clock looks at all connections four times a second, so that a request costs no timer.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings

_LINGER_SECONDS: Final = 2.0
_TICK_SECONDS: Final = 0.25
# Requests that a client may send before the first is answered; it is cut off with 400 where it sends more.
_MOST_WAITING: Final = 100


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with a deadline whenever it is the client's turn to send the rest or to read.

    Attributes:
        owing_since: when the client began to owe us the rest of a request, None if it owes nothing.
        unread_since: when it stopped to read what was answered, None if it reads.
        idle_since: when the last answer was whole.
        draining: whether the gateway is about to end: the next answer is the last.
    """

    settings: Settings
    most: int
    cycle: _Cycle

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.owing_since: float | None = None
        self.unread_since: float | None = None
        self.idle_since = 0.0
        self.draining = False
        self._begun = self._in_head = False
        self._head_bytes = 0
        self._body_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or answer 503 if too many are open."""
        if len(self.connections) >= self.most:
            transport.set_protocol(_Lingering(transport, self.loop, answer=_BUSY))
            return
        super().connection_made(transport)
        self.owing_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Read on; what was begun must be whole before the deadline, however slowly it drips."""
        if self._in_head or not self._begun:
            self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > self.settings.header_bytes:
            self._end(_HEAD_TOO_LARGE)
            return
        owed = self._begun or self._head_bytes > 0
        if not owed or not (self.cycle is None or self.cycle.response_complete):
            self.owing_since = None
        elif self.owing_since is None:
            self.owing_since = self.loop.time()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begun = self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole: it is answered, in its turn."""
        if len(self.pipeline) >= _MOST_WAITING:
            raise ConnectionError("too many requests are sent before the first is answered")
        self._in_head, self._head_bytes = False, 0
        self._body_since = self.loop.time()
        super().on_headers_complete()
        # The cycle has not run yet: it becomes ours, which writes an answer at once.
        self.cycle.__class__ = _Cycle
        self.cycle.connection = self
        if self.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """It is whole."""
        self._begun = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of one that was answered early must come soon."""
        self.idle_since = self.loop.time()
        if self._begun:
            self.owing_since = self.idle_since
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """Give the client a deadline to take what was answered."""
        super().pause_writing()
        self.unread_since = self.loop.time()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        self.unread_since = None

    def shutdown(self) -> None:
        """End after the next answer: a client that is sending already must not find the connection closed."""
        self.draining = True
        if self.idle:
            return
        self.cycle.keep_alive = False

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def look(self, now: float) -> None:
        """End the connection if the client has owed something for too long, or has asked nothing more."""
        if self.transport.is_closing():
            return
        if self.unread_since is not None and now - self.unread_since > self.settings.header_seconds:
            self.transport.abort()
        elif self.owing_since is not None:
            if now - self.owing_since > self.settings.header_seconds:
                # Whoever has sent half a head is told why.
                self._end(_TOO_SLOW if self._in_head and self._head_bytes else b"")
        elif self._begun and not self.idle and now - self._body_since > self.settings.body_seconds:
            self.cycle.give_up()
        elif self.idle and now - self.idle_since > self.settings.keep_alive_seconds:
            self.transport.close()

    def linger(self, last: bytes) -> None:
        """Write the last answer; what the client still sends is dropped, or closing could take the answer away."""
        self.connections.discard(self)
        self.cycle.disconnected = True
        self.transport.set_protocol(_Lingering(self.transport, self.loop, answer=last, asked=True))

    def _end(self, last: bytes) -> None:
        """Close the connection, with a last answer if there is one to be given."""
        if last:
            self.transport.write(last)
        self.transport.close()


class _Cycle(RequestResponseCycle):
    """uvicorn's answer to one request, whose head and body are written at once."""

    connection: Connection
    late = False
    _head: list[bytes]

    async def receive(self) -> Any:
        """Return the next piece of the body.

        Raises:
            Refused: the rest of it takes too long.
        """
        message = await super().receive()
        if self.late and self.more_body and not self.disconnected:
            seconds = self.connection.settings.body_seconds
            raise Refused(408, "too-slow", f"The body took longer than {seconds} seconds.")
        return message

    def give_up(self) -> None:
        """Wait for the rest of the body no longer."""
        self.late = True
        self.message_event.set()

    async def send(self, message: Any) -> None:
        """Take the head, or write both."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._start(message)
            return
        self._write(message["body"])

    def _start(self, message: Any) -> None:
        """Keep the head."""
        self.response_started, self.waiting_for_100_continue = True, False
        head = [STATUS_LINE[message["status"]]]
        for name, value in (*self.default_headers, *message["headers"]):
            if b"\n" in value or b"\r" in value:
                raise RuntimeError("Invalid HTTP header value.")
            if name == b"connection":
                self.keep_alive = False
                continue
            head += (name, b": ", value, b"\r\n")
        head.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self._head = head

    def _write(self, body: bytes) -> None:
        """Write head and body, and end the connection if it is to end."""
        if self.scope["method"] != "HEAD":
            self._head.append(body)
        self.response_complete = True
        self.message_event.set()
        whole = b"".join(self._head)
        if self.keep_alive:
            self.transport.write(whole)
        elif self.more_body:
            self.connection.linger(whole)
        else:
            self.transport.write(whole)
            self.transport.close()
        self.on_response()


class _Lingering(asyncio.Protocol):
    """A connection that gets its last answer, and is closed when the client has taken it or time is up."""

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, *, answer: bytes, asked: bool = False
    ) -> None:
        self._transport, self._answer = transport, answer
        self._end = loop.call_later(_LINGER_SECONDS, transport.abort)
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


async def watch(state: ServerState) -> None:
    """Look at all connections, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        now = loop.time()
        for connection in list(state.connections):
            if isinstance(connection, Connection):
                connection.look(now)


def protocol(settings: Settings, most: int) -> type[Connection]:
    """Return the class of a connection.

    Args:
        most: how many connections may be open; one more is answered 503.
    """
    return type("LimitedConnection", (Connection,), {"settings": settings, "most": most})


def _whole_answer(status: str, code: str, message: str) -> bytes:
    """Return a whole answer that ends its connection."""
    body = json.dumps({"error": {"code": code, "message": message, "problems": [], "more": 0}})
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Retry-After: 1\r\nConnection: close\r\n\r\n{body}".encode()


_BUSY: Final = _whole_answer("503 Service Unavailable", "busy", "Too many connections are open.")
_TOO_SLOW: Final = _whole_answer("408 Request Timeout", "too-slow", "The request's headers took too long.")
_HEAD_TOO_LARGE: Final = _whole_answer("431 Request Header Fields Too Large", "head-too-large", "Too many headers.")
