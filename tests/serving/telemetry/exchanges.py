"""Exchanges as the gateway makes them, for whoever observes them."""

from __future__ import annotations

from typing import Any

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.telemetry.context import Context

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def answered(columns: dict[str, list[Any]], y_pred: list[Any], y_score: list[float] | None = None) -> Exchange:
    """Return an exchange that was answered with predictions, in a sampled trace."""
    exchange = Context().begin("predict", [(b"traceparent", PARENT)])
    exchange.batch, exchange.answers = Batch(columns, len(y_pred)), Answers(y_pred, y_score)
    exchange.status, exchange.seconds, exchange.bytes_in = 200, 0.0004, 90
    return exchange


def refused(status: int, error: str) -> Exchange:
    """Return an exchange that was refused."""
    exchange = Context().begin("predict", [(b"traceparent", PARENT)])
    exchange.status, exchange.error, exchange.seconds = status, error, 0.0002
    return exchange
