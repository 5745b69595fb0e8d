"""Requests over HTTP to one server, on connections that stay open: small documents, and never for longer than asked."""

from __future__ import annotations

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import httptools

from cd4ml.serving.settings import SettingsError

_LARGEST_ANSWER: Final = 64 * 1024**2
_MOST_IDLE: Final = 4
_PIECE: Final = 65536
_PORTS: Final = {"http": 80, "https": 443}


class _Answer:
    """What the parser tells of an answer."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.whole = self.stays = False
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, piece: bytes) -> None:
        """Keep a piece of the body."""
        self.body += piece
        if len(self.body) > _LARGEST_ANSWER:
            raise ValueError("the answer is too large")

    def on_message_complete(self) -> None:
        """The answer is whole; only now the parser knows whether the connection stays open."""
        self.whole, self.stays = True, self.parser.should_keep_alive()


class Server:
    """A server; its methods may raise OSError, EOFError and ValueError."""

    def __init__(self, url: str, *, setting: str, token: str = "") -> None:
        """Prepare; no connection is made yet.

        Args:
            setting: the variable that holds the URL.
            token: sent as bearer token.

        Raises:
            SettingsError: the URL is none of an HTTP server. It is not repeated: there may be a password in it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            host, port = None, 0
        odd = parts.username or parts.query or parts.fragment if host else True
        if host is None or odd or not (url + token).isascii() or not (url + token).isprintable() or " " in url:
            raise SettingsError(f"{setting} must be http:// or https:// with a host and, if need be, a port and a path")
        self._host, self._port, self._path = host, port, parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._common = f"Host: {parts.netloc}\r\nAccept: application/json\r\n"
        if token:
            self._common += f"Authorization: Bearer {token}\r\n"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and body of a page."""
        return await self._ask(f"GET {self._path}{path} HTTP/1.1\r\n{self._common}\r\n".encode())

    async def post(self, path: str, document: bytes) -> tuple[int, bytes]:
        """Send a JSON document, and return the status and body of the answer."""
        head = f"POST {self._path}{path} HTTP/1.1\r\n{self._common}Content-Type: application/json\r\n"
        return await self._ask(f"{head}Content-Length: {len(document)}\r\n\r\n".encode() + document)

    async def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        """Return the answer to a request; on a new connection where the server has closed the one that was open."""
        while self._idle:
            reader, writer = self._idle.pop()
            if reader.at_eof() or writer.is_closing():
                writer.close()
                continue
            try:
                return await self._exchanged(request, reader, writer)
            except (ConnectionError, EOFError):
                continue
        return await self._exchanged(request, *await asyncio.open_connection(self._host, self._port, ssl=self._tls))

    async def _exchanged(
        self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, bytes]:
        """Return the answer to a request, and keep its connection if it can be used again."""
        kept = False
        try:
            writer.write(request)
            answer = await _read(reader)
            kept = answer.stays and len(self._idle) < _MOST_IDLE
            return answer.parser.get_status_code(), bytes(answer.body)
        finally:
            if kept:
                self._idle.append((reader, writer))
            else:
                writer.close()


async def _read(reader: asyncio.StreamReader) -> _Answer:
    """Return an answer once it is whole."""
    answer = _Answer()
    while not answer.whole:
        piece = await reader.read(_PIECE)
        if not piece:
            raise EOFError
        try:
            answer.parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise ValueError("the server does not answer by HTTP") from None
    return answer
