"""A receiver of OTLP over HTTP, which reads what it gets by OpenTelemetry's own definition of the format."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What has arrived, and the statuses that are answered first."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.requests: list[ExportTraceServiceRequest] = []
        self.heads: list[dict[str, str]] = []
        self.url = ""

    def take(self, path: str, headers: Any, body: bytes) -> int:
        """Read a request and return a status."""
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            assert path == "/v1/traces" and headers["Content-Type"] == "application/json"
            self.heads.append(dict(headers))
            self.requests.append(json_format.ParseDict(_bytes(json.loads(body)), ExportTraceServiceRequest()))
        return status

    @property
    def spans(self) -> list[Span]:
        """The spans that have arrived."""
        return [
            span
            for one in self.requests
            for resource in one.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _bytes(document: Any) -> Any:
    """Return OTLP's JSON as protobuf's: identifiers are hexadecimal in the one, base64 in the other."""
    if isinstance(document, list):
        return [_bytes(part) for part in document]
    if not isinstance(document, dict):
        return document
    identifiers = ("traceId", "spanId", "parentSpanId")
    return {
        name: base64.b64encode(bytes.fromhex(part)).decode() if name in identifiers else _bytes(part)
        for name, part in document.items()
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on loopback."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        """Answers with the collector's status."""

        def do_POST(self) -> None:
            """Take the body."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(collector.take(self.path, self.headers, body))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
