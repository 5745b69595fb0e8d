"""A server that redirects, or answers in a way that is none, gets no token and is one clear error."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.observe.prometheus import Prometheus, Window

NOW = datetime.now(UTC)
HOUR = Window(selector="", since=NOW - timedelta(hours=1), until=NOW)


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """Serve an answer to every request."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("address", ["prometheus:9090", "http://", "http://[localhost", "https://[::1"])
def test_address__that_is_none(address: str) -> None:
    """What is no address of a server is refused before anything is asked."""
    with pytest.raises(OptionsError, match="must be the server's address"):
        Prometheus(address)


def test_redirect__is_not_followed() -> None:
    """A redirect ends the run before anything, such as the token, reaches where it leads."""
    got: list[str | None] = []

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", f"http://127.0.0.1:{other}/elsewhere")
        request.end_headers()

    with serving(lambda request: got.append(request.headers["Authorization"])) as other, serving(redirect) as port:
        with pytest.raises(UnavailableError, match="302, a redirect"):
            Prometheus(f"http://localhost:{port}", "SECRET").requests(HOUR)
    assert got == []


@pytest.mark.parametrize(
    "series", [{"metric": {}}, {}, 5, {"metric": {}, "values": [[1, "x"]]}, {"metric": {}, "value": 7}]
)
def test_series_without_values__refused(series: object) -> None:
    """Series that hold no points are one error with the metric's name."""
    body = json.dumps({"status": "success", "data": {"result": [series]}}).encode()

    def say(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(body)

    with (
        serving(say) as port,
        pytest.raises(UnavailableError, match="cd4ml_requests_total has a series without values"),
    ):
        Prometheus(f"http://localhost:{port}").requests(HOUR)
