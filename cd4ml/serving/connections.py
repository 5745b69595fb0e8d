"""Connections that end: a deadline for whatever the client owes, and a bound on how many are open.

uvicorn's own protocol waits for a request's head, and for a client that does not read, as long as the client likes.
One clock looks at all connections four times a second, so that a request costs no timer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from uvicorn import Config
from uvicorn.server import ServerState

from cd4ml.serving.cycle import Cycle
from cd4ml.serving.lingering import BUSY, HEAD_TOO_LARGE, TOO_SLOW, dismiss
from cd4ml.serving.settings import Settings
from cd4ml.serving.whole import AtOnce, WholeRequests

_TICK_SECONDS: Final = 0.25
# Requests that a client may send before the first is answered; it is cut off with 400 where it sends more.
_MOST_WAITING: Final = 100


class Connection(WholeRequests):
    """uvicorn's connection, with a deadline whenever it is the client's turn to send the rest or to read.

    Attributes:
        owing_since: when the client began to owe us the rest of a request, None if it owes nothing.
        unread_since: when it stopped to read what was answered, None if it reads.
        idle_since: when the last answer was whole.
        closing_since: when it was first seen to be closing, with an answer that the client has yet to take.
        draining: whether the gateway is about to end: the next answer is the last.
    """

    settings: Settings
    most: int
    cycle: Cycle

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
        self.closing_since: float | None = None
        self.idle_since = 0.0
        self.draining = False
        self._begun = self._in_head = False
        self._head_bytes = self._bytes_beside_body = 0
        self._body_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or answer 503 if too many are open."""
        if len(self.connections) >= self.most:
            dismiss(transport, self.loop, BUSY)
            return
        super().connection_made(transport)
        self.owing_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Read on; what was begun must be whole before the deadline, however slowly it drips."""
        if self._in_head or not self._begun:
            self._head_bytes += len(data)
        self._bytes_beside_body += len(data)
        self._may_hold = self.idle and not self.pipeline and not self.draining
        self._parse(data)
        if self._held is not None:
            self.release()
        if self.transport.is_closing():
            return
        if self._in_head and self._head_bytes > self.settings.header_bytes:
            self._end(HEAD_TOO_LARGE if self.idle else b"")
            return
        if not self._begun or self._in_head:
            self._bytes_beside_body = 0
        elif self._bytes_beside_body > self.settings.header_bytes:
            self._end(HEAD_TOO_LARGE if not self.idle and not self.pipeline else b"")
            return
        owed = self._begun or self._head_bytes > 0
        if not owed or not (self.cycle is None or self.cycle.response_complete):
            self.owing_since = None
        elif self.owing_since is None:
            self.owing_since = self.loop.time()

    def _parse(self, data: bytes) -> None:
        """Parse what came.

        The gateway speaks no other protocol, so a request that asks for one is answered as if it did not ask. The
        parser has left out its body, and would take that for the next request: another one reads the request again.
        """
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            except httptools.HttpParserError:
                if not self.transport.is_closing():
                    self.logger.warning("Invalid HTTP request received.")
                    self.send_400_response("Invalid HTTP request received.")
                return

    def _head_without_upgrade(self) -> bytes:
        """Return the head that was read, without its wish for another protocol."""
        first = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"\r\n".join((first, *lines, b"", b""))

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begun = self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; what follows the body of a request is none, and is dropped."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Its head is whole: it is answered, in its turn."""
        if self.transport.is_closing():
            raise ConnectionError("the last answer was written")
        if self._head_size() > self.settings.header_bytes:
            self._end(HEAD_TOO_LARGE if self.idle else b"")
            raise ConnectionError("the head is too large")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ConnectionError("the gateway is no proxy")
            return
        if len(self.pipeline) >= _MOST_WAITING:
            raise ConnectionError("too many requests are sent before the first is answered")
        self._in_head, self._head_bytes, self._bytes_beside_body = False, 0, 0
        self._body_since = self.loop.time()
        if not self.hold():
            self.open()

    def open(self) -> None:
        """Make a scope and a task of a request."""
        super().open()
        # The cycle has not run yet: it becomes ours, which writes an answer at once.
        self.cycle.__class__ = Cycle
        self.cycle.body_seconds, self.cycle.linger = self.settings.body_seconds, self.linger
        if self.draining:
            self.cycle.keep_alive = False

    def _head_size(self) -> int:
        """Return how many bytes the head has, without spaces that mean nothing."""
        size = len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value) + len(b": \r\n")
        return size

    def on_body(self, body: bytes) -> None:
        """Take more of the body."""
        self._bytes_beside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is whole, unless it is to be read again."""
        if self._in_head:
            return
        self._begun = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of one that was answered early must come soon."""
        self.idle_since = self.loop.time()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            # Nobody has read on while it waited: only now does its client have to send the rest.
            self._body_since = self.idle_since
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        if self._begun:
            self.owing_since = self.idle_since
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
        if self._unread_for(now) > self.settings.header_seconds:
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self.owing_since is not None:
            if now - self.owing_since > self.settings.header_seconds:
                # Whoever has sent half a head is told why.
                self._end(TOO_SLOW if self._in_head and self._head_bytes else b"")
        elif (
            self._begun and not self.idle and not self.pipeline and now - self._body_since > self.settings.body_seconds
        ):
            self.cycle.give_up()
        elif self.idle and now - self.idle_since > self.settings.keep_alive_seconds:
            self.transport.close()

    def _unread_for(self, now: float) -> float:
        """Return how long the client has not taken what was answered."""
        if self.closing_since is None and self.transport.is_closing():
            self.closing_since = now
        since = [start for start in (self.unread_since, self.closing_since) if start is not None]
        return now - min(since, default=now)

    def linger(self, last: bytes) -> None:
        """Write the last answer to a client that is still sending."""
        self.connections.discard(self)
        self.cycle.disconnected = True
        dismiss(self.transport, self.loop, last, asked=True)

    def _end(self, last: bytes) -> None:
        """Close the connection, with a last answer if there is one to be given."""
        if last:
            self.transport.write(last)
        self.transport.close()


async def watch(state: ServerState) -> None:
    """Look at all connections, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        now = loop.time()
        for connection in list(state.connections):
            if isinstance(connection, Connection):
                connection.look(now)


def protocol(settings: Settings, most: int, at_once: AtOnce | None = None) -> type[Connection]:
    """Return the class of a connection.

    Args:
        most: how many connections may be open; one more is answered 503.
        at_once: what answers whole requests.
    """
    return type("LimitedConnection", (Connection,), {"settings": settings, "most": most, "at_once": at_once})
