"""Requests to tracks: sent on with what belongs to them, answered with what the track said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from cd4ml.serving.refused import Refused
from cd4ml.serving.router.routes import Track
from cd4ml.serving.router.settings import RouterSettings

Headers = Iterable[tuple[bytes, bytes]]

# They belong to one connection, or are made anew for the next one.
# https://www.rfc-editor.org/rfc/rfc9110#field.connection
_OF_THE_CONNECTION: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade host content-length expect date".split()
)
_LARGEST_ANSWER: Final = 64 * 1024 * 1024
# What HTTP knows as the end of an exchange.
_FIRST_STATUS: Final = 200
_LAST_STATUS: Final = 599
# Says the track, to the track and to the user; nobody else's word for it is passed on.
TRACK_HEADER: Final = b"x-cd4ml-track"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a track said."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    seconds: float


class Upstream:
    """Connections to one track, kept open between requests; no track or shadow can use up those of another."""

    def __init__(self, track: Track, settings: RouterSettings) -> None:
        """Open the pool; on the event loop that it will be used on."""
        self._track, self._seconds = track, settings.upstream_seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.upstream_connections, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=settings.upstream_seconds),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def ask(self, method: str, target: str, headers: Headers, body: bytes, traceparent: bytes) -> Answer:
        """Send a request to the track, and return what it answers.

        Args:
            target: path and query as the client wrote them.
            traceparent: which trace it belongs to, whatever its headers say.

        Raises:
            Refused: 400, the target is not a path: behind the track's address it could name another server; 502 or
                504, the track cannot be reached, answers no HTTP, or takes too long.
        """
        if not target.startswith("/"):
            raise Refused(400, "not-a-path", "The target of the request is not a path.")
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Nothing of the target is decoded and written anew: the track sees what the client sent.
        url, track = URL(self._track.url + target, encoded=True), self._track
        sent = forwarded(headers)
        sent["traceparent"], sent[TRACK_HEADER.decode()] = traceparent.decode(), track.name
        try:
            async with self._session.request(
                method, url, headers=sent, data=body or None, allow_redirects=False
            ) as response:
                if not _FIRST_STATUS <= response.status <= _LAST_STATUS:
                    raise ValueError(response.status)
                return Answer(
                    status=response.status,
                    headers=_passed_on((name.lower(), value) for name, value in response.raw_headers),
                    body=await _whole(response, track),
                    seconds=loop.time() - began,
                )
        except TimeoutError:
            message = f"The track {track.name} took longer than {self._seconds} s."
            raise Refused(504, "upstream-too-slow", message) from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Refused(502, "upstream-unavailable", f"The track {track.name} cannot be reached.") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _whole(response: aiohttp.ClientResponse, track: Track) -> bytes:
    """Return the body of an answer.

    Raises:
        Refused: it is larger than any gateway's.
    """
    received = bytearray()
    async for piece in response.content.iter_any():
        received += piece
        if len(received) > _LARGEST_ANSWER:
            raise Refused(502, "upstream-too-large", f"The track {track.name} answers more than is passed on.")
    return bytes(received)


def forwarded(headers: Headers) -> CIMultiDict[str]:
    """Return the headers of a request for the next server."""
    return CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in _passed_on(headers))


def _passed_on(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers, in small letters, that do not belong to the connection."""
    listed = list(headers)
    named = {part.strip().lower() for name, value in listed if name == b"connection" for part in value.split(b",")}
    return [(name, value) for name, value in listed if name not in _OF_THE_CONNECTION and name not in named]
