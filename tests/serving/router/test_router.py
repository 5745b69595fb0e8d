"""The router as a process of its own, before real HTTP servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from cd4ml.serving.router.routes import read
from tests import models
from tests.conftest import clean_environment
from tests.ports import free_port
from tests.serving.conftest import running

ROWS = {"rows": [{"age": 40, "income": 52000.0, "city": "Oslo"}]}


@dataclass(kw_only=True)
class Upstream:
    """A server that notes what it is asked, and answers what it is told."""

    status: int = 200
    body: bytes = b'{"predictions":[{"y_pred":1,"y_score":0.8}]}'
    seconds: float = 0.0
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        """Listen on a free port."""
        told = self

        class Handler(BaseHTTPRequestHandler):
            """Answers every request alike."""

            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                """Note the request, wait, and answer."""
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                told.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                time.sleep(told.seconds)
                self.send_response(told.status)
                self.send_header("content-type", "application/json")
                self.send_header("x-of-upstream", "yes")
                self.send_header("connection", "keep-alive, x-hop")
                self.send_header("x-hop", "1")
                self.send_header("content-length", str(len(told.body)))
                self.end_headers()
                self.wfile.write(told.body)

            do_GET = do_POST = do_PUT = answer

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server.server_port}"


@dataclass(kw_only=True)
class Router:
    """A running router."""

    process: subprocess.Popen[str]
    client: httpx.Client
    port: int
    routes: Path

    def post(self, user: str | None = None, path: str = "/predict", **headers: str) -> httpx.Response:
        """Ask for a prediction as a user."""
        named = {"x-user-id": user} if user is not None else {}
        return self.client.post(path, json=ROWS, headers={**named, **headers})

    def counts(self) -> dict[str, int]:
        """Return what became of requests."""
        found: dict[str, int] = self.client.get("/router/status").json()["counts"]
        return found


@contextmanager
def routing(folder: Path, tracks: dict[str, tuple[str, float]], **more: Any) -> Iterator[Router]:
    """Start a router before these tracks (address and weight), and end it."""
    shadow = more.pop("shadow", None)
    document = {
        "experiment": "e",
        "tracks": [{"name": name, "url": url, "weight": weight} for name, (url, weight) in tracks.items()],
        **({"shadow": shadow} if shadow else {}),
    }
    file, port = folder / "routes.json", free_port()
    file.write_text(json.dumps(document))
    environ = {**clean_environment(), "ROUTES_FILE": str(file), "HOST": "127.0.0.1", "PORT": str(port), **more}
    command = [sys.executable, "-m", "cd4ml.serving.router"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
                _until_ready(client, process)
                yield Router(process=process, client=client, port=port, routes=file)
        finally:
            process.kill()


def _until_ready(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    """Wait until the router answers."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if client.get("/router/health").status_code == 200:
                return
        except httpx.TransportError:
            assert process.poll() is None, process.stdout and process.stdout.read()
            time.sleep(0.05)
    raise AssertionError("the router did not begin")


def pairs_of(file: Path, count: int) -> list[dict[str, Any]]:
    """Return the recorded pairs once there are so many."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        lines = file.read_text().splitlines() if file.exists() else []
        if len(lines) >= count:
            return [json.loads(line) for line in lines]
        time.sleep(0.05)
    raise AssertionError(f"{count} pairs were not recorded")


def test_users_stay_on_their_track(tmp_path: Path) -> None:
    """Each user's requests reach the track that the digest says, each time, and the answer names it."""
    one, other = Upstream(), Upstream()
    with routing(tmp_path, {"stable": (one.url, 70), "canary": (other.url, 30)}) as router:
        routes = read(router.routes)
        for user in [f"user-{number}" for number in range(40)] * 2:
            answer = router.post(user)
            assert answer.headers["x-cd4ml-track"] == routes.track(user).name
        assert {len(one.asked) + len(other.asked)} == {80} and len(one.asked) > len(other.asked) > 0
        assert router.post().status_code == 200
        assert router.counts()["without-user"] == 1


def test_what_is_sent_and_answered_is_not_changed(tmp_path: Path) -> None:
    """Method, path, query, body, status and headers go through, except for those of one connection."""
    track = Upstream(status=422, body=b'{"error":{"code":"rows-do-not-fit"}}')
    with routing(tmp_path, {"stable": (track.url, 1)}) as router:
        answer = router.post("a", "/v2/models/a%2Fb/infer?x=%20&y=1", **{"x-more": "1", "x-request-id": "r"})
        assert (answer.status_code, answer.content) == (422, track.body)
        assert answer.headers["x-of-upstream"] == "yes" and "x-hop" not in answer.headers
        method, path, headers, body = track.asked[0]
        assert (method, path) == ("POST", "/v2/models/a%2Fb/infer?x=%20&y=1") and json.loads(body) == ROWS
        assert headers["x-more"] == "1" and headers["x-request-id"] == "r" and headers["x-user-id"] == "a"
        assert headers["host"] == track.url.removeprefix("http://")
        assert len(headers["traceparent"]) == 55


def test_a_target_that_names_another_server_is_refused(tmp_path: Path) -> None:
    """A request line that would complete the track's address to another host's never leaves the router."""
    track = Upstream()
    with routing(tmp_path, {"stable": (track.url, 1)}) as router:
        for target in ("@elsewhere.example/", "*", ".elsewhere.example/"):
            with socket.create_connection(("127.0.0.1", router.port), timeout=10) as connection:
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                assert connection.recv(64).startswith(b"HTTP/1.1 400")
        assert track.asked == []


def test_a_track_that_is_gone_or_slow_is_said(tmp_path: Path) -> None:
    """A track that nobody answers for is 502, one that takes too long 504; the user is not given to another track."""
    slow = Upstream(seconds=3)
    tracks = {"gone": (f"http://127.0.0.1:{free_port()}", 1.0), "slow": (slow.url, 1.0)}
    with routing(tmp_path, tracks, UPSTREAM_SECONDS="1") as router:
        routes = read(router.routes)
        users = {routes.track(f"u{number}").name: f"u{number}" for number in range(20)}
        gone, late = router.post(users["gone"]), router.post(users["slow"])
        assert (gone.status_code, gone.json()["error"]["code"]) == (502, "upstream-unavailable")
        assert (late.status_code, late.json()["error"]["code"]) == (504, "upstream-too-slow")
        assert gone.headers["x-cd4ml-track"] == "gone"
        assert router.counts() == {"error:upstream-unavailable": 1, "error:upstream-too-slow": 1}


def test_a_shadow_is_asked_the_same_and_seen_by_nobody(tmp_path: Path) -> None:
    """Every copied request is recorded with both answers under its trace; the user gets the track's alone."""
    track, shadow = Upstream(), Upstream(body=b'{"predictions":[{"y_pred":0,"y_score":0.3}]}')
    copies = {"name": "next", "url": shadow.url, "percent": 100}
    file = tmp_path / "pairs.jsonl"
    with routing(tmp_path, {"stable": (track.url, 1)}, shadow=copies, PAIRS=str(file)) as router:
        trace = "0af7651916cd43dd8448eb211c80319c"
        answer = router.post("a", traceparent=f"00-{trace}-b7ad6b7169203331-01")
        assert answer.content == track.body
        pair = pairs_of(file, 1)[0]
    assert pair["trace_id"] == trace and (pair["rows"], pair["differing"]) == (1, 1)
    assert (pair["track"]["name"], pair["shadow"]["name"]) == ("stable", "next")
    assert pair["predictions"]["next"] == [{"y_pred": 0, "y_score": 0.3}]
    assert track.asked[0][3] == shadow.asked[0][3] and shadow.asked[0][2]["traceparent"].split("-")[1] == trace
    assert "Oslo" not in file.read_text()


def test_a_sick_shadow_costs_nobody_anything(tmp_path: Path) -> None:
    """With a shadow that hangs all requests are answered at once; what is too many is dropped and counted."""
    track, shadow = Upstream(), Upstream(seconds=5)
    copies = {"name": "next", "url": shadow.url, "percent": 100}
    with routing(tmp_path, {"stable": (track.url, 1)}, shadow=copies, COPIES="2", UPSTREAM_SECONDS="2") as router:
        began = time.monotonic()
        assert [router.post("a").status_code for _ in range(10)] == [200] * 10
        assert time.monotonic() - began < 2
        assert router.counts()["copies-dropped"] == 8


def test_a_shadow_that_is_gone_is_recorded(tmp_path: Path) -> None:
    """A pair says that the shadow did not answer."""
    track, file = Upstream(), tmp_path / "pairs.jsonl"
    copies = {"name": "next", "url": f"http://127.0.0.1:{free_port()}", "percent": 100}
    with routing(tmp_path, {"stable": (track.url, 1)}, shadow=copies, PAIRS=str(file)) as router:
        assert router.post("a").status_code == 200
        assert pairs_of(file, 1)[0]["shadow"] == {"name": "next", "error": "upstream-unavailable"}
        assert router.counts()["copies-failed"] == 1


def test_a_track_that_hangs_uses_up_no_other_tracks_connections(tmp_path: Path) -> None:
    """With every connection to one track waiting, users of the other are answered at once."""
    stuck, sound = Upstream(seconds=3), Upstream()
    tracks = {"stuck": (stuck.url, 1.0), "sound": (sound.url, 1.0)}
    with routing(tmp_path, tracks, UPSTREAM_CONNECTIONS="4", UPSTREAM_SECONDS="5") as router:
        routes = read(router.routes)
        users = {routes.track(f"u{number}").name: f"u{number}" for number in range(20)}
        threads = [threading.Thread(target=router.post, args=(users["stuck"],)) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        began = time.monotonic()
        assert router.post(users["sound"]).status_code == 200
        assert time.monotonic() - began < 2
        for thread in threads:
            thread.join()


def test_pairs_that_nobody_reads_hold_up_no_user(tmp_path: Path) -> None:
    """With pairs going into a pipe that is full, requests are answered, and the pairs that are lost are counted."""
    body = json.dumps({"predictions": [{"y_pred": 1, "y_score": 0.123456789}] * 5000}).encode()
    track, shadow = Upstream(body=body), Upstream(body=body)
    copies = {"name": "next", "url": shadow.url, "percent": 100}
    with routing(tmp_path, {"stable": (track.url, 1)}, shadow=copies, PAIRS="stdout") as router:
        assert [router.post("a").status_code for _ in range(20)] == [200] * 20
        assert router.client.get("/router/health").status_code == 200
        end = time.monotonic() + 10
        while router.counts()["pairs-dropped"] == 0 and time.monotonic() < end:
            router.post("a")
        assert router.counts()["pairs-dropped"] > 0


def test_pairs_that_cannot_be_written_are_counted(tmp_path: Path) -> None:
    """A disk without space loses pairs, and the router says how many."""
    track, shadow = Upstream(), Upstream()
    copies = {"name": "next", "url": shadow.url, "percent": 100}
    with routing(tmp_path, {"stable": (track.url, 1)}, shadow=copies, PAIRS="/dev/full") as router:
        assert router.post("a").status_code == 200
        end = time.monotonic() + 10
        while router.counts()["pairs-dropped"] < 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert (router.counts()["pairs"], router.counts()["pairs-dropped"]) == (0, 1)


def test_nobody_else_says_the_track_or_breaks_the_trace(tmp_path: Path) -> None:
    """The track has the router's word for what it is, and a well-formed trace, whatever the request's headers say."""
    track = Upstream()
    with routing(tmp_path, {"stable": (track.url, 1)}) as router:
        good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        router.post("a", **{"x-cd4ml-track": "canary", "traceparent": good})
        router.post("a", connection="traceparent, x-user-id, keep-alive", traceparent=good)
        router.post("a", traceparent="ff-0af7651916cd43dd8448eb211c80319c-0000000000000000-01")
    traces = [headers["traceparent"] for _, _, headers, _ in track.asked]
    assert [headers["x-cd4ml-track"] for _, _, headers, _ in track.asked] == ["stable"] * 3
    assert traces[:2] == [good, good] and traces[2].startswith("00-") and "0af7651916cd" not in traces[2]


def test_a_status_that_http_does_not_know_is_a_track_that_does_not_answer(tmp_path: Path) -> None:
    """An answer of status 600 is 502 for the user, and the router goes on."""
    track = Upstream(status=600)
    with routing(tmp_path, {"stable": (track.url, 1)}) as router:
        assert router.post("a").status_code == 502
        assert router.client.get("/router/health").status_code == 200


def test_a_large_body_is_refused_before_a_track_has_it(tmp_path: Path) -> None:
    """The router's own limit answers 413, and no track is asked."""
    track = Upstream()
    with routing(tmp_path, {"stable": (track.url, 1)}, BODY_BYTES="1000") as router:
        assert router.client.post("/predict", content=b"x" * 1001).status_code == 413
        assert track.asked == []


def test_requests_that_have_begun_are_answered_at_the_end(tmp_path: Path) -> None:
    """SIGTERM while a track works on a request loses neither the answer nor the exit code."""
    track = Upstream(seconds=1)
    with routing(tmp_path, {"stable": (track.url, 1)}) as router:
        threading.Timer(0.3, lambda: os.kill(router.process.pid, signal.SIGTERM)).start()
        assert router.post("a").status_code == 200
        assert router.process.wait(20) == 0


@pytest.mark.parametrize(
    "environ", [{"UPSTREAM_SECONDS": "soon"}, {"PAIRS": "/nowhere/pairs"}, {"WORKERS": "2"}, {"ROUTES_FILE": "no"}]
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    """A router that is told nonsense says what, and does not begin."""
    file = tmp_path / "routes.json"
    track = {"name": "a", "url": "http://a", "weight": 1}
    file.write_text(json.dumps({"experiment": "e", "tracks": [track]}))
    command = [sys.executable, "-m", "cd4ml.serving.router"]
    env = {**clean_environment(), "ROUTES_FILE": str(file), **environ}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and ended.stderr.startswith("router: "), ended.stderr


def test_a_gateway_answers_through_the_router_as_it_does_directly(tmp_path: Path) -> None:
    """Both tracks lead to a real gateway, and its predictions come back unchanged."""
    frame = models.people(120)
    columns = frame[["age", "income", "city"]]
    model = models.save(models.classifier(frame), tmp_path / "model", columns)
    with ExitStack() as stack:
        gateway = stack.enter_context(running(model, tmp_path))
        gateway.until(200)
        url = str(gateway.client.base_url).rstrip("/")
        router = stack.enter_context(routing(tmp_path, {"stable": (url, 1.0), "canary": (url, 1.0)}))
        direct = gateway.client.post("/predict", json=ROWS).json()
        answers = [router.post(f"user-{number}") for number in range(10)]
        assert {answer.headers["x-cd4ml-track"] for answer in answers} == {"stable", "canary"}
        assert all(answer.json()["predictions"] == direct["predictions"] for answer in answers)
