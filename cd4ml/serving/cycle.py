"""The answer to one request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from cd4ml.serving.refused import Refused


class Cycle(RequestResponseCycle):
    """uvicorn's answer to one request, whose head and body are written at once.

    Attributes:
        linger: writes the last answer to a client that is still sending.
    """

    body_seconds: int
    linger: Callable[[bytes], None]
    late = False
    _head: list[bytes]

    async def receive(self) -> Any:
        """Return the next piece of the body.

        Raises:
            Refused: the rest of it takes too long.
        """
        message = await super().receive()
        if self.late and self.more_body and not self.disconnected:
            raise Refused(408, "too-slow", f"The body took longer than {self.body_seconds} seconds.")
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
            self.linger(whole)
        else:
            self.transport.write(whole)
            self.transport.close()
        self.on_response()
