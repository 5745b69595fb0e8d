"""Events as JSON lines, written by several processes, rotated, and whole whatever happens."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cd4ml.serving.events.sinks.files import Lines
from cd4ml.serving.events.sinks.sink import Unavailable
from cd4ml.serving.settings import SettingsError
from tests.conftest import ROOT, clean_environment
from tests.serving.events.exchanges import events, exchange, files, read

_WRITER = """
import asyncio, sys
from pathlib import Path
from cd4ml.serving.events.sinks.files import Lines
from tests.serving.events.exchanges import events, exchange
path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
async def run():
    sink = Lines(path, size=20_000, files=1000)
    for number in range(first, first + count):
        await sink.send(list(events().of(exchange(number, rows=2))))
asyncio.run(run())
"""


def writer(path: Path, first: int, count: int) -> subprocess.Popen[bytes]:
    """Start a process that writes events."""
    arguments = [sys.executable, "-c", _WRITER, str(path), str(first), str(count)]
    return subprocess.Popen(arguments, env=clean_environment(PYTHONPATH=str(ROOT)))


def lines(count: int) -> list[bytes]:
    """Return events of requests of one row."""
    return [line for number in range(count) for line in events().of(exchange(number))]


def test_several_processes__nothing_is_lost_or_mixed(tmp_path: Path) -> None:
    """Four workers that write and rotate one file lose no event, and every line is whole."""
    path = tmp_path / "events.jsonl"
    processes = [writer(path, first, 100) for first in range(0, 400, 100)]
    assert [process.wait(60) for process in processes] == [0] * 4

    found = {event["id"] for event in read(files(path))}
    assert len(found) == len(files(path)) == 800
    assert len(list(tmp_path.glob("events.jsonl*"))) > 5
    assert all(one.stat().st_size <= 20_000 for one in tmp_path.glob("events.jsonl*"))


def test_number_of_files__is_bounded(tmp_path: Path) -> None:
    """Old files are forgotten: never more than so many, none larger than its size."""

    async def run() -> None:
        sink = Lines(tmp_path / "events.jsonl", size=1000, files=3)
        for _ in range(20):
            await sink.send(lines(3))
        assert sink.counts == {"delivered": 60}

    asyncio.run(run())
    assert sorted(one.name for one in tmp_path.glob("events*")) == [
        *("events.jsonl", "events.jsonl.1", "events.jsonl.2"),
    ]
    assert all(one.stat().st_size <= 1000 for one in tmp_path.glob("events*"))


def test_one_file__is_begun_anew(tmp_path: Path) -> None:
    """With one file only the newest events are kept."""
    sink = Lines(tmp_path / "events.jsonl", size=1000, files=1)
    asyncio.run(sink.send(lines(30)))

    assert [one.name for one in tmp_path.glob("events*")] == ["events.jsonl"]
    assert read(files(tmp_path / "events.jsonl"))[-1]["request_id"] == "request-29"


def test_killed_in_the_middle__the_next_line_is_whole(tmp_path: Path) -> None:
    """Half a line that a killed process left does not spoil the one after it."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(1)[0] + b'\n{"id": "half')
    asyncio.run(Lines(path, size=10**6, files=2).send(lines(2)))

    first, half, *rest = files(path)
    assert half == b'{"id": "half' and len(read([first, *rest])) == 3


def test_full_disk__nothing_half_is_left(tmp_path: Path) -> None:
    """Where the disk ends in the middle of events, none of them is there, and all are to be tried again."""
    path = tmp_path / "events.jsonl"
    sink = Lines(path, size=10**6, files=2)
    asyncio.run(sink.send(lines(2)))
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 100, limits[1]))
    try:
        with pytest.raises(Unavailable) as error:
            asyncio.run(sink.send(lines(5)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert len(error.value.left) == 5 and path.read_bytes() == before
    asyncio.run(sink.send(error.value.left))
    assert len(read(files(path))) == 7 and sink.counts == {"delivered": 7}


def test_worker_that_is_stopped__others_do_not_wait_in_the_event_loop(tmp_path: Path) -> None:
    """A process that is stopped while it writes holds up a thread of the others, and never their requests."""
    path = tmp_path / "events.jsonl"
    other = writer(path, 0, 10**6)
    while not path.exists() or path.stat().st_size < 1000:
        time.sleep(0.01)

    async def run() -> None:
        sink = Lines(path, size=10**6, files=2)
        os.kill(other.pid, signal.SIGSTOP)
        sending = asyncio.create_task(sink.send(lines(1)))
        began = time.monotonic()
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert time.monotonic() - began < 2
        os.kill(other.pid, signal.SIGCONT)
        await sending

    try:
        asyncio.run(run())
    finally:
        other.kill()
        other.wait(20)


def test_file_that_cannot_be_written__is_refused_at_the_start(tmp_path: Path) -> None:
    """A path that leads nowhere is said before the gateway serves."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="EVENTS: .* cannot be written"):
        Lines(tmp_path / "file" / "events.jsonl", size=1000, files=2)


def test_file__only_its_owner_reads_it(tmp_path: Path) -> None:
    """Events hold what people sent: nobody else may read them."""
    asyncio.run(Lines(tmp_path / "events.jsonl", size=1000, files=2).send(lines(1)))

    assert (tmp_path / "events.jsonl").stat().st_mode & 0o077 == 0
