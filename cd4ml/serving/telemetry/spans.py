"""A span for each request of a sampled trace, handed to an OpenTelemetry collector in batches.

OTLP over HTTP in its JSON form (https://opentelemetry.io/docs/specs/otlp/), written here: OpenTelemetry's own library
and exporter would cost the image more than the gateway itself, and a request more than all other observers together.
"""

from __future__ import annotations

import asyncio
import http.client
import logging
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from cd4ml.serving.exchange import Exchange
from cd4ml.serving.telemetry.exporting import Exporting

_LOG: Final = logging.getLogger("cd4ml.serving.telemetry")
_MOST: Final = 2048
_BATCH: Final = 512
_SECONDS: Final = 5.0
_CLOSING: Final = 2.0
_TRIES: Final = 4
_LATER: Final = frozenset({429, 502, 503, 504})
_MOST_PAUSE: Final = 30.0
_SERVER: Final = 2
_ERROR: Final = 2
ROUTES: Final = {"predict": "/predict", "v2": "/v2/models/{model_name}/infer", "mlflow": "/invocations"}


class Span(NamedTuple):
    """What a span says; nothing of it was in the request's body."""

    protocol: str
    trace_id: str
    span_id: str
    parent_id: str | None
    tracestate: str | None
    request_id: str
    began_ns: int
    seconds: float
    status: int
    error: str | None
    rows: int
    cached: int
    fetching: float


class Spans:
    """Collects spans, and exports them from a thread of its own.

    Attributes:
        counts: spans by outcome: `exported`, `dropped-queue-full`, `dropped-refused`, `dropped-unreachable`.
    """

    def __init__(self, exporting: Exporting, *, model: Mapping[str, str | None]) -> None:
        """Prepare; nothing is connected."""
        self.counts: Counter[str] = Counter()
        self._to = exporting
        self._queue: deque[Span] = deque()
        self._wake = threading.Event()
        self._ending: float | None = None
        self._thread: threading.Thread | None = None
        self._resource = {"attributes": [_attribute(name, value) for name, value in exporting.resource(model).items()]}
        self._failing = False

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        if not exchange.sampled:
            return
        if len(self._queue) >= _MOST:
            self.counts["dropped-queue-full"] += 1
            return
        self._queue.append(
            Span(
                exchange.protocol,
                exchange.trace_id,
                exchange.span_id,
                exchange.parent_id,
                exchange.tracestate,
                exchange.request_id,
                exchange.time_ns,
                exchange.seconds,
                exchange.status,
                exchange.error,
                0 if exchange.batch is None else exchange.batch.rows,
                exchange.cached,
                exchange.fetching,
            )
        )
        if len(self._queue) == _BATCH:
            self._wake.set()

    async def start(self) -> None:
        """See Observer."""
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """See Observer."""
        self._ending = time.monotonic() + _CLOSING
        self._wake.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _CLOSING)

    def _run(self) -> None:
        """Export until the end."""
        while self._ending is None:
            self._wake.wait(_SECONDS)
            self._wake.clear()
            while self._queue:
                self._export([self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))])

    def _export(self, spans: list[Span]) -> None:
        """Send a batch; it is tried again where the collector may take it later."""
        body = msgspec.json.encode(request(spans, self._resource))
        pause, outcome = 1.0, "dropped-unreachable"
        for attempt in range(_TRIES):
            try:
                status, wait = self._send(body)
            except (OSError, http.client.HTTPException, ValueError) as error:  # the last: what it says is no HTTP
                reason, wait = type(error).__name__, 0.0
            else:
                if 200 <= status < 300:
                    self._worked(len(spans))
                    return
                reason = f"HTTP {status}"
                if status not in _LATER:
                    outcome = "dropped-refused"
                    break
            if attempt + 1 == _TRIES or not self._pause(max(pause, wait)):
                break
            pause *= 2
        self.counts[outcome] += len(spans)
        if not self._failing:
            _LOG.warning("spans are not exported: %s", reason)
        self._failing = True

    def _worked(self, count: int) -> None:
        """Note that spans have arrived."""
        self.counts["exported"] += count
        if self._failing:
            _LOG.warning("spans are exported again")
        self._failing = False

    def _pause(self, seconds: float) -> bool:
        """Wait before trying again, and return whether there is time for it."""
        until = time.monotonic() + min(seconds, _MOST_PAUSE)
        while (now := time.monotonic()) < until:
            if self._ending is not None and until > self._ending:
                return False
            time.sleep(min(0.1, until - now))
        return True

    def _send(self, body: bytes) -> tuple[int, float]:
        """Return the collector's status, and for how many seconds it wants to be left alone."""
        address = urlsplit(self._to.url)
        timeout = self._to.seconds if self._ending is None else max(0.1, self._ending - time.monotonic())
        kind: Any = http.client.HTTPConnection
        more: dict[str, Any] = {}
        if address.scheme == "https":
            kind, more = http.client.HTTPSConnection, {"context": ssl.create_default_context(cafile=self._to.ca_file)}
        connection = kind(address.hostname, address.port, timeout=timeout, **more)
        try:
            path = (address.path or "/") + (f"?{address.query}" if address.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", **self._to.headers})
            answer = connection.getresponse()
            answer.read(1 << 16)
            after = answer.headers.get("Retry-After", "")
            return answer.status, float(after) if after.isdigit() and len(after) < 6 else 0.0
        finally:
            connection.close()


def request(spans: Sequence[Span], resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ExportTraceServiceRequest: identifiers in hexadecimal digits, 64-bit numbers as texts."""
    scope = {"scope": {"name": "cd4ml.serving"}, "spans": [_written(span) for span in spans]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def _written(span: Span) -> dict[str, Any]:
    """Return a span in JSON, with the attributes that OpenTelemetry's conventions name."""
    route = ROUTES.get(span.protocol, span.protocol)
    failed = span.status >= 500
    attributes: dict[str, str | int | float] = {
        "http.request.method": "POST",
        "http.route": route,
        "http.response.status_code": span.status,
        "cd4ml.protocol": span.protocol,
        "cd4ml.rows": span.rows,
        "cd4ml.rows.cached": span.cached,
        "cd4ml.request_id": span.request_id,
    }
    if span.fetching:
        attributes["cd4ml.features.seconds"] = span.fetching
    if span.error is not None:
        attributes["error.type"] = span.error
    written: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": f"POST {route}",
        "kind": _SERVER,
        "startTimeUnixNano": str(span.began_ns),
        "endTimeUnixNano": str(span.began_ns + round(span.seconds * 1e9)),
        "attributes": [_attribute(name, value) for name, value in attributes.items()],
        "status": {"code": _ERROR} if failed else {},
        "flags": 0x101 | (0x200 if span.parent_id else 0),
    }
    if span.parent_id is not None:
        written["parentSpanId"] = span.parent_id
    if span.tracestate is not None:
        written["traceState"] = span.tracestate
    return written


def _attribute(name: str, value: str | float) -> dict[str, Any]:
    """Return an attribute."""
    if isinstance(value, float):
        return {"key": name, "value": {"doubleValue": value}}
    return {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
