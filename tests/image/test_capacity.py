"""What the running image needs is measured under its largest requests, and decided on."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from cd4ml.checks.image.capacity import latency_check, memory_check
from cd4ml.errors import OptionsError
from cd4ml.image import probe
from cd4ml.image.capacity import LARGEST_BYTES, LARGEST_ROWS, Load, bytes_of, largest_request, requests_of
from cd4ml.process.linux import below
from cd4ml.report import Status
from cd4ml.stages.build_image.options import Options
from tests.conftest import ROOT, need_program

MIB = 1024 * 1024
UNANSWERED = Load(status=503, rows=1000, peak_bytes=MIB, single_status=None, latencies=())
SINGLE_UNANSWERED = Load(status=200, rows=1000, peak_bytes=MIB, single_status=503, latencies=(0.001,))
GOOD = Load(status=200, rows=1000, peak_bytes=300 * MIB, single_status=200, latencies=(0.001, 0.002, 0.004))


@pytest.mark.parametrize(
    ("load", "limit", "status", "reason"),
    [
        (GOOD, 300 * MIB, Status.PASSED, None),
        (GOOD, 300 * MIB - 1, Status.FAILED, "too-much-memory"),
        (
            Load(status=503, rows=1000, peak_bytes=MIB, single_status=None, latencies=()),
            300 * MIB,
            Status.FAILED,
            "not-answered",
        ),
        (
            Load(status=0, rows=1000, peak_bytes=0, single_status=None, latencies=()),
            300 * MIB,
            Status.FAILED,
            "not-answered",
        ),
        (
            Load(status=200, rows=1000, peak_bytes=0, single_status=200, latencies=()),
            300 * MIB,
            Status.INCONCLUSIVE,
            "not-measured",
        ),
    ],
)
def test_memory_beyond_the_limit_blocks(load: Load, limit: int, status: Status, reason: str | None) -> None:
    """The peak may reach the limit and not exceed it; a gateway that fails, or cannot be measured, never passes."""
    check = memory_check(load, limit=limit)
    assert (check.status, check.reason) == (status, reason)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512Mi", 512 * MIB), ("1Gi", 1024 * MIB), ("1.5Gi", 1536 * MIB), ("800M", 800_000_000), ("1024", 1024)],
)
def test_quantities_are_those_of_kubernetes(text: str, size: int) -> None:
    """Powers of 1024 and of 1000 are told apart."""
    assert bytes_of(text, "pod-memory") == size


@pytest.mark.parametrize("text", ["", "0", "0Gi", "1GB", "-1Gi", "1 Gi", "Gi", "1e3", "0.1", "١Gi", "9" * 40])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    """Other units, signs, zero and fractions of a byte are refused, and the message shows the form."""
    with pytest.raises(OptionsError, match="such as 512Mi"):
        bytes_of(text, "pod-memory")


def test_the_limit_is_the_charts_own() -> None:
    """Whoever changes neither the chart's memory nor the option gates on what the pods get."""
    values = yaml.safe_load((ROOT / "charts/model-server/values.yaml").read_text(encoding="utf-8"))
    default = next(item.default for item in Options.__dataclass_fields__.values() if item.name == "pod_memory")
    assert default == values["resources"]["limits"]["memory"]


def test_the_largest_request_is_bounded_by_rows_and_by_bytes() -> None:
    """Short rows fill it up to the number of rows, long ones up to the bytes; the longest row is taken."""
    short = largest_request([{"a": 1}, {"a": 100}])
    assert len(short) == LARGEST_ROWS and short[0] == {"a": 100}
    long = largest_request([{"a": "x" * 10_000}])
    assert 100 <= len(long) < LARGEST_ROWS
    for rows in (short, long):
        assert len(json.dumps({"rows": rows}).encode()) <= LARGEST_BYTES
    assert len(largest_request([{"a": "x" * 2 * LARGEST_BYTES}])) == 1


def test_the_memory_of_what_a_model_starts_counts(tmp_path: Path) -> None:
    """Workers of another name count with the gateway that started them, also those that have ended meanwhile."""
    package = tmp_path / "cd4ml" / "serving"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    worker = "data = bytearray(200_000_000); print('held', flush=True); input()"
    gateway = (
        "import subprocess, sys\n"
        f"worker = subprocess.Popen([sys.executable, '-c', {worker!r}], stdin=subprocess.PIPE)\n"
        "input()\nworker.communicate(b'\\n')\nprint('ended', flush=True)\ninput()\n"
    )
    (package / "__main__.py").write_text(gateway, encoding="utf-8")
    command = [sys.executable, "-m", "cd4ml.serving"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        own = below(process.pid)
        assert own and set(own) <= {int(folder.name) for folder in probe.gateway()}
        watch = probe.Watch()
        watch.start()
        time.sleep(0.5)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ended\n"
        assert probe.resident_bytes([Path(f"/proc/{process.pid}")], "VmHWM") < 100_000_000
        assert watch.end() > 200_000_000
        process.communicate(b"\n")


def test_the_gateway_of_another_image_is_not_measured() -> None:
    """Where an engine shows the processes of the whole machine, those with another root are not this image's.

    Neither is what such a gateway has started, nor what only sounds like one.
    """
    folders = [item for name in ("/usr", "/bin", "/lib", "/lib64") for item in ("--ro-bind-try", name, name)]
    script = "exec sh -c 'sleep 600 & echo $$ $!; read line; kill $!' cd4ml.serving"
    # A shell gives what it starts in the background /dev/null to read.
    command = [need_program("bwrap"), *folders, "--dev", "/dev", "sh", "-c", script]
    router = [sys.executable, "-c", "input()", "cd4ml.serving.router"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        subprocess.Popen(router, stdin=subprocess.PIPE) as other,
    ):
        assert process.stdout is not None
        gateway, started = (Path(f"/proc/{int(number)}") for number in process.stdout.readline().split())
        assert b"cd4ml.serving" in (gateway / "cmdline").read_bytes().split(b"\0") and started.exists()
        assert {gateway, started, Path(f"/proc/{other.pid}")}.isdisjoint(probe.gateway())
        other.communicate(b"\n")
        process.communicate(b"\n")


class _Slow(BaseHTTPRequestHandler):
    """A gateway whose first answer takes long, and whose tenth is an error if that is wanted."""

    protocol_version = "HTTP/1.1"
    wanted = 200
    seen = itertools.count()

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        number = next(_Slow.seen)
        time.sleep(0.3 if number == 0 else 0)
        self.send_response(_Slow.wanted if number == 9 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("wanted", [200, 503])
def test_requests_at_a_rate__are_sent_when_due(wanted: int) -> None:
    """A slow answer holds no later request up, each is counted from when it was due, and an error is told."""
    _Slow.wanted, _Slow.seen = wanted, itertools.count()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status, latencies = probe.at_rate(server.server_address[1], b"{}", 60, 200)
        server.shutdown()
    assert status == wanted
    if wanted == 200:
        assert len(latencies) == 60 and max(latencies) > 0.29 and sorted(latencies)[30] < 0.2


@pytest.mark.parametrize(
    ("load", "limit", "status", "reason"),
    [
        (GOOD, 4.0, Status.PASSED, None),
        (GOOD, 3.9, Status.FAILED, "too-slow"),
        (None, 1000.0, Status.FAILED, "not-answered"),
        (UNANSWERED, 1000.0, Status.FAILED, "not-answered"),
        (SINGLE_UNANSWERED, 1000.0, Status.FAILED, "not-answered"),
        (replace(GOOD, latencies=()), 1000.0, Status.FAILED, "not-answered"),
    ],
)
def test_latency_beyond_the_limit_blocks(load: Load | None, limit: float, status: Status, reason: str | None) -> None:
    """The 99th percentile may reach the limit and not exceed it; what was not measured never passes."""
    check = latency_check(load, limit=limit)
    assert (check.status, check.reason) == (status, reason)


def test_each_kind_of_request_is_told_of_by_itself() -> None:
    """Unanswered requests of one row say nothing against the memory; unanswered large ones are named as the cause."""
    assert memory_check(SINGLE_UNANSWERED, limit=MIB).status is Status.PASSED
    assert "503 to a request of one row" in latency_check(SINGLE_UNANSWERED, limit=1).message
    assert "503 to the largest requests" in latency_check(UNANSWERED, limit=1).message
    assert "503 under the largest requests" in memory_check(UNANSWERED, limit=MIB).message


class _Choosy(BaseHTTPRequestHandler):
    """A gateway that answers several rows, and refuses a single one, or the reverse."""

    protocol_version = "HTTP/1.1"
    refused = 1

    def do_POST(self) -> None:
        """Answer."""
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"]
        self.send_response(503 if len(rows) == _Choosy.refused else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("refused", "statuses"), [(1, (200, 503)), (2, (503, None)), (0, (200, 200))])
def test_load__has_two_statuses(refused: int, statuses: tuple[int, int | None]) -> None:
    """The probe keeps apart what came of the largest requests and of single rows, which follow only good ones."""
    _Choosy.refused = refused
    with ThreadingHTTPServer(("127.0.0.1", 0), _Choosy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = Load(**probe.load(server.server_address[1], [{"a": 1}] * 2, 2, 20, 500))
        server.shutdown()
    assert (found.status, found.single_status) == statuses


def test_a_limit_takes_enough_requests() -> None:
    """Where the latency is held to a limit, the percentile rests on at least 500 requests, and on seconds of them."""
    assert requests_of(50, limited=False) == 100
    assert (requests_of(50, limited=True), requests_of(1000, limited=True)) == (500, 5000)


def test_the_peak_stays_though_the_memory_is_given_back(tmp_path: Path) -> None:
    """A process that once held 200 MB counts with them, a process of another program does not count at all."""
    package = tmp_path / "cd4ml" / "serving"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package.parent / "__init__.py").touch()
    held = "import sys\ndata = bytearray(200_000_000)\ndel data\nprint('ready', flush=True)\nsys.stdin.read()\n"
    (package / "__main__.py").write_text(held, encoding="utf-8")
    start = f"import subprocess; subprocess.run([{sys.executable!r}, '-m', 'cd4ml.serving'], cwd={str(tmp_path)!r})"
    with subprocess.Popen([sys.executable, "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        seen = probe.gateway()
        assert process.pid not in {int(folder.name) for folder in seen} and seen
        own = [folder for folder in seen if int(folder.name) in below(process.pid)]
        assert 200_000_000 < probe.resident_bytes(own, "VmHWM") < 400_000_000
        process.stdin.close()


def test_latencies_are_counted_as_quantiles() -> None:
    """Half of the requests took at most the median, and nearly all at most the 99th percentile."""
    load = Load(status=200, rows=1, peak_bytes=1, single_status=200, latencies=[number / 100 for number in range(100)])
    assert (load.quantile(0.5), load.quantile(0.99), load.quantile(1.0)) == (0.5, 0.99, 0.99)
    assert Load(status=503, rows=1, peak_bytes=1, single_status=200, latencies=()).quantile(0.5) is None
