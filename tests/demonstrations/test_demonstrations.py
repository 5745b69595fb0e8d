"""The parts of `make demo-loop`: what is told is what happened, what runs beside ends, what is called exists."""

from __future__ import annotations

import http.server
import importlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cd4ml.cli import main
from tests.conftest import ROOT

CALLED = re.compile(r'"(--[a-z-]+)"')
COMMANDS = (
    *("monitor", "detect-drift", "plan-search", "run-trial", "select-trial", "train-model", "analyze-rollout"),
    *("advance-rollout", "trace", "report", "run", "build-image"),
)


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what the programs in bin/ import."""
    monkeypatch.syspath_prepend(str(ROOT / "bin"))


def room(name: str) -> Any:
    """Return a module of the demonstrations."""
    return importlib.import_module(f"demonstrations.{name}")


def told(folder: Path) -> Any:
    """Return a timeline of two moments, one of them with a link, and of something that is missing."""
    report = folder / "reports" / "detect-drift.json"
    report.parent.mkdir()
    report.write_text("{}")
    clock = iter([100.0, 100.0, 163.4])
    timeline = room("timeline").Timeline(folder, lambda: next(clock))
    timeline.add("begun", "all is calm")
    timeline.add("drift", "<b>loanprc</b> | moved", report)
    timeline.missing.append("the cache")
    return timeline


def test_timeline__tells_all(tmp_path: Path) -> None:
    """Text, Markdown and page have every moment with its second and its link, and what is missing; text stays text."""
    page, markdown = told(tmp_path).write()

    assert (
        "| 63 s | drift | <b>loanprc</b> \\| moved | [detect-drift](reports/detect-drift.json) |"
        in markdown.read_text()
    )
    assert "Not shown here: the cache" in markdown.read_text()
    assert "&lt;b&gt;loanprc&lt;/b&gt; | moved" in page.read_text() and "<b>loanprc" not in page.read_text()
    assert 'href="reports/detect-drift.json"' in page.read_text() and "the cache" in page.read_text()


def test_timeline__links_to_nothing_that_is_missing(tmp_path: Path) -> None:
    """A report that was not written ends the demonstration instead of being linked."""
    timeline = room("timeline").Timeline(tmp_path)

    with pytest.raises(FileNotFoundError, match="not there"):
        timeline.add("drift", "found", tmp_path / "absent.json")
    assert timeline.moments == []


def test_programs__end_with_the_block(tmp_path: Path) -> None:
    """A program and what it started are gone once the block ends, also where that is by an error."""
    live = room("live")
    with pytest.raises(RuntimeError), live.Live(tmp_path / "loop", {}) as running:
        script = f"sleep 300 & echo $! > {tmp_path}/child; wait"
        running.start("server", ["sh", "-c", script], env=os.environ)
        child = live.until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip(), "child")
        raise RuntimeError

    live.until(lambda: not Path(f"/proc/{child}").exists() or "Z" in status_of(child), "the end of the child")


def status_of(process: str) -> str:
    """Return the line of a process's status that says whether it has ended."""
    try:
        return next(line for line in Path(f"/proc/{process}/status").read_text().splitlines() if "State" in line)
    except FileNotFoundError:
        return "Z"


def test_programs__an_end_is_noticed(tmp_path: Path) -> None:
    """A server that ends by itself ends the demonstration, with what it said."""
    live = room("live")
    with live.Live(tmp_path / "loop", {}) as running:
        running.start("router", ["sh", "-c", "echo no routes; exit 2"], env=os.environ)
        with pytest.raises(SystemExit, match=r"(?s)router has ended \(exit code 2\).*no routes"):
            live.until(running.check, "never")


@pytest.fixture
def router() -> Iterator[tuple[int, list[Any]]]:
    """Run a server that takes rows; yields its port and what it was sent."""
    sent: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers every request with 200, and the row `refused` with 422."""

        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            """Take a row."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent.append((self.headers["Traceparent"].split("-")[1], body["dataframe_records"][0]))
            self.send_response(422 if body["dataframe_records"][0]["x"] == 2 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port, sent
        server.shutdown()


def test_traffic__every_row_as_often(router: tuple[int, list[Any]]) -> None:
    """Every row is sent as often, a missing number as null, its label is kept by trace, and refusals count."""
    traffic, until = room("traffic"), room("live").until
    rows = [(traffic.plain({"x": x, "y": float("nan")}), x % 2) for x in range(4)]

    with traffic.Traffic(router[0], rows, 200) as sending:
        until(lambda: len(router[1]) >= 40, "requests")

    times = Counter(row["x"] for _, row in router[1])
    assert max(times.values()) - min(times.values()) <= 4 and set(times) == {0, 1, 2, 3}
    assert all(row["y"] is None and sending.labels[trace] == row["x"] % 2 for trace, row in router[1])
    assert sending.answered[422] == times[2] and set(sending.answered) == {200, 422}


def test_commands__exist(capsys: pytest.CaptureFixture[str]) -> None:
    """Every option that the demonstration gives is one of a command that it calls."""
    known = ""
    for command in COMMANDS:
        with pytest.raises(SystemExit, match="^0$"):
            raise SystemExit(main([command, "--help"]))
        known += capsys.readouterr().out
    source = (ROOT / "bin" / "demo-loop").read_text()

    given = set(CALLED.findall(source))
    assert len(given) > 15
    assert {one for one in given if not re.search(rf"{one}\b", known)} == set()
    assert all(f'"{command}"' in source for command in COMMANDS if command not in ("run", "build-image", "report"))
