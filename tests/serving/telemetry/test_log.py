"""The log: lines of JSON that nobody waits for and nobody can forge."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cd4ml.serving.exchange import Exchange
from cd4ml.serving.telemetry import log
from cd4ml.serving.telemetry.lines import LONGEST, Lines
from tests.serving.telemetry.exchanges import answered, refused

EVIL = 'x"}\n{"level":"error"}\r\x1b[2J\x9b\u2028::error::'


def written(path: Path, exchanges: list[Exchange], *, level: str = "info", share: float = 1.0) -> list[dict[str, Any]]:
    """Return the lines that exchanges have in the log."""
    with path.open("wb") as file:
        lines = Lines(file.fileno())
        lines.start()
        observer = log.RequestLog(lines, level=level, share=share, model_sha256="a" * 64)
        for exchange in exchanges:
            observer.finished(exchange)
        lines.close()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_request__one_line_without_values(tmp_path: Path) -> None:
    """A request has one line, with the documented fields in their order, and nothing that was sent or answered."""
    fetched, plain = (answered({"city": ["Oslo-4711"]}, ["denied-0815"], [0.123456]) for _ in range(2))
    fetched.fetching = 0.000125
    line, other = written(tmp_path / "log", [fetched, plain])

    assert list(line) == [name for name in log.FIELDS if name in line]
    assert line["features_seconds"] == 0.000125 and other.keys() == line.keys() - {"features_seconds"}
    assert line["level"] == "info" and line["rows"] == 1 and line["model"] == "a" * 64
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert not re.search("Oslo|0815|123456", json.dumps(line))


def test_request__cannot_be_forged(tmp_path: Path) -> None:
    """Whatever the texts of an exchange hold, a request has one line, and it is what it was told."""
    exchange = refused(422, EVIL)
    exchange.request_id = EVIL

    (line,) = written(tmp_path / "log", [exchange])

    assert line["request_id"] == line["error"] == EVIL
    assert b"\x1b" not in (tmp_path / "log").read_bytes()


def test_level_and_sample__failures_stay(tmp_path: Path) -> None:
    """Sampling takes lines of answered requests alone, a level those below it."""
    several = [answered({"age": [1]}, [1]), refused(422, "no-rows"), refused(503, "busy"), refused(500, "model-failed")]

    sampled = written(tmp_path / "sampled", several, share=0.0)
    warnings = written(tmp_path / "warnings", several, level="warning")

    assert [line["status"] for line in sampled] == [422, 503, 500]
    assert [line["level"] for line in warnings] == ["warning", "error"]


def test_record__one_bounded_line() -> None:
    """What a library logs is one line of ASCII without control characters, its traceback in it, however long it is."""
    try:
        raise ValueError(EVIL * 1000)
    except ValueError:
        record = logging.LogRecord("model", logging.ERROR, "", 0, "%s", (EVIL * 1000,), sys.exc_info())

    line = log.line_of(record)

    assert line.count(b"\n") == 1 and line.isascii() and len(line) <= LONGEST
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", line)
    assert json.loads(line)["level"] == "error"


def test_raised__where_but_not_what() -> None:
    """A failure of the model's code is told by its types and places; its texts, which may hold values, by request."""
    try:
        try:
            float("Oslo-4711")
        except ValueError as error:
            raise RuntimeError("for Oslo-4711") from error
    except RuntimeError:
        record = logging.LogRecord("model", logging.ERROR, "", 0, "failed", None, sys.exc_info())

    told, everything = log.line_of(record), log.line_of(record, texts=True)

    assert b"4711" not in told and b"RuntimeError at test_log.py" in told and b"after ValueError at" in told
    assert b"for Oslo-4711" in everything


def test_reader_stopped__nobody_waits() -> None:
    """While nobody reads the log, requests go on, the queue stays within its bound, and what is dropped is counted."""
    read, write = os.pipe()
    lines = Lines(write, most=50_000)
    lines.start()
    observer = log.RequestLog(lines, level="info", share=1, model_sha256="a" * 64)

    began = time.monotonic()
    for _ in range(5000):
        observer.finished(answered({"age": [1]}, [1]))
    lines.close(0.2)
    took = time.monotonic() - began

    assert took < 5
    assert lines.dropped > 4000
    os.close(read)
    threads = [thread for thread in threading.enumerate() if thread.name == "lines"]
    for thread in threads:
        thread.join(5)
    os.close(write)
    assert not any(thread.is_alive() for thread in threads)


def test_descriptor_closed__counted(tmp_path: Path) -> None:
    """Lines that cannot be written are counted as dropped."""
    with (tmp_path / "closed").open("wb") as file:
        descriptor = file.fileno()
    lines = Lines(descriptor)
    lines.start()
    lines.put(b"{}\n")
    lines.close()

    assert (lines.written, lines.dropped) == (0, 1)


def test_logging__sent_to_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's logging goes to the lines: the gateway's from the level on, of libraries what is at least a warning."""
    root, own = logging.getLogger(), logging.getLogger("cd4ml")
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    levels = root.level, own.level
    with (tmp_path / "log").open("wb") as file:
        lines = Lines(file.fileno())
        lines.start()
        log.log_to(lines, level="info")
        logging.getLogger("cd4ml.serving").info("ready: %s", "model")
        logging.getLogger("library").info("hidden")
        logging.getLogger("library").warning("shown")
        lines.close()
    root.setLevel(levels[0])
    own.setLevel(levels[1])
    logging.captureWarnings(False)

    said = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["logger"], line["message"]) for line in said] == [
        ("cd4ml.serving", "ready: model"),
        ("library", "shown"),
    ]
    assert all(set(line) <= set(log.FIELDS) for line in said)
