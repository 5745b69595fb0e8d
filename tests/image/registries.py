"""A real registry on the loopback interface, and a gate before it that demands tokens, fails and counts."""

from __future__ import annotations

import base64
import http.client
import json
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.conftest import need_program
from tests.ports import free_port

USER, PASSWORD = "robot", "pass:word"


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Serve a registry from a folder and give its host."""
    folder.mkdir(exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    with _served(host, [need_program("crane"), "registry", "serve", "--address", host, "--disk", str(folder)]):
        yield host


@contextmanager
def listing_registry() -> Iterator[str]:
    """Serve a registry that itself lists what refers to an image, and give its host."""
    host = f"127.0.0.1:{free_port()}"
    with _served(host, [need_program("referrers-registry"), host]):
        yield host


@contextmanager
def _served(host: str, command: list[str]) -> Iterator[None]:
    """Run a registry's program, and wait until it listens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as caller:
                if caller.connect_ex(("127.0.0.1", int(host.rpartition(":")[2]))) == 0:
                    break
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


class Gate(ThreadingHTTPServer):
    """Hands requests on to a registry.

    Attributes:
        scheme: `bearer` demands a token for the repository that is asked, `basic` user and password, None nothing.
        failing: requests yet to be answered with 503.
        cut: blobs yet to be broken off in the middle.
        asked: method and path of every request that was handed on.
        lies: what is served in the place of a path's answer.
        leads: where a path's request is sent on to.
    """

    daemon_threads = True

    def __init__(self, upstream: str, scheme: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.scheme = upstream, scheme
        self.failing = self.cut = 0
        self.asked: list[tuple[str, str]] = []
        self.tokens: dict[str, list[str]] = {}
        self.refreshed = 0
        self.lies: dict[str, bytes] = {}
        self.leads: dict[str, str] = {}

    @property
    def host(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def methods(self, method: str, kind: str) -> list[str]:
        """Return the paths that were asked for by a method."""
        return [path for asked, path in self.asked if asked == method and kind in path]


@contextmanager
def gate(upstream: str, scheme: str | None = None) -> Iterator[Gate]:
    """Serve a gate before a registry."""
    server = Gate(upstream, scheme)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Gate
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _demand(self) -> str | None:
        """Return what is demanded of a request, None if it has what it needs."""
        given = self.headers.get("Authorization", "")
        if self.server.scheme == "basic":
            known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return None if given == known else 'Basic realm="here"'
        if self.server.scheme == "bearer":
            path = re.sub(r"^/v2/(.+?)/(blobs|manifests)/.*", r"\1", urlsplit(self.path).path)
            action = "pull" if self.command in ("GET", "HEAD") else "pull,push"
            scope = f"repository:{path}:{action}"
            granted = self.server.tokens.get(given.removeprefix("Bearer "), [])
            realm = f"http://{self.server.host}/token"
            return None if scope in granted else f'Bearer realm="{realm}",service="tests",scope="{scope}"'
        return None

    def _token(self, body: bytes) -> None:
        """Give a token to a known user, or for a refresh token."""
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        query, form = parse_qs(urlsplit(self.path).query), parse_qs(body.decode())
        if self.headers.get("Authorization") == known:
            scopes = query["scope"]
        elif form.get("refresh_token") == ["identity"]:
            scopes = form["scope"][0].split(" ")
            self.server.refreshed += 1
        else:
            self._answer(401, {}, b"{}")
            return
        token = secrets.token_hex(8)
        self.server.tokens[token] = scopes
        self._answer(200, {}, json.dumps({"token": token}).encode())

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/token"):
            self._token(body)
            return
        demanded = self._demand()
        if demanded is not None:
            self._answer(401, {"WWW-Authenticate": demanded}, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
            return
        if self.server.failing:
            self.server.failing -= 1
            self._answer(503, {}, b"")
            return
        self.server.asked.append((self.command, self.path))
        if self.path in self.server.leads:
            self._answer(307, {"Location": self.server.leads[self.path]}, b"")
            return
        if self.path in self.server.lies:
            self._answer(200, {}, self.server.lies[self.path])
            return
        self._forward(body)

    def _forward(self, body: bytes) -> None:
        with closing(http.client.HTTPConnection(self.server.upstream)) as upstream:
            self._pass(upstream, body)

    def _pass(self, upstream: http.client.HTTPConnection, body: bytes) -> None:
        kept = {key: value for key, value in self.headers.items() if key.lower() in ("content-type", "accept")}
        upstream.request(self.command, self.path, body, kept)
        answer = upstream.getresponse()
        data = answer.read()
        headers = {key: value for key, value in answer.getheaders() if key not in ("Transfer-Encoding", "Connection")}
        if self.server.cut and self.command == "GET" and "/blobs/" in self.path:
            self.server.cut -= 1
            self._answer(answer.status, {**headers, "Content-Length": str(len(data))}, data[: len(data) // 2])
            self.close_connection = True
            return
        self._answer(answer.status, headers, data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _any
