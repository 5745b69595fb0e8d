"""The gateway's HTTP interface, on ASGI itself: between a request's bytes and the model stands nothing but this."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from cd4ml.serving import description
from cd4ml.serving.bodies import Receive, Scope, Send
from cd4ml.serving.cache import Cache
from cd4ml.serving.exchange import Observer
from cd4ml.serving.features import Features
from cd4ml.serving.pages import Page, Part, pages
from cd4ml.serving.predicting import Predicting
from cd4ml.serving.protocols import dialects
from cd4ml.serving.refused import Refused, not_ready
from cd4ml.serving.replies import reply
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import State
from cd4ml.serving.telemetry.context import Context
from cd4ml.serving.whole import AtOnce


class Gateway:
    """The application.

    Attributes:
        pages: what GET answers, by path.
        predicting: answers what POST asks for.
        at_once: answers whole requests; None where every answer has to be awaited.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        observers: Sequence[Observer] = (),
        cache: Cache | None = None,
        context: Context = Context(),
        features: Features | None = None,
        others: Part | None = None,
    ) -> None:
        """Put it together.

        Args:
            others: says why the gateway is not ready though this process is.
        """
        self._state, self._settings, self._observers, self._cache = state, settings, observers, cache
        self._features = features
        self.pages = pages(state, [part for part in (cache, features, others) if part is not None])
        self.predicting = Predicting(state, settings, observers, cache, context, features)
        targets = {path.encode(): path for path in self.predicting.paths if path.isascii()}
        awaited = cache is not None or features is not None
        self.at_once = None if awaited else AtOnce(paths=targets, answer=self.predicting.at_once)
        self._description: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path in self.predicting.paths and method == "POST":
            await self.predicting.answer(path, scope, receive, send)
            return
        page = await self._page(path, method)
        allow = _allowed(page.status, path, self.predicting.paths)
        await reply(send, page.status, page.body, page.media_type, allow=allow)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin: load the model in a thread of its own, so that probes are answered meanwhile. End: close observers."""
        await receive()
        # Nobody waits for this thread: the gateway can be told to end while it loads.
        threading.Thread(target=self._state.load, daemon=True).start()
        parts: list[Observer | Cache | Features] = [*self._observers]
        parts += [part for part in (self._cache, self._features) if part is not None]
        for part in parts:
            await part.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for part in parts:
            await part.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _page(self, path: str, method: str) -> Page:
        """Return what a path answers that predicts nothing."""
        predicts = path in self.predicting.paths
        known = path in self.pages or predicts or path == "/openapi.json"
        if not known:
            return _refusal(path, Refused(404, "not-found", "There is no such path."))
        if predicts or method not in ("GET", "HEAD"):
            return _refusal(path, Refused(405, "not-allowed", "The path does not answer this method."))
        if path in self.pages:
            return self.pages[path]()
        return self._described()

    def _described(self) -> Page:
        """Return the description of the paths, which needs the model's signature."""
        runtime, model = self._state.runtime, self._state.service.model
        if runtime is None:
            return _refusal("/openapi.json", not_ready())
        if self._description is None:
            paths, named = self.predicting.paths, self._features.entities if self._features else ()
            self._description = description.openapi(self.pages, paths, runtime, model, self._settings.max_rows, named)
        return Page(body=self._description)


def _refusal(path: str, refused: Refused) -> Page:
    """Return the page of a refusal."""
    return Page(body=dialects.refusal(dialects.protocol_of(path), refused), status=refused.status)


def _allowed(status: int, path: str, predicting: Any) -> bytes | None:
    """Return what a path allows, where that is to be told."""
    if status != 405:
        return None
    return b"POST" if path in predicting else b"GET, HEAD"
