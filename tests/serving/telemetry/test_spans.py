"""Spans: what a collector receives, and what becomes of them when it is not there."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from cd4ml.serving.settings import SettingsError
from cd4ml.serving.telemetry import spans as module
from cd4ml.serving.telemetry.exporting import Exporting
from cd4ml.serving.telemetry.spans import Spans
from tests.serving.telemetry.collector import collecting
from tests.serving.telemetry.exchanges import answered, refused

MODEL: dict[str, str | None] = {"name": "loans", "version": "3", "sha256": "a" * 64}


def exporting(url: str, **more: str) -> Exporting:
    """Return where the environment says that spans go."""
    found = Exporting.read({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **more})
    assert found is not None
    return found


async def exported(to: Exporting, *exchanges: Any) -> Spans:
    """Export the spans of exchanges, and return what has done it."""
    spans = Spans(to, model=MODEL)
    await spans.start()
    for exchange in exchanges:
        spans.finished(exchange)
    await spans.close()
    return spans


def test_span__as_the_protocol_defines_it() -> None:
    """A collector gets a span of the caller's trace, with the model as resource and the conventions' attributes."""
    good, bad = answered({"age": [40]}, [1]), refused(503, "busy")
    good.tracestate, good.fetching = "a=1", 0.000125
    with collecting() as collector:
        spans = asyncio.run(
            exported(exporting(collector.url + "/", OTEL_EXPORTER_OTLP_HEADERS="api-key=a%20b"), good, bad)
        )
    first, second = collector.spans
    (resource,) = collector.requests[0].resource_spans
    said = {attribute.key: attribute.value for attribute in first.attributes}

    assert first.trace_id.hex() == good.trace_id and first.span_id.hex() == good.span_id
    assert first.parent_span_id.hex() == good.parent_id and first.trace_state == "a=1"
    assert first.kind == Span.SPAN_KIND_SERVER and first.name == "POST /predict"
    assert first.end_time_unix_nano - first.start_time_unix_nano == 400_000
    assert said["http.response.status_code"].int_value == 200 and said["cd4ml.rows"].int_value == 1
    assert said["cd4ml.features.seconds"].double_value == 0.000125
    assert "cd4ml.features.seconds" not in {attribute.key for attribute in second.attributes}
    assert second.status.code == Status.STATUS_CODE_ERROR and first.status.code == Status.STATUS_CODE_UNSET
    about = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert about["service.name"] == "loans" and about["cd4ml.model.sha256"] == "a" * 64
    assert collector.heads[0]["api-key"] == "a b"
    assert spans.counts == {"exported": 2}


def test_unsampled__no_span() -> None:
    """A trace that its beginner does not sample has no span."""
    exchange = answered({"age": [40]}, [1])
    exchange.sampled = False
    with collecting() as collector:
        asyncio.run(exported(exporting(collector.url), exchange))

    assert collector.requests == []


def test_collector_busy__tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that asks for patience gets the spans later; one that refuses them does not get them again."""
    monkeypatch.setattr(module, "_CLOSING", 8.0)
    with collecting() as collector:
        collector.statuses = [503]
        later = asyncio.run(exported(exporting(collector.url), answered({}, [1])))
        collector.statuses = [400]
        never = asyncio.run(exported(exporting(collector.url), answered({}, [1])))

    assert (later.counts, len(collector.spans)) == ({"exported": 1}, 1)
    assert never.counts == {"dropped-refused": 1}


def test_collector_gone__nobody_waits() -> None:
    """Without a collector requests go on, the queue stays within its bound, the end comes soon, and all is counted."""

    async def run() -> tuple[Spans, float, float]:
        spans = Spans(exporting("http://127.0.0.1:9"), model=MODEL)
        await spans.start()
        exchange = answered({"age": [40]}, [1])
        began = time.monotonic()
        for _ in range(5000):
            spans.finished(exchange)
        middle = time.monotonic()
        await spans.close()
        return spans, middle - began, time.monotonic() - middle

    spans, observing, closing = asyncio.run(run())

    assert observing < 1 and closing < 5
    assert sum(spans.counts.values()) <= 5000 and spans.counts["dropped-queue-full"] > 2000
    assert spans.counts["exported"] == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0d%0ab"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Basic secret="),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ],
)
def test_settings__refused(variable: str, value: str) -> None:
    """A setting that spans could not be sent by is refused by name, without repeating what may be secret."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}
    environ |= {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", variable: value}

    with pytest.raises(SettingsError, match=variable) as error:
        Exporting.read(environ)

    assert "secret" not in str(error.value)


def test_settings__off_without_an_endpoint() -> None:
    """Spans go nowhere unless an endpoint is set, or if OpenTelemetry is switched off."""
    there = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/t"}

    assert Exporting.read({}) is None
    assert Exporting.read(there | {"OTEL_SDK_DISABLED": "true"}) is None
    assert Exporting.read(there) == Exporting(url="http://collector:4318/t")
