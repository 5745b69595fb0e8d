"""The gateway's HTTP interface, on ASGI itself: between a request's bytes and the model stands nothing but this."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any, Final

from cd4ml.serving import description
from cd4ml.serving.bodies import ClientGone, Receive, Scope, Send, body_of, media_type_of
from cd4ml.serving.calls import Calls
from cd4ml.serving.cache import Cache
from cd4ml.serving.events.labels import Labels
from cd4ml.serving.exchange import Answers, Batch, Exchange, Headers, Observer
from cd4ml.serving.pages import Page, pages
from cd4ml.serving.protocols import Answer, Body, Dialect, Question, dialects
from cd4ml.serving.refused import Refused
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import State
from cd4ml.serving.telemetry.context import Context, answer_headers

_LOG: Final = logging.getLogger("uvicorn.error")
_FAILED: Final = Refused(500, "model-failed", "The model failed on this request.")
_CUT_OFF: Final = Refused(500, "cut-off", "The gateway ended before the model had answered.")
_CLIENT_GONE: Final = 499
# After a refused body the rest of it may still be on its way: it must not be read as the next request.
_CLOSING: Final = (408, 413)
_AGAIN: Final = (429, 503)


class Gateway:
    """The application.

    Attributes:
        pages: what GET answers, by path.
        predicting: maps the paths that POST predicts to their protocol.
        dialects: the protocols by name, once the model is loaded.
        in_flight: requests for predictions that are being answered.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        observers: Sequence[Observer] = (),
        cache: Cache | None = None,
        context: Context = Context(),
    ) -> None:
        self._state, self._settings, self._observers, self._cache = state, settings, observers, cache
        self._labels = Labels(track_header=settings.track_header, cohort_header=settings.cohort_header)
        self._context = context
        self._failed_observers: set[int] = set()
        self.in_flight = 0
        self.calls = Calls(settings)
        self.pages = pages(state, cache)
        self.dialects: dict[str, Dialect] = {}
        self.predicting = dialects.paths(state.service.model)
        self._description: bytes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path in self.predicting and method == "POST":
            await self._predict(path, scope, receive, send)
            return
        page = await self._page(path, method)
        await _answer(send, page.status, page.body, page.media_type, allow=_allowed(page.status, path, self.predicting))

    async def _live(self, receive: Receive, send: Send) -> None:
        """Begin: load the model in a thread of its own, so that probes are answered meanwhile. End: close observers."""
        await receive()
        # Nobody waits for this thread: the gateway can be told to end while it loads.
        threading.Thread(target=self._state.load, daemon=True).start()
        parts: list[Observer | Cache] = [*self._observers]
        if self._cache is not None:
            parts.append(self._cache)
        for part in parts:
            await part.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for part in parts:
            await part.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _predict(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for predictions, and tell the observers."""
        exchange = self._context.begin(self.predicting[path], scope["headers"])
        if self._labels.read:
            self._labels.put(exchange, scope["headers"])
        self.in_flight += 1
        try:
            await self._exchanged(exchange, scope, receive, send)
        finally:
            self.in_flight -= 1
            self._tell(exchange)

    def _tell(self, exchange: Exchange) -> None:
        """Tell the observers of a request; one that fails takes it from no other, and is logged once."""
        for number, observer in enumerate(self._observers):
            known = number in self._failed_observers
            failures = _Failures(None if known else f"{type(observer).__name__} failed on a request")
            with failures:
                observer.finished(exchange)
            if failures.error is not None:
                self._failed_observers.add(number)

    async def _exchanged(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for predictions, also where the gateway ends before the model has answered."""
        protocol = exchange.protocol
        failures = _Failures("the model failed on a request")
        status, answer = _FAILED.status, Answer(b"")
        try:
            with failures:
                answer, status = await self._predicted(protocol, exchange, scope, receive), 200
        except Refused as refused:
            status, exchange.error, answer = refused.status, refused.code, Answer(dialects.refusal(protocol, refused))
        except ClientGone:
            status, exchange.error = _CLIENT_GONE, "client-gone"
        except asyncio.CancelledError:
            exchange.status, exchange.error = _CUT_OFF.status, _CUT_OFF.code
            exchange.seconds = time.perf_counter() - exchange.began
            page = Answer(dialects.refusal(protocol, _CUT_OFF))
            await _answer(send, _CUT_OFF.status, page.body, page.media_type, more=answer_headers(exchange))
            raise
        if failures.error is not None:
            exchange.error, answer = _FAILED.code, Answer(dialects.refusal(protocol, _FAILED))
        exchange.status = status
        if status != _CLIENT_GONE:
            more = [*answer_headers(exchange), *answer.headers]
            await _answer(send, status, answer.body, answer.media_type, more=more)
        exchange.seconds = time.perf_counter() - exchange.began

    async def _predicted(self, protocol: str, exchange: Exchange, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request for predictions.

        Raises:
            Refused, ClientGone: there is none.
        """
        dialect = self._dialect(protocol)
        media_type = media_type_of(scope, dialect.media_types)
        body = await body_of(scope, receive, self._settings)
        exchange.bytes_in = len(body)
        question = dialect.read(Body(body, media_type, scope["query_string"], scope["headers"]))
        exchange.batch = question.batch
        exchange.answers = await self._answers(question, exchange)
        return dialect.write(question, exchange.answers, exchange)

    async def _answers(self, question: Question, exchange: Exchange) -> Answers:
        """Return what the model says, or said before of the same rows."""
        runtime = self._state.runtime
        assert runtime is not None
        if self._cache is None:
            return await self.calls.ask(runtime, question)

        def ask(batch: Batch) -> Awaitable[Answers]:
            """Ask the model for rows that the cache does not know."""
            return self.calls.ask(runtime, Question(batch, question.probabilities))

        answers, exchange.cached = await self._cache.answers(question.batch, ask, probabilities=question.probabilities)
        return answers

    def _dialect(self, protocol: str) -> Dialect:
        """Return a protocol.

        Raises:
            Refused: the model is not loaded yet.
        """
        if protocol not in self.dialects:
            runtime = self._state.runtime
            if runtime is None:
                raise _not_ready()
            model = self._state.service.model
            self.dialects[protocol] = dialects.dialect(protocol, runtime, model, self._settings.max_rows)
        return self.dialects[protocol]

    async def _page(self, path: str, method: str) -> Page:
        """Return what a path answers that predicts nothing."""
        known = path in self.pages or path in self.predicting or path == "/openapi.json"
        if not known:
            return _refusal(path, Refused(404, "not-found", "There is no such path."))
        if path in self.predicting or method not in ("GET", "HEAD"):
            return _refusal(path, Refused(405, "not-allowed", "The path does not answer this method."))
        if path in self.pages:
            return self.pages[path]()
        return self._described()

    def _described(self) -> Page:
        """Return the description of the paths, which needs the model's signature."""
        runtime, model = self._state.runtime, self._state.service.model
        if runtime is None:
            return _refusal("/openapi.json", _not_ready())
        if self._description is None:
            known = description.openapi(self.pages, self.predicting, runtime, model, self._settings.max_rows)
            self._description = known
        return Page(body=self._description)


class _Failures:
    """Whatever the model's own code or an observer raises is never a failed server; the log has it.

    Args:
        message: what the log says, None if it is not to be logged.
    """

    error: BaseException | None = None

    def __init__(self, message: str | None) -> None:
        self._message = message

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: TracebackType | None) -> bool:
        """Keep what was raised; refusals go on, and so does the end of the process."""
        if not isinstance(error, Exception) or isinstance(error, Refused | ClientGone):
            return False
        if self._message is not None:
            _LOG.error(self._message, exc_info=error)
        self.error = error
        return True


def _not_ready() -> Refused:
    """Return the refusal of whatever needs the model."""
    return Refused(503, "not-ready", "The model is not loaded.")


def _refusal(path: str, refused: Refused) -> Page:
    """Return the page of a refusal."""
    return Page(body=dialects.refusal(dialects.protocol_of(path), refused), status=refused.status)


def _allowed(status: int, path: str, predicting: Any) -> bytes | None:
    """Return what a path allows, where that is to be told."""
    if status != 405:
        return None
    return b"POST" if path in predicting else b"GET, HEAD"


async def _answer(
    send: Send, status: int, body: bytes, media_type: bytes, *, allow: bytes | None = None, more: Headers = ()
) -> None:
    """Send an answer."""
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body)), *more]
    if status in _CLOSING:
        headers.append((b"connection", b"close"))
    if status in _AGAIN:
        headers.append((b"retry-after", b"1"))
    if allow is not None:
        headers.append((b"allow", allow))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
