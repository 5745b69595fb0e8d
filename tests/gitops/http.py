"""A git server over HTTP on loopback: git's own backend behind a door that can stumble."""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(kw_only=True)
class Server:
    """What the server saw, and how it answers.

    Attributes:
        answer: called with the request's path; a status to answer with instead of git, None to let git answer.
        redirect: another server's address to send everybody to, if any.
        demands_login: whether requests without a password are refused.
        lose: the same, asked after git has done its work: its answer is then lost.
    """

    port: int = 0
    root: Path = Path()
    requests: list[str] = field(default_factory=list)
    credentials: set[str] = field(default_factory=set)
    redirect: str = ""
    demands_login: bool = False
    answer: Callable[[str], int | None] = lambda path: None
    lose: Callable[[str], int | None] = lambda path: None

    @property
    def url(self) -> str:
        """Address of the repository."""
        return f"http://127.0.0.1:{self.port}/gitops.git"

    def pushes(self) -> int:
        """Return how often a push was begun."""
        return sum("service=git-receive-pack" in path for path in self.requests)


@contextmanager
def serve(root: Path) -> Iterator[Server]:
    """Serve the bare repositories in a folder."""
    state = Server(root=root)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self._body()
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            state.requests.append(self.path)
            state.credentials.add(self.headers.get("Authorization", ""))
            if state.redirect:
                self.send_response(301)
                self.send_header("Location", state.redirect + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if state.demands_login and not _password(self.headers.get("Authorization", "")):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status = state.answer(self.path)
            if status is None:
                answer = _backend(state, self.command, self.path, self.headers.get("Content-Type", ""), body)
                status = state.lose(self.path)
                if status is None:
                    self._pass_on(answer)
                    return
            self.send_error(status)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().strip(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _pass_on(self, answer: bytes) -> None:
            head, _, body = answer.partition(b"\r\n\r\n")
            fields = [line.split(": ", 1) for line in head.decode().splitlines()]
            self.send_response(next((int(value[:3]) for name, value in fields if name == "Status"), 200))
            for name, value in fields:
                if name != "Status":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _password(authorization: str) -> str:
    """Return the password of a basic login, which is empty at first where an address names the user alone."""
    return base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")[2]


def _backend(state: Server, method: str, path: str, kind: str, body: bytes) -> bytes:
    """Run git's backend as a CGI program and return its answer."""
    parts = urlsplit(path)
    env = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(state.root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": method,
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_USER": "somebody",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    return subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=True).stdout
