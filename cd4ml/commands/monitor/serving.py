"""The worker's metrics by HTTP, and whether it is alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Final

from cd4ml.commands.door import Door
from cd4ml.commands.places import PlacesServer
from cd4ml.errors import UnavailableError

# A worker that has not turned for so long hangs.
_ALIVE_SECONDS: Final = 120.0
_PATIENCE: Final = 10.0


class Shown:
    """What is shown now: made by the worker, read by whoever asks."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self.text = ""
        self._at = time.monotonic()

    def turned(self, text: str) -> None:
        """Take what the worker knows after a turn."""
        self.text, self._at = text, time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the worker turns."""
        return time.monotonic() - self._at < _ALIVE_SECONDS


@contextmanager
def serving(host: str, port: int, door: Door) -> Iterator[Shown]:
    """Show metrics until the end.

    Raises:
        UnavailableError: somebody else has the port.
    """
    shown = Shown()

    class Handler(_Handler):
        """The handler of this server's requests."""

    Handler.shown = shown
    try:
        server = PlacesServer((host, port), Handler)
    except OSError as error:
        raise UnavailableError(f"{host}:{port} cannot be listened on: {error.strerror}.") from error
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own, number = server.server_address[:2]
        print(f"cd4ml monitor: http://{str(own)}:{number}/metrics", file=door.stderr, flush=True)
        try:
            yield shown
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    """Answers `/metrics` and `/health`."""

    protocol_version = "HTTP/1.1"
    server_version = "cd4ml"
    sys_version = ""
    timeout = _PATIENCE
    shown: Shown

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/metrics":
            self._answer(HTTPStatus.OK, self.shown.text, "text/plain; version=0.0.4; charset=utf-8")
        elif self.path == "/health":
            alive = self.shown.alive
            code = HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(code, "ok\n" if alive else "the worker does not turn\n", "text/plain; charset=utf-8")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "There are /metrics and /health.\n", "text/plain; charset=utf-8")

    def _answer(self, code: HTTPStatus, text: str, kind: str) -> None:
        """Send a text; the connection is for one request."""
        body = text.encode("utf-8")
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: whoever scrapes comes every few seconds."""
