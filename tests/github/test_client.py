"""The REST client, against a server on the loopback interface: what it sends where, and what it refuses to read."""

from __future__ import annotations

import http.server
import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.github import client as module
from cd4ml.github.client import Client, connect

Answer = tuple[int, bytes, Mapping[str, str]]


@dataclass(kw_only=True)
class Server:
    """What is answered to which request, and what was asked."""

    address: str = ""
    drips: bool = False
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def says(self, request: str, content: object = None, status: int = 200, **headers: str) -> None:
        """Answer a request, for example `GET issues`; below `/` it is the storage's."""
        data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        self.answers[request] = (status, data, headers)


@pytest.fixture
def server() -> Iterator[Server]:
    """Run the server."""
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers as the test says; pages of a list are asked for one by one."""

        def do_GET(self) -> None:
            """Answer any request."""
            address = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            state.asked.append((f"{self.command} {self.path}", self.headers.get("Authorization") or "", body))
            path = address.path.removeprefix("/repos/owner/model/")
            page = parse_qs(address.query).get("page", ["1"])[0]
            names = (f"{self.command} {path}#{page}", f"{self.command} {path}")
            found = next((state.answers[name] for name in names if name in state.answers), None)
            status, data, headers = found or (404, b"{}", {})
            if state.drips:
                return self._drip()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_GET

        def _drip(self) -> None:
            """Send a byte now and then until nobody listens."""
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b" ")
                    time.sleep(0.01)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        state.address = f"http://127.0.0.1:{running.server_port}"
        yield state
        running.shutdown()


@pytest.fixture
def client(server: Server) -> Client:
    """Return a client that speaks to the server."""
    return Client(api=server.address, repository="owner/model", token="t0ken", permissions="`issues: write`")


def archive(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an artifact's archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return stream.getvalue()


def test_json__sent_and_read(server: Server, client: Client) -> None:
    """A request carries the token and its body as JSON; an empty answer is an empty object."""
    server.says("POST issues", {"number": 1}, status=201)
    server.says("POST dispatches", status=204)

    assert client.json("POST", "issues", {"title": "é"}) == {"number": 1}
    assert client.json("POST", "dispatches", {"event_type": "x"}) == {}
    assert server.asked[0] == ("POST /repos/owner/model/issues", "Bearer t0ken", {"title": "é"})


@pytest.mark.parametrize(
    ("status", "content", "words"),
    [
        (500, b"oops", "GET issues: the API answers 500"),
        (403, b"{}", "answers 403"),
        (404, b"{}", "answers 404"),
        (200, b"<html>", "something that is not JSON"),
        (200, b"\xff", "something that is not JSON"),
        (200, b"[" * 100_000, "something that is not JSON"),
    ],
)
def test_json__refused_or_unreadable(server: Server, client: Client, status: int, content: bytes, words: str) -> None:
    """A refusal says what the token needs; an answer that is not JSON is an error and never an empty one."""
    server.says("GET issues", content, status)

    with pytest.raises(UnavailableError, match=words) as caught:
        client.json("GET", "issues?state=open")
    assert ("`issues: write`" in caught.value.advice) == (status != 200)
    assert "t0ken" not in str(caught.value) + repr(client)


def test_pages__all_items_in_order(server: Server, client: Client) -> None:
    """A list is read to its end, with the same query on every page."""
    server.says("GET issues#1", list(range(100)))
    server.says("GET issues#2", list(range(100, 130)))

    assert list(client.pages("issues", labels="a&b")) == list(range(130))
    assert [path for path, *_ in server.asked] == [
        f"GET /repos/owner/model/issues?labels=a%26b&per_page=100&page={page}" for page in (1, 2)
    ]


def test_pages__below_a_key(server: Server, client: Client) -> None:
    """A list may stand in an object."""
    server.says("GET actions/artifacts", {"artifacts": [1, 2]})

    assert list(client.pages("actions/artifacts", "artifacts")) == [1, 2]


@pytest.mark.parametrize("content", [{}, {"artifacts": None}, {"artifacts": {}}, [], None, "x"])
def test_pages__another_form__error(server: Server, client: Client, content: object) -> None:
    """An answer without the list is an error and never an empty list."""
    server.says("GET actions/artifacts", json.dumps(content).encode())

    with pytest.raises(UnavailableError, match="does not answer as GitHub's does"):
        list(client.pages("actions/artifacts", "artifacts"))


def test_pages__endless__error(server: Server, client: Client) -> None:
    """A list that does not end within a thousand items is an error: what is left out might decide."""
    server.says("GET issues", list(range(100)))

    with pytest.raises(UnavailableError, match="more than 1000 entries"):
        list(client.pages("issues"))


def test_artifact__from_the_storage_without_the_token(server: Server, client: Client) -> None:
    """An artifact lies elsewhere, and the token does not go there."""
    server.says("GET actions/artifacts/7/zip", status=302, Location=f"{server.address}/storage/7")
    server.says("GET /storage/7", archive({"reports/detect-drift.json": b"{}", "other.txt": b"x"}))

    assert client.artifact_file(7, "detect-drift.json") == b"{}"
    assert [token for _, token, _ in server.asked] == ["Bearer t0ken", ""]


@pytest.mark.parametrize("location", ["http://example.org/storage", "ftp://127.0.0.1/7", "file:///etc/passwd", "//["])
def test_redirect__not_over_an_open_line(server: Server, client: Client, location: str) -> None:
    """A redirect to where somebody on the way could put other content is not followed."""
    server.says("GET actions/artifacts/7/zip", status=302, Location=location)

    with pytest.raises(UnavailableError):
        client.artifact_file(7, "detect-drift.json")
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_redirect__only_a_get(server: Server, client: Client, method: str, status: int) -> None:
    """What changes something is not sent elsewhere, and does not become a GET that changes nothing."""
    server.says(f"{method} issues/1", status=status, Location=f"{server.address}/repos/owner/new/issues/1")

    with pytest.raises(UnavailableError, match=f"answers {status}"):
        client.json(method, "issues/1", {})
    assert len(server.asked) == 1


DAMAGED = bytearray(archive({"detect-drift.json": b"0123456789" * 100}))
DAMAGED[60] ^= 0xFF
ENCRYPTED = bytearray(archive({"detect-drift.json": b"{}"}))
ENCRYPTED[6] |= 1
ENCRYPTED[ENCRYPTED.index(b"PK\x01\x02") + 8] |= 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"{}", "cannot be read"),
        (bytes(DAMAGED), "cannot be read"),
        (bytes(ENCRYPTED), "cannot be read: .*encrypted"),
        (archive({}), "0 files end in detect-drift.json, expected one"),
        (archive({"a/detect-drift.json": b"{}", "b/detect-drift.json": b"{}"}), "2 files end in"),
        (archive({"detect-drift.json": b"{}"}, zipfile.ZIP_LZMA), "compressed in a way"),
        (archive({"detect-drift.json": bytes(module.LARGEST + 1)}), "larger than 32000000 bytes"),
    ],
    ids=["empty", "no archive", "damaged", "encrypted", "no file", "two files", "compression", "bomb"],
)
def test_artifact__unreadable__error(server: Server, client: Client, content: bytes, words: str) -> None:
    """An archive that is damaged, ambiguous or far larger than it looks is an error."""
    server.says("GET actions/artifacts/7/zip", content)

    with pytest.raises(UnavailableError, match=words):
        client.artifact_file(7, "detect-drift.json")


def test_answer__too_large(server: Server, client: Client) -> None:
    """An answer is read up to a limit."""
    server.says("GET issues", b" " * (module.LARGEST + 1))

    with pytest.raises(UnavailableError, match="the answer is larger than 32000000 bytes"):
        client.json("GET", "issues")


def test_silent_server__not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes a request and says nothing, or is not there, is an error within the time limit."""
    import socket

    monkeypatch.setattr(module, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], 9):
            there = Client(api=f"http://127.0.0.1:{port}", repository="owner/model", token="t", permissions="")
            with pytest.raises(UnavailableError, match="cannot be reached"):
                there.json("GET", "issues")


def test_answer__cut_off(server: Server, client: Client) -> None:
    """An answer that ends before its announced length is an error, even where its beginning could be read."""
    server.answers["GET issues"] = (200, b"{}", {"Content-Length": "7", "Connection": "close"})

    with pytest.raises(UnavailableError, match="cannot be reached"):
        client.json("GET", "issues")


def test_slow_server__not_waited_for(server: Server, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never falls silent and never ends is an error within a time limit of its own."""
    server.drips = True
    monkeypatch.setattr(module, "_LONGEST", 0.3)

    with pytest.raises(UnavailableError, match="no whole answer within 0.3 seconds"):
        client.json("GET", "issues")


@pytest.mark.parametrize(
    ("environ", "repository", "expected"),
    [
        ({}, None, ("https://api.github.com", "owner/model", "of-the-job")),
        (
            {"CD4ML_GITHUB_TOKEN": "own\n", "GITHUB_API_URL": "https://ghes/api/v3/"},
            "a/b",
            ("https://ghes/api/v3", "a/b", "own"),
        ),
    ],
)
def test_connect(environ: dict[str, str], repository: str | None, expected: tuple[str, str, str]) -> None:
    """Address, repository and token are the workflow's unless the caller gives others."""
    workflow = {"GITHUB_REPOSITORY": "owner/model", "GITHUB_TOKEN": "of-the-job"}

    made = connect(workflow | environ, repository, permissions="")

    assert (made.api, made.repository, made.token) == expected


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GITHUB_TOKEN": ""}, "CD4ML_GITHUB_TOKEN is not set"),
        ({"GITHUB_TOKEN": "two\nlines"}, "CD4ML_GITHUB_TOKEN is not a token"),
        ({"GITHUB_TOKEN": "tökén"}, "CD4ML_GITHUB_TOKEN is not a token"),
        (
            {"GITHUB_REPOSITORY": "model", "GITHUB_TOKEN": ""},
            "github-repository must be OWNER/NAME, got 'model'; CD4ML_GITHUB_TOKEN",
        ),
        ({"GITHUB_REPOSITORY": "../model"}, "repository must be OWNER/NAME"),
        ({"GITHUB_API_URL": "http://example.org"}, "GITHUB_API_URL: http://example.org is not an https address"),
        ({"GITHUB_API_URL": "https://["}, "is not an https address"),
    ],
)
def test_connect__refused(environ: dict[str, str], words: str) -> None:
    """Without a repository or a token, or over an open line, nothing is asked; a token is in no message."""
    workflow = {"GITHUB_REPOSITORY": "owner/model", "GITHUB_TOKEN": "t0ken"} | environ

    with pytest.raises(OptionsError, match=words) as caught:
        connect(workflow, permissions="")
    assert not workflow["GITHUB_TOKEN"] or workflow["GITHUB_TOKEN"] not in str(caught.value)
