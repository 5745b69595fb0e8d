"""Connections of the gateway: kept long enough, never for ever, never too many; and an end that nothing holds up."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cd4ml.serving.settings import Settings, SettingsError
from tests.conftest import ROOT, clean_environment
from tests.serving.conftest import Gateway, running
from tests.serving.test_gateway import _model

PROBE = b"GET /health/liveness HTTP/1.1\r\nHost: x\r\n\r\n"
SECONDS = 2


@pytest.fixture(scope="module")
def small(loan_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that waits two seconds for headers and takes six connections; the platform asks for four processes."""
    env = {
        "HEADER_SECONDS": str(SECONDS),
        "CONNECTIONS": "6",
        "BODY_SECONDS": str(SECONDS),
        "KEEP_ALIVE_SECONDS": "4",
        "WEB_CONCURRENCY": "4",
    }
    with running(loan_model, tmp_path_factory.mktemp("small"), env=env) as started:
        started.until(200)
        started.client.close()
        yield started


def connect(gateway: Gateway) -> socket.socket:
    """Open a connection to the gateway."""
    return socket.create_connection(("127.0.0.1", gateway.client.base_url.port or 80), timeout=20)


def ask(connection: socket.socket) -> bytes:
    """Send a probe and read the whole answer."""
    connection.sendall(PROBE)
    said = b""
    while not said.endswith(b"}") and (chunk := connection.recv(4096)):
        said += chunk
    return said


def drip(connection: socket.socket, head: bytes, drop: bytes) -> tuple[bytes, float]:
    """Send a head and then drops until the other side ends; return what it said and after how long it ended."""
    start, said = time.monotonic(), b""
    connection.sendall(head)
    connection.settimeout(0.2)
    while time.monotonic() - start < 15:
        try:
            chunk = connection.recv(4096)
            said += chunk
            if not chunk:
                break
        except TimeoutError:
            try:
                connection.sendall(drop)
            except OSError:
                break
        except ConnectionError:
            break
    return said, time.monotonic() - start


def test_an_idle_connection_is_kept_longer_than_the_proxies_keep_theirs() -> None:
    """Without a setting, a connection without requests stays open for more than the 60 s of common load balancers."""
    assert Settings.read({}).keep_alive_seconds > 65


def test_the_time_of_an_idle_connection_can_be_set(small: Gateway) -> None:
    """A connection that asks nothing more is closed after KEEP_ALIVE_SECONDS, and not before."""
    with connect(small) as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")
        start = time.monotonic()
        assert connection.recv(10) == b"" and 3 < time.monotonic() - start < 8


@pytest.mark.parametrize("path", ["/health/liveness", "/health/readiness", "/version"])
def test_head_is_answered_like_get_without_a_body(gateway: Gateway, path: str) -> None:
    """Load balancers and monitors that send HEAD get the status and the headers of GET."""
    head, get = gateway.client.head(path), gateway.client.get(path)
    assert (head.status_code, head.content) == (200, b"") and head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"GET /health/liveness HTTP/1.1\r\n", b"X-A: b\r\n"),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Long: ", b"a"),
        (b"G", b"E"),
        (b"", b"\r\n"),
    ],
    ids=["headers", "one-header", "method", "empty-lines"],
)
def test_headers_that_drip_have_a_deadline(small: Gateway, head: bytes, drop: bytes) -> None:
    """A client that never ends its headers is cut off at the deadline, however regularly it sends."""
    with connect(small) as connection:
        said, seconds = drip(connection, head, drop)
    assert seconds < SECONDS + 3
    assert said == b"" or said.startswith((b"HTTP/1.1 408", b"HTTP/1.1 400"))


def test_a_connection_that_says_nothing_ends(small: Gateway) -> None:
    """A connection on which no request is ever begun does not keep its place."""
    with connect(small) as connection:
        start = time.monotonic()
        assert connection.recv(10) == b"" and time.monotonic() - start < SECONDS + 2


def test_a_second_request_has_the_deadline_too(small: Gateway) -> None:
    """After an answered request, the next one's headers must be whole in time as well."""
    with connect(small) as connection:
        assert ask(connection).startswith(b"HTTP/1.1 200")
        said, seconds = drip(connection, b"GET /version HTTP/1.1\r\n", b"X-A: b\r\n")
    assert said.startswith(b"HTTP/1.1 408") and seconds < SECONDS + 3


def test_a_body_that_nobody_waits_for_does_not_keep_the_connection(small: Gateway) -> None:
    """The body of a request that was answered at once may not drip on for ever."""
    head = b"POST /nothing-here HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    with connect(small) as connection:
        said, seconds = drip(connection, head, b"a")
    assert said.startswith(b"HTTP/1.1 404") and seconds < SECONDS + 3


def test_a_body_that_drips_has_a_deadline(small: Gateway) -> None:
    """A client that never ends its body is told so at the deadline, however regularly it sends."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    with connect(small) as connection:
        said, seconds = drip(connection, head, b" ")
    assert said.startswith(b"HTTP/1.1 408") and b'"too-slow"' in said and seconds < SECONDS + 5


def test_a_late_body_leaves_the_connection_as_idle_as_any_other(small: Gateway) -> None:
    """Once the rest of a request that was answered early has come, the connection is kept like after any request."""
    with connect(small) as connection:
        connection.sendall(b"POST /nothing-here HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        time.sleep(0.3)
        assert connection.recv(4096).startswith(b"HTTP/1.1 404")
        connection.sendall(b"late")
        time.sleep(SECONDS + 0.7)
        assert ask(connection).startswith(b"HTTP/1.1 200")
        assert connection.recv(10) == b""


def test_answers_that_nobody_reads_do_not_keep_the_connection(small: Gateway) -> None:
    """A client that asks and asks and never reads is cut off."""
    with socket.socket() as connection:
        # A small window and long answers: what the kernel holds for a client is full soon, on a slow machine too.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        connection.connect(("127.0.0.1", small.client.base_url.port or 80))
        start = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - start < 60:
                try:
                    connection.sendall(
                        b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-Padding: %s\r\n\r\n" % (b"x" * 8000) * 40
                    )
                except TimeoutError:
                    continue


def test_requests_that_wait_for_their_turn_are_bounded(small: Gateway) -> None:
    """A client that sends thousands of requests at once is cut off with 400, before they fill the memory."""
    with connect(small) as connection, suppress(ConnectionError):
        connection.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
        said = b""
        while chunk := connection.recv(65536):
            said += chunk
        assert b"HTTP/1.1 400" in said and said.count(b"HTTP/1.1 200") < 1000


def test_a_head_that_is_too_large_is_refused(small: Gateway) -> None:
    """Headers without end are cut off by their size, however fast they come."""
    with connect(small) as connection:
        connection.sendall(b"GET /version HTTP/1.1\r\nX-Long: " + b"x" * 100_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431")


def test_a_connection_too_many_is_told_so_and_the_places_come_back(small: Gateway) -> None:
    """Beyond the bound a request is answered 503 at once; when slow clients are cut off there is room again."""
    held = [connect(small) for _ in range(6)]
    time.sleep(0.3)
    with connect(small) as more:
        start = time.monotonic()
        said = ask(more)
        assert said.startswith(b"HTTP/1.1 503") and b'"busy"' in said and time.monotonic() - start < 1
    time.sleep(SECONDS + 0.5)
    with connect(small) as later:
        assert ask(later).startswith(b"HTTP/1.1 200")
    for connection in held:
        connection.close()


@pytest.mark.parametrize("name", ["PORT", "KEEP_ALIVE_SECONDS", "HEADER_SECONDS", "CONNECTIONS"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "1e3", "²", "9" * 5000])
def test_a_setting_that_is_no_number_is_refused(name: str, value: str) -> None:
    """A setting out of its range is an error that names it."""
    with pytest.raises(SettingsError, match=f"^{name} must be a whole number"):
        Settings.read({name: value})


def test_a_wrong_setting_ends_the_gateway_with_one_line(tmp_path: Path) -> None:
    """The process ends with a sentence instead of a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "cd4ml.serving"],
        env=clean_environment(PYTHONPATH=str(ROOT), PORT="http"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    said = json.loads(done.stderr)
    assert (said["level"], said["message"]) == ("error", "PORT must be a whole number from 1 to 65535, not 'http'")


def _as_first_process() -> tuple[str, ...]:
    """Return the words that run a program as process 1, as in a container; skip where that is not allowed."""
    prefix = ("unshare", "--fork", "--pid", "--kill-child")
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("this machine does not let us make a process 1")
    return prefix


@pytest.mark.parametrize("first", [False, True], ids=["any-process", "process-1"])
def test_sigterm_ends_a_gateway_that_is_loading(tmp_path: Path, first: bool) -> None:
    """The platform can stop a gateway whose model takes its time to load, also where nothing ends by default."""
    model = _model(tmp_path, "import time\n        time.sleep(60)\n        return [0.0]")
    with running(model, tmp_path, prefix=_as_first_process() if first else ()) as gateway:
        gateway.until(503)
        start, process = time.monotonic(), gateway.process.pid
        if first:
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            process = int(children[0])
        os.kill(process, signal.SIGTERM)
        assert gateway.process.wait(timeout=20) == 0
        assert time.monotonic() - start < 5
