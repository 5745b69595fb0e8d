"""An exchange as events: one for each row that was answered, or one for a request that was refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from cd4ml.serving.clock import Clock
from cd4ml.serving.events.privacy import Privacy
from cd4ml.serving.exchange import Exchange

_ALL: Final = 2.0**64
# A row of a tensor that has more values is told by its digest.
_MOST_VALUES: Final = 64


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


class _Prediction(msgspec.Struct, gc=False):
    """What was answered for a row."""

    y_pred: Any
    y_score: float | None


class _Event(msgspec.Struct, gc=False):
    """An event, its fields in the order in which they are written."""

    id: str
    time: str
    trace_id: str
    request_id: str
    model: msgspec.Raw
    track: str
    cohort: str | None
    protocol: str
    status: int
    latency_ms: float
    rows: int
    error: str | UnsetType = UNSET
    sample: float | UnsetType = UNSET
    row: int | UnsetType = UNSET
    cached: bool | UnsetType = UNSET
    features: dict[str, Any] | UnsetType = UNSET
    fetched: dict[str, str] | UnsetType = UNSET
    prediction: _Prediction | UnsetType = UNSET


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
        self._track, self._cohort = track, cohort
        self._encode = msgspec.json.Encoder(enc_hook=str).encode
        self._model = msgspec.Raw(self._encode(dict(model)))
        self._clock = Clock()

    def of(self, exchange: Exchange) -> Iterator[bytes]:
        """Yield the events of an exchange, each a line without its end."""
        event = self._about(exchange)
        batch, answers = exchange.batch, exchange.answers
        if batch is None or answers is None or exchange.status != 200:
            event.id += "-0"
            yield self._encode(event)
            return
        name, scores, cached, columns = event.id, answers.y_score, answers.cached, batch.columns
        plan = [(name, _shown(columns[name]), change) for name, change in self.privacy.plan(columns)]
        for at in range(batch.rows):
            event.id, event.row = f"{name}-{at}", at
            event.cached = cached is not None and cached[at]
            event.features = {
                name: values[at] if change is None else change(values[at]) for name, values, change in plan
            }
            event.prediction = _Prediction(answers.y_pred[at], None if scores is None else scores[at])
            if exchange.fetched is not None:
                event.fetched = {name: held for name, held in exchange.fetched[at].items() if name in event.features}
            yield self._encode(event)

    def _about(self, exchange: Exchange) -> _Event:
        """Return what all events of an exchange say."""
        share = self.sample.share
        return _Event(
            # A caller may use one trace for several requests; the span is the gateway's own.
            f"{exchange.trace_id}-{exchange.span_id}",
            self._clock.text(exchange.time_ns),
            exchange.trace_id,
            exchange.request_id,
            self._model,
            exchange.track or self._track,
            exchange.cohort or self._cohort,
            exchange.protocol,
            exchange.status,
            round(exchange.seconds * 1000, 3),
            exchange.batch.rows if exchange.batch else 0,
            UNSET if exchange.error is None else exchange.error,
            share if share < 1 else UNSET,
        )


def _shown(values: list[Any]) -> list[Any]:
    """Return a column as events have it: a row of a tensor of many values is its shape and digest."""
    return [_tensor(value) for value in values] if values and hasattr(values[0], "tobytes") else values


def _tensor(value: Any) -> Any:
    """Return a row of a tensor."""
    if value.size <= _MOST_VALUES:
        return value.tolist()
    # The bytes as the Open Inference Protocol sends them.
    digest = hashlib.sha256(value.astype(value.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()
    return {"shape": list(value.shape), "type": str(value.dtype), "sha256": digest}
