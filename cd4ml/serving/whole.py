"""Requests that are whole when they are read: answered at once, without a task, a scope and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from cd4ml.serving.exchange import HeaderList
from cd4ml.serving.replies import CLOSING, Write


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """What answers whole requests.

    Attributes:
        paths: those where POST is answered at once, as a request line has them.
        answer: takes path, query, headers, body and what writes the answer; returns None, or how far a request is
            whose answer has to be awaited.
    """

    paths: Mapping[bytes, str]
    answer: Callable[[str, bytes, HeaderList, bytes, Write], object | None]


# Where in its scope the application finds how far a request is.
BEGUN: Final = "cd4ml.begun"


class WholeRequests(HttpToolsProtocol):
    """uvicorn's connection, whose requests for some paths are held back until they were read.

    One that is whole by then is answered at once; of all others uvicorn makes a task, as it always does.

    Attributes:
        at_once: None if there is no such path.
    """

    at_once: ClassVar[AtOnce | None] = None
    # The server's own headers, and how they are written: they change each second, for all connections.
    _written: ClassVar[tuple[HeaderList | None, bytes]] = (None, b"")

    _held: tuple[str, bytes] | None = None
    _body = b""
    _may_hold = True

    def on_message_begin(self) -> None:
        """A request begins; its scope is made once it is needed."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def hold(self) -> bool:
        """Hold the request back whose head is whole, if it may be answered at once."""
        if self.at_once is None or not self._may_hold or b"#" in self.url:
            return False
        target, _, query = self.url.partition(b"?")
        path = self.at_once.paths.get(target)
        if path is None or self.expect_100_continue or self.flow.write_paused:
            return False
        parser = self.parser
        if parser.get_method() != b"POST" or not parser.should_keep_alive() or parser.get_http_version() != "1.1":
            return False
        # One of a read.
        self._held, self._body, self._may_hold = (path, query), b"", False
        return True

    def release(self) -> None:
        """Make a task of the request that is held back, whose body is not whole."""
        self._held = None
        self.open()
        if self._body:
            super().on_body(self._body)

    def open(self) -> None:
        """Make a scope and a task of the request whose head is whole; those behind it in a read wait for their turn."""
        self._may_hold = False
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take more of the body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Answer at once, or go on as always."""
        if self._held is None:
            super().on_message_complete()
            return
        (path, query), self._held = self._held, None
        assert self.at_once is not None
        begun = self.at_once.answer(path, query, self.headers, self._body, self._write_whole)
        if begun is not None:
            self.open()
            self.scope[BEGUN] = begun  # type: ignore[typeddict-unknown-key]
            super().on_message_complete()
        self._body = b""

    def _write_whole(self, status: int, rest: bytes) -> None:
        """Write an answer."""
        own = self.server_state.default_headers
        known, written = WholeRequests._written
        if known is not own:
            written = b"".join(b"%b: %b\r\n" % header for header in own)
            WholeRequests._written = own, written
        self.transport.write(b"".join((STATUS_LINE[status], written, rest)))
        if status in CLOSING:
            self.transport.close()
        self.on_response_complete()
