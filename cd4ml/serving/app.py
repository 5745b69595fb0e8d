"""The gateway's HTTP interface."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import anyio.to_thread
import pandas as pd
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from cd4ml.serving import answers, rows
from cd4ml.serving.model import Model, ModelError, RowsError
from cd4ml.serving.rows import BadRequest, Problem
from cd4ml.serving.state import REFUSALS, Phase, State


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost.

    Attributes:
        seconds: how long a client may take to send its body.
        waiting: requests that may wait for a thread; more are told to come again.
    """

    bytes: int = 1024 * 1024
    rows: int = 1000
    seconds: float = 10.0
    threads: int = 4
    waiting: int = 64


def create(state: State, limits: Limits = Limits()) -> FastAPI:
    """Return the application. The model is loaded in a thread of its own, so that probes are answered meanwhile."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # Nobody waits for this thread: the gateway can be told to end while it loads.
        threading.Thread(target=state.load, daemon=True).start()
        yield

    app = FastAPI(title="Model server", lifespan=lifespan, docs_url=None, redoc_url=None)
    gate = _Gate(limits)

    @app.head("/health/liveness", include_in_schema=False)
    @app.get("/health/liveness")
    async def liveness() -> JSONResponse:
        """Whether the process works; a model that cannot be loaded is for the platform to restart or roll back."""
        return JSONResponse({"status": str(state.phase)}, 503 if state.phase is Phase.FAILED else 200)

    @app.head("/health/readiness", include_in_schema=False)
    @app.get("/health/readiness")
    async def readiness() -> JSONResponse:
        """Whether predictions can be asked for: only once the model is verified, loaded and was called."""
        body = {"status": str(state.phase), "reason": state.reason, "warm_up": state.warm_up}
        return JSONResponse(body, 200 if state.phase is Phase.READY else 503)

    @app.head("/version", include_in_schema=False)
    @app.get("/version")
    async def version() -> JSONResponse:
        """Which model and which Python."""
        return JSONResponse(state.version())

    @app.post("/predict", openapi_extra=_request_schema())
    async def predict(request: Request) -> JSONResponse:
        """Predict for each row."""
        if state.model is None:
            raise BadRequest(503, "not-ready", "The model is not loaded.")
        body = await _body(request, limits)
        table = rows.frame(body, state.model.columns, maximum_rows=limits.rows)
        async with gate:
            predictions = await anyio.to_thread.run_sync(_predict, state.model, table, limiter=gate.threads)
        return JSONResponse({"predictions": predictions, "model": dict(state.service.model)})

    @app.exception_handler(BadRequest)
    async def refuse(_request: Request, error: BadRequest) -> JSONResponse:
        """Answer a request that is refused."""
        problems = [asdict(problem) for problem in error.problems]
        content = {"code": error.code, "message": error.message, "problems": problems, "more": error.more}
        # After a refused body the rest of it may still be on its way: do not read it as the next request.
        headers = {"Connection": "close"} if error.status in (408, 413) else {}
        return JSONResponse({"error": content}, error.status, headers)

    @app.exception_handler(Exception)
    async def fail(_request: Request, _error: Exception) -> JSONResponse:
        """Answer a request on which the model's own code failed; what it raised is in the log."""
        content = {"code": "model-failed", "message": "The model failed on this request.", "problems": [], "more": 0}
        return JSONResponse({"error": content}, 500)

    return app


class _Gate:
    """Counts the requests that are being predicted or wait for it."""

    def __init__(self, limits: Limits) -> None:
        self.threads = anyio.CapacityLimiter(limits.threads)
        self._places = limits.threads + limits.waiting

    async def __aenter__(self) -> None:
        if self._places == 0:
            raise BadRequest(503, "busy", "Too many requests are waiting; try again.")
        self._places -= 1

    async def __aexit__(self, *_: object) -> None:
        self._places += 1


async def _body(request: Request, limits: Limits) -> bytes:
    """Return the body, however it is sent, if it is JSON and not too large."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise BadRequest(415, "not-json", "The content type must be application/json.")
    too_large = BadRequest(413, "too-large", f"The body may have at most {limits.bytes} bytes.")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limits.bytes:
        raise too_large
    received = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                received += chunk
                if len(received) > limits.bytes:
                    raise too_large
    except TimeoutError:
        raise BadRequest(408, "too-slow", f"The body took longer than {limits.seconds:g} seconds.") from None
    return bytes(received)


def _predict(model: Model, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the predictions as JSON values; runs in a thread."""
    try:
        prepared = model.prepare(table)
    except RowsError as error:
        raise rows.unfit(error) from None
    try:
        answer = model.ask(prepared)
        pairs = answers.pairs(answer)
    except (ModelError, *REFUSALS):
        problems = _refused(model, prepared)
        raise BadRequest(422, "refused-by-model", "The model cannot handle these values.", problems) from None
    missing = answers.gaps(pairs, scored=answer[1] is not None)
    if missing:
        what = "the model returns no label or no finite number for it"
        problems = [Problem(path=f"rows[{index}]", problem=what) for index in missing]
        raise BadRequest(422, "no-prediction", "The model has no prediction for a row.", problems)
    return pairs


def _refused(model: Model, prepared: pd.DataFrame) -> list[Problem]:
    """Return a row that the model refuses by itself, looked for in halves; none if it refuses only several together."""
    first, last = 0, len(prepared)
    while last - first > 1:
        middle = (first + last) // 2
        if _handles(model, prepared.iloc[first:middle]):
            first = middle
        else:
            last = middle
    if _handles(model, prepared.iloc[first:last]):
        return []
    return [Problem(path=f"rows[{first}]", problem="the model cannot handle a value of this row")]


def _handles(model: Model, prepared: pd.DataFrame) -> bool:
    """Whether the model predicts for these rows."""
    try:
        model.ask(prepared.reset_index(drop=True))
    except (ModelError, *REFUSALS):
        return False
    return True


def _request_schema() -> dict[str, Any]:
    """Return the request's description for OpenAPI."""
    row = {"type": "object", "minProperties": 1}
    table = {"type": "array", "minItems": 1, "items": row}
    schema = {"type": "object", "required": ["rows"], "additionalProperties": False, "properties": {"rows": table}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
