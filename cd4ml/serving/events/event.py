"""An exchange as events: one for each row that was answered, or one for a request that was refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from cd4ml.serving.events.privacy import Privacy
from cd4ml.serving.exchange import Answers, Batch, Exchange

_ALL: Final = 2.0**64


def count(exchange: Exchange) -> int:
    """Return how many events an exchange has."""
    return exchange.batch.rows if exchange.batch is not None and _answered(exchange) else 1


def _answered(exchange: Exchange) -> bool:
    """Whether there is a prediction for each row."""
    return exchange.batch is not None and exchange.answers is not None and exchange.status == 200


class Sample:
    """Which requests have events: a share of them, decided by the trace, so that every service decides alike."""

    def __init__(self, share: float) -> None:
        self.share = share
        self._limit = share * _ALL

    def has(self, trace_id: str) -> bool:
        """Whether the events of a trace are kept."""
        if self.share >= 1:
            return True
        # Not the digits themselves: who begins the trace need not have drawn them at random.
        return int.from_bytes(hashlib.sha256(trace_id.encode()).digest()[:8]) < self._limit


class Events:
    """Makes events of exchanges."""

    def __init__(
        self, *, model: Mapping[str, str | None], track: str, cohort: str | None, privacy: Privacy, sample: Sample
    ) -> None:
        """Prepare.

        Args:
            model: name, version and sha256.
            track: what the gateway is: `stable`, `canary`, `shadow` or a variant's name.
        """
        self.sample, self.privacy = sample, privacy
        self._model, self._track, self._cohort = dict(model), track, cohort
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def of(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the events of an exchange, each a line without its end."""
        about = self._about(exchange)
        name = about["id"]
        if exchange.batch is None or exchange.answers is None or not _answered(exchange):
            about["id"] = f"{name}-0"
            yield self._encode(about)
            return
        for at, both in enumerate(self._rows(exchange, exchange.batch, exchange.answers)):
            about["id"] = f"{name}-{at}"
            about["row"] = at
            about |= both
            yield self._encode(about)

    def _about(self, exchange: Exchange) -> dict[str, Any]:
        """Return what all events of an exchange say."""
        time = datetime.fromtimestamp(exchange.time_ns // 1000 / 1e6, UTC)
        about: dict[str, Any] = {
            # A caller may use one trace for several requests; the span is the gateway's own.
            "id": f"{exchange.trace_id}-{exchange.span_id}",
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "trace_id": exchange.trace_id,
            "request_id": exchange.request_id,
            "model": self._model,
            "track": exchange.track or self._track,
            "cohort": exchange.cohort or self._cohort,
            "protocol": exchange.protocol,
            "status": exchange.status,
            "latency_ms": round(exchange.seconds * 1000, 3),
            "rows": exchange.batch.rows if exchange.batch else 0,
        }
        if exchange.error is not None:
            about["error"] = exchange.error
        if self.sample.share < 1:
            about["sample"] = self.sample.share
        return about

    def _rows(self, exchange: Exchange, batch: Batch, answers: Answers) -> Iterator[dict[str, Any]]:
        """Yield what the events of a request do not share."""
        plan = [(name, batch.columns[name], change) for name, change in self.privacy.plan(batch.columns)]
        for at in range(batch.rows):
            features = {name: values[at] if change is None else change(values[at]) for name, values, change in plan}
            score = None if answers.y_score is None else answers.y_score[at]
            prediction = {"y_pred": answers.y_pred[at], "y_score": score}
            cached = answers.cached is not None and answers.cached[at]
            yield {"cached": cached, "features": features, "prediction": prediction}
