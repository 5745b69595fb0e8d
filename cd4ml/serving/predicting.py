"""A request for predictions, from its bytes to its answer: at once where the model is quick, else awaited."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from cd4ml.serving.bodies import ClientGone, Receive, Scope, Send, body_of, demand_size, media_type_of
from cd4ml.serving.cache import Cache
from cd4ml.serving.calls import Calls
from cd4ml.serving.events.labels import Labels
from cd4ml.serving.exchange import Answers, Batch, Exchange, HeaderList, Observer
from cd4ml.serving.features import Features
from cd4ml.serving.protocols import Answer, Body, Dialect, Question, dialects
from cd4ml.serving.refused import Refused, not_ready
from cd4ml.serving.replies import Write, fields, reply
from cd4ml.serving.settings import Settings
from cd4ml.serving.state import State
from cd4ml.serving.telemetry.context import Context, answer_fields, answer_headers
from cd4ml.serving.whole import BEGUN

_LOG: Final = logging.getLogger("uvicorn.error")
_FAILED: Final = Refused(500, "model-failed", "The model failed on this request.")
_CUT_OFF: Final = Refused(500, "cut-off", "The gateway ended before the model had answered.")
_CLIENT_GONE: Final = 499


@dataclass(slots=True)
class Begun:
    """A request that was read, and whose answer has to be awaited."""

    exchange: Exchange
    dialect: Dialect
    question: Question


class Predicting:
    """Answers requests for predictions, and tells the observers.

    Attributes:
        paths: maps the paths that POST predicts to their protocol.
        dialects: the protocols by name, once the model is loaded.
        in_flight: requests whose answers are awaited.
        demand: refuses rows that were read, if there is anything to refuse.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        observers: Sequence[Observer],
        cache: Cache | None,
        context: Context,
        features: Features | None = None,
    ) -> None:
        self._state, self._settings, self._cache, self._context = state, settings, cache, context
        self._features = features
        self._labels = Labels(track_header=settings.track_header, cohort_header=settings.cohort_header)
        self._observers = [
            (observer.finished, Failures(f"{type(observer).__name__} failed on a request", once=True))
            for observer in observers
        ]
        self._failures = Failures("the model failed on a request")
        self.paths = dialects.paths(state.service.model)
        self.dialects: dict[str, Dialect] = {}
        self.calls = Calls(settings)
        self.in_flight = 0
        self.demand: Callable[[Batch], None] | None = None

    def at_once(self, path: str, query: bytes, headers: HeaderList, body: bytes, write: Write) -> Begun | None:
        """Answer a whole request, and write the answer; if that has to be awaited, return how far the request is.

        Args:
            write: takes the status, and what follows the status line and the server's own headers.
        """
        exchange = self._begin(path, headers)
        failures = self._failures
        try:
            with failures:
                dialect = self.dialects.get(exchange.protocol) or self._dialect(exchange.protocol)
                media_type = media_type_of(headers, dialect.media_types)
                demand_size(len(body), self._settings)
                question = self._question(dialect, exchange, Body(body, media_type, query, headers))
                assert self._state.runtime is not None
                exchange.answers = self.calls.at_once(self._state.runtime, question)
                if exchange.answers is None:
                    return Begun(exchange, dialect, question)
                answer = dialect.write(question, exchange.answers, exchange)
                exchange.status = 200
        except Refused as refused:
            answer = _refuse(exchange, refused)
        if failures.error is not None:
            failures.error = None
            answer = _refuse(exchange, _FAILED)
        content = answer.body
        write(
            exchange.status,
            fields(exchange.status, content, answer.media_type, answer.headers) + answer_fields(exchange) + content,
        )
        exchange.seconds = time.perf_counter() - exchange.began
        self._tell(exchange)
        return None

    async def answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body may not be whole, or that was begun already."""
        begun: Begun | None = scope.get(BEGUN)
        exchange = self._begin(path, scope["headers"]) if begun is None else begun.exchange
        self.in_flight += 1
        try:
            await self._exchanged(exchange, begun, scope, receive, send)
        finally:
            self.in_flight -= 1
            self._tell(exchange)

    def _begin(self, path: str, headers: HeaderList) -> Exchange:
        """Return the exchange of a request whose head was read."""
        exchange = self._context.begin(self.paths[path], headers)
        if self._labels.read:
            self._labels.put(exchange, headers)
        return exchange

    def _tell(self, exchange: Exchange) -> None:
        """Tell the observers of a request; one that fails takes it from no other, and is logged once."""
        for finished, failures in self._observers:
            with failures:
                finished(exchange)

    async def _exchanged(
        self, exchange: Exchange, begun: Begun | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request, also where the gateway ends before the model has answered."""
        failures = Failures("the model failed on a request")
        answer = Answer(b"")
        try:
            with failures:
                answer = await self._predicted(exchange, begun, scope, receive)
                exchange.status = 200
        except Refused as refused:
            answer = _refuse(exchange, refused)
        except ClientGone:
            exchange.status, exchange.error = _CLIENT_GONE, "client-gone"
        except asyncio.CancelledError:
            page = _refuse(exchange, _CUT_OFF)
            exchange.seconds = time.perf_counter() - exchange.began
            await reply(send, exchange.status, page.body, page.media_type, more=answer_headers(exchange))
            raise
        if failures.error is not None:
            answer = _refuse(exchange, _FAILED)
        if exchange.status != _CLIENT_GONE:
            more = [*answer_headers(exchange), *answer.headers]
            await reply(send, exchange.status, answer.body, answer.media_type, more=more)
        exchange.seconds = time.perf_counter() - exchange.began

    async def _predicted(self, exchange: Exchange, begun: Begun | None, scope: Scope, receive: Receive) -> Answer:
        """Return the answer to a request.

        Raises:
            Refused, ClientGone: there is none.
        """
        if begun is None:
            dialect = self._dialect(exchange.protocol)
            media_type = media_type_of(scope["headers"], dialect.media_types)
            body = await body_of(scope, receive, self._settings)
            asked = Body(body, media_type, scope["query_string"], scope["headers"])
            if self._features is None:
                question = self._question(dialect, exchange, asked)
            else:
                question = await self._fetched(dialect, exchange, asked, self._features)
        else:
            dialect, question = begun.dialect, begun.question
        exchange.answers = await self._answers(question, exchange)
        return dialect.write(question, exchange.answers, exchange)

    def _question(self, dialect: Dialect, exchange: Exchange, body: Body) -> Question:
        """Return what a request asks for.

        Raises:
            Refused: it is none.
        """
        exchange.bytes_in = len(body.content)
        return self._demanded(dialect.read(body), exchange)

    async def _fetched(self, dialect: Dialect, exchange: Exchange, body: Body, features: Features) -> Question:
        """Return what a request asks for that may name entities.

        Raises:
            Refused: it is no request, or its features cannot be had.
        """
        exchange.bytes_in = len(body.content)
        return self._demanded(await features.question(dialect, body, exchange), exchange)

    def _demanded(self, question: Question, exchange: Exchange) -> Question:
        """Take note of what a request asks for.

        Raises:
            Refused: its rows are not to be predicted.
        """
        exchange.batch = question.batch
        if self.demand is not None:
            self.demand(question.batch)
        return question

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
                raise not_ready()
            model = self._state.service.model
            self.dialects[protocol] = dialects.dialect(protocol, runtime, model, self._settings.max_rows)
        return self.dialects[protocol]


class Failures:
    """Whatever the model's own code or an observer raises is never a failed server; the log has it.

    Args:
        message: what the log says.
        once: whether it says so once only.
    """

    def __init__(self, message: str, *, once: bool = False) -> None:
        self._message, self._once, self._said = message, once, False
        self.error: BaseException | None = None

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: TracebackType | None) -> bool:
        """Keep what was raised; refusals go on, and so does the end of the process."""
        if error is None:
            return False
        if not isinstance(error, Exception) or isinstance(error, Refused | ClientGone):
            return False
        if not (self._once and self._said):
            _LOG.error(self._message, exc_info=error)
        self._said, self.error = True, error
        return True


def _refuse(exchange: Exchange, refused: Refused) -> Answer:
    """Put a refusal into the exchange, and return the answer."""
    exchange.status, exchange.error = refused.status, refused.code
    return Answer(dialects.refusal(exchange.protocol, refused))
