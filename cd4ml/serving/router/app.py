"""The router's HTTP interface: whatever comes goes on to the track of its user, and perhaps as a copy to the shadow."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import Counter
from typing import Final

from cd4ml.serving.bodies import ClientGone, Receive, Scope, Send, body_of
from cd4ml.serving.exchange import Exchange
from cd4ml.serving.protocols.predict import error_document
from cd4ml.serving.refused import Refused
from cd4ml.serving.router.pairs import Pairs
from cd4ml.serving.router.routes import Routes, Track
from cd4ml.serving.router.settings import RouterSettings
from cd4ml.serving.router.upstream import TRACK_HEADER, Answer, Upstream
from cd4ml.serving.settings import Settings
from cd4ml.serving.telemetry.context import Context

# The router's own paths begin like no path of a gateway; all others are the tracks'.
_OWN: Final = "/router/"
_DRAIN_SECONDS: Final = 5.0
_CONTEXT: Final = Context()

# Method, target, headers, body and trace of a request.
Asked = tuple[str, str, list[tuple[bytes, bytes]], bytes, bytes]


class Router:
    """The application.

    Attributes:
        counts: requests by what became of them: `track:<name>`, `without-user`, `error:<code>`, `copies`,
            `copies-dropped`, `copies-failed`.
    """

    def __init__(self, routes: Routes, settings: Settings, own: RouterSettings, pairs: Pairs) -> None:
        self._routes, self._settings, self._own, self._pairs = routes, settings, own, pairs
        self._upstreams: dict[str, Upstream] = {}
        self._copies: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"].startswith(_OWN):
            await self._own_page(scope, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Open the connections; at the end wait for copies that are on their way."""
        await receive()
        everyone = [*self._routes.tracks, *([self._routes.shadow] if self._routes.shadow else [])]
        self._upstreams = {track.name: Upstream(track, self._own) for track in everyone}
        self._pairs.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._copies:
            await asyncio.wait(self._copies, timeout=_DRAIN_SECONDS)
        for upstream in self._upstreams.values():
            await upstream.close()
        self._pairs.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _own_page(self, scope: Scope, send: Send) -> None:
        """Answer the router's own paths: whether it works, what it does, and what became of requests."""
        name, routes = scope["path"].removeprefix(_OWN), self._routes
        if name == "health":
            await _answer(send, 200, b'{"status":"ready"}', [])
        elif name == "status":
            tracks = [{"name": track.name, "share": track.share} for track in routes.tracks]
            shadow = routes.shadow and {"name": routes.shadow.name, "share": routes.shadow.share}
            about = {"experiment": routes.experiment, "tracks": tracks, "shadow": shadow, "counts": self._counted()}
            await _answer(send, 200, json.dumps(about).encode(), [])
        else:
            await _answer(send, 404, error_document(Refused(404, "not-found", "There is no such path.")), [])

    def _counted(self) -> dict[str, int]:
        """Return what became of requests and of pairs."""
        return {**self.counts, **self._pairs.counts}

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a request on, and its answer back."""
        track = self._track_of(scope)
        try:
            body = await body_of(scope, receive, self._settings)
            answer = await self._ask(track, scope, body)
        except ClientGone:
            self.counts["error:client-gone"] += 1
            return
        except Refused as refused:
            self.counts[f"error:{refused.code}"] += 1
            closing = [(b"connection", b"close")] if refused.status in (408, 413) else []
            await _answer(send, refused.status, error_document(refused), [*closing, (TRACK_HEADER, _name(track))])
            return
        self.counts[f"track:{track.name}"] += 1
        headers = [(name, value) for name, value in answer.headers if name != TRACK_HEADER]
        empty = scope["method"] == "HEAD"
        await _send(send, answer.status, [*headers, (TRACK_HEADER, _name(track))], answer.body, sized=not empty)

    def _track_of(self, scope: Scope) -> Track:
        """Return the track of the user; who names none is drawn anew for each request."""
        wanted = self._routes.header.encode()
        user = next((value for name, value in scope["headers"] if name == wanted and value), None)
        if user is None:
            self.counts["without-user"] += 1
            return self._routes.track(secrets.token_hex(16))
        return self._routes.track(user.decode("utf-8", "surrogateescape"))

    async def _ask(self, track: Track, scope: Scope, body: bytes) -> Answer:
        """Ask the track, and beside it the shadow if this request is copied; nobody waits for the shadow.

        Raises:
            Refused: the track did not answer.
        """
        exchange = _CONTEXT.begin("", scope["headers"])
        query = scope.get("query_string", b"")
        target = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        asked = (scope["method"], target, scope["headers"], body, _traceparent(exchange, scope["headers"]))
        said: asyncio.Future[Answer | str] = asyncio.get_running_loop().create_future()
        if scope["method"] == "POST" and self._routes.copied(exchange.trace_id) and self._room_for_a_copy():
            task = asyncio.create_task(self._copied(track, said, exchange.trace_id, asked))
            self._copies.add(task)
            task.add_done_callback(self._copies.discard)
        outcome: Answer | str = "client-gone"
        try:
            outcome = await self._upstreams[track.name].ask(*asked)
            return outcome
        except Refused as refused:
            outcome = refused.code
            raise
        finally:
            said.set_result(outcome)

    def _room_for_a_copy(self) -> bool:
        """Whether one more copy may be on its way; one that may not is counted."""
        if len(self._copies) < self._own.copies:
            return True
        self.counts["copies-dropped"] += 1
        return False

    async def _copied(self, track: Track, said: asyncio.Future[Answer | str], trace_id: str, asked: Asked) -> None:
        """Ask the shadow, and record both answers."""
        shadow = self._routes.shadow
        assert shadow is not None
        copied: Answer | str
        try:
            copied = await self._upstreams[shadow.name].ask(*asked)
            self.counts["copies"] += 1
        except Refused as refused:
            copied = refused.code
            self.counts["copies-failed"] += 1
        self._pairs.record(trace_id, ((track, await said), (shadow, copied)))


def _traceparent(exchange: Exchange, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return the header that track and shadow share: the caller's where it is one, else of a trace begun here."""
    if exchange.parent_id is not None:
        return next(value for name, value in headers if name == b"traceparent")
    return f"00-{exchange.trace_id}-{exchange.span_id}-00".encode()


def _name(track: Track) -> bytes:
    """Return a track's name as a header's value."""
    return track.name.encode()


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send an answer of the router's own."""
    await _send(send, status, [(b"content-type", b"application/json"), *headers], body)


async def _send(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, sized: bool = True
) -> None:
    """Send an answer; its length is that of the body, unless there is none by rule."""
    if sized:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
