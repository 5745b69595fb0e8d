"""Containers that are one process: asked by its standard input, and gone with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cd4ml.errors import UnavailableError
from cd4ml.image.builders import attended
from cd4ml.image.builders.attended import attendant, executed, log_of, started, stopped
from cd4ml.image.builders.builder import Container

GATEWAY = "import sys, time; print('listening', flush=True); time.sleep(60)"


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    """A container whose gateway does nothing, on this machine's own Python."""
    monkeypatch.setattr(attended, "PYTHON", sys.executable)
    monkeypatch.setattr(attended, "ENTRYPOINT", (sys.executable, "-c", GATEWAY))
    found = started(attendant(), {}, id="x")
    yield found
    stopped(found)


def test_programs_are_answered_one_after_the_other(container: Container) -> None:
    """A program gets its input and its output comes back, whatever lines are in them; the gateway writes to the log."""
    program = "import sys; print(sys.stdin.read().upper(), end='')"
    assert executed(container, program, "one\ntwo", seconds=20) == "ONE\nTWO"
    assert executed(container, program, "x" * 3_000_000, seconds=20) == "X" * 3_000_000
    assert log_of(container) == "listening"


@pytest.mark.parametrize(
    ("program", "said"), [("raise ValueError('no')", "ValueError: no"), ("import time; time.sleep(9)", "124")]
)
def test_a_program_that_fails_proves_nothing(container: Container, program: str, said: str) -> None:
    """A program that raises, or takes too long, is no answer."""
    with pytest.raises(UnavailableError, match=said):
        executed(container, program, "", seconds=1)


def test_a_container_that_has_ended_is_unavailable(container: Container) -> None:
    """Nobody waits for the answer of a process that is gone."""
    assert container.process is not None
    container.process.kill()
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="does not respond"):
        executed(container, "print(1)", "", seconds=60)
    assert time.monotonic() - began < 20


def test_the_gateway_ends_with_its_container(container: Container) -> None:
    """Stopping leaves neither a process nor a log."""
    pid = int(executed(container, "import os; print(os.getppid())", "", seconds=20))
    stopped(container)
    assert not Path(f"/proc/{pid}").exists()
    assert container.log is not None and not container.log.exists()
