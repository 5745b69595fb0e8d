"""One request for predictions on its way through the gateway, and who is told when it is answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(slots=True)
class Batch:
    """Rows of one request, by column.

    Attributes:
        columns: values by the names of the model's columns; None (or NaN for numbers) where a value is missing.
    """

    columns: dict[str, list[Any]]
    rows: int


@dataclass(slots=True)
class Answers:
    """What the model says of the rows of a batch, in their order and as JSON values.

    Attributes:
        y_score: probability of the positive label, None where the model gives none.
        probabilities: rows x classes, only when asked for.
        cached: which rows the cache answered, None if it was not asked.
    """

    y_pred: list[Any]
    y_score: list[float] | None
    probabilities: list[list[float]] | None = None
    cached: list[bool] | None = None


@dataclass(slots=True)
class Exchange:
    """One request for predictions, from its head to its answer.

    Attributes:
        protocol: "predict", "v2" or "mlflow".
        parent_id: span of the caller, None if it named none.
        time_ns: `time.time_ns()` when its head was read; `began`: `perf_counter()` at that moment.
        cached: how many rows were answered by the cache.
        fetched: for each row the columns that the online store gave, and when each held; None if it was not asked.
        bytes_fetched: how much memory the values take that the store gave; `fetching`: how many seconds that took.
        track, cohort: what the request's headers say of a rollout, None to take what the gateway is.
        error: the machine-readable code of a refusal.
        seconds: until the answer was handed to the server.
        tracestate: what other tracing systems have put into the trace's context.
    """

    protocol: str
    request_id: str
    trace_id: str
    span_id: str
    parent_id: str | None
    sampled: bool
    time_ns: int
    began: float
    bytes_in: int = 0
    batch: Batch | None = None
    answers: Answers | None = None
    cached: int = 0
    fetched: list[dict[str, str]] | None = None
    bytes_fetched: int = 0
    fetching: float = 0.0
    track: str | None = None
    cohort: str | None = None
    status: int = 0
    error: str | None = None
    seconds: float = 0.0
    tracestate: str | None = None


class Observer(Protocol):
    """Whoever is told of answered requests: metrics, log, spans, events."""

    def finished(self, exchange: Exchange) -> None:
        """Take note; on the event loop, after the answer. A few microseconds; it never raises and never waits."""

    async def start(self) -> None:
        """Begin, before the first request."""

    async def close(self) -> None:
        """Write what is left; within the time of the drain."""


Headers = Iterable[tuple[bytes, bytes]]
HeaderList = list[tuple[bytes, bytes]]
