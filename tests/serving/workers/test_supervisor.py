"""The process that forks workers: what it does when one ends, hangs or does not end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import ROOT, clean_environment
from tests.serving.telemetry.test_gateway import eventually

PROGRAM = """
import logging, os, signal, socket, sys, time
from cd4ml.serving.telemetry.metrics.board import Board
from cd4ml.serving.workers import supervisor
logging.basicConfig(stream=sys.stdout, format="%(message)s", force=True)
sys.stdout.reconfigure(line_buffering=True)
supervisor._LOOK_SECONDS, supervisor._MOST_SILENT = 0.05, int(sys.argv[2])
board = Board(2)
one = supervisor.Supervisor(board, [socket.socket(), socket.socket()], drain=float(sys.argv[1]))
code = one.run()
if code is not None:
    print("code", code)
    sys.exit(code)
page = board.page(one.worker)
page.begin()
page.beat(ready=True)
"""
BEGUN = """
sys.stdout.write(f"begun {one.worker} {os.getpid()} {one.after or '-'}\\n")  # in one piece: workers write at once
"""
BEATING = "while True: page.beat(ready=True); time.sleep(0.02)\n"


@contextmanager
def supervised(
    work: str, *, before: str = "", drain: float = 60, silent: int = 10_000
) -> Iterator[subprocess.Popen[str]]:
    """Start a supervisor of two workers that do some work; stop it by its id.

    Args:
        before: what they do before they say that they have begun.
        drain: how many seconds they may take to end; `silent`: after how many looks one that does nothing is killed.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + before + BEGUN + work, str(drain), str(silent)],
        env=clean_environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)


def begun(process: subprocess.Popen[str], count: int) -> list[list[str]]:
    """Return the next workers that have begun: number, process, and what ended the one before."""
    assert process.stdout is not None
    found: list[list[str]] = []
    for line in process.stdout:
        if line.startswith("begun "):
            found.append(line.split()[1:])
        if len(found) == count:
            break
    return sorted(found)


def gone(process: int) -> bool:
    """Whether a process has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


def test_killed__replaced_and_told() -> None:
    """A worker that is killed is replaced under its number, the new one knows why, and the log says so."""
    with supervised(BEATING) as process:
        (_, first, _), (_, second, _) = begun(process, 2)
        os.kill(int(second), signal.SIGKILL)
        assert process.stdout is not None
        said = process.stdout.readline()
        ((number, third, after),) = begun(process, 1)
        assert (number, after) == ("1", "SIGKILL") and third not in (first, second)
        assert said == f"worker 1 (process {second}) has ended: SIGKILL\n"

        os.kill(process.pid, signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait(60) == 3 and "has ended while it drained: SIGTERM" in rest
        assert gone(int(first)) and gone(int(third))


def test_ends_in_good_order() -> None:
    """On SIGTERM all workers are told to end, and the exit code is 0 when they do."""
    with supervised(BEATING, before="signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))") as process:
        begun(process, 2)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0


def test_ends_again_and_again__given_up() -> None:
    """Workers that end as soon as they begin are not started for ever: the gateway ends with an error that says why."""
    with supervised("sys.exit(7)") as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "6 workers ended within 60 s: the gateway ends\n" in said and "has ended: exit-7\n" in said
    assert 6 <= said.count("begun") <= 8


def test_hangs__killed_and_replaced() -> None:
    """A worker whose event loop has stopped is killed and replaced; one that never was ready is left alone."""
    hangs = "if one.worker == 1 and not one.after: time.sleep(600)\nif one.worker == 0: page.begin(); time.sleep(600)\n"
    with supervised(hangs + BEATING, silent=20) as process:
        begun(process, 2)
        assert [(number, after) for number, _, after in begun(process, 1)] == [("1", "silent")]
        time.sleep(1.5)
        assert process.poll() is None


def test_does_not_drain__killed() -> None:
    """A worker that ignores SIGTERM is killed after the time of the drain, and the exit code says so."""
    with supervised(BEATING, before="signal.signal(signal.SIGTERM, signal.SIG_IGN)", drain=1) as process:
        workers = [int(one) for _, one, _ in begun(process, 2)]
        os.kill(process.pid, signal.SIGTERM)
        start = time.monotonic()
        assert process.wait(60) == 3 and time.monotonic() - start >= 0.9
        eventually(lambda: all(map(gone, workers)), seconds=60)


def test_supervisor_killed__workers_end() -> None:
    """Workers do not outlive the process that forked them."""
    with supervised(BEATING) as process:
        workers = [int(one) for _, one, _ in begun(process, 2)]
        os.kill(process.pid, signal.SIGKILL)
        eventually(lambda: all(map(gone, workers)), seconds=60)
