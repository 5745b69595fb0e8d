"""Waiting for the tools: what is said meanwhile, and that waiting is no work."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from cd4ml.code_tools.tool import Output
from cd4ml.context import Context
from cd4ml.stages.check_code import run as stage

OUTPUT = Output(code=0, stdout="", stderr="")


def slept(seconds: float) -> Output:
    """Take a while, as a tool does."""
    time.sleep(seconds)
    return OUTPUT


def waited(folder: Path, **seconds: float) -> tuple[list[str], float]:
    """Wait for tools that take some seconds each; return what was said, and the CPU time of waiting."""
    said: list[str] = []
    with ThreadPoolExecutor() as pool:
        futures: dict[str, Future[Output]] = {name: pool.submit(slept, taken) for name, taken in seconds.items()}
        before = time.thread_time()
        stage._wait(futures, Context(directory=folder, progress=said.append))
        spent = time.thread_time() - before
        assert all(future.done() for future in futures.values())
    return said, spent


def test_waiting__costs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After the first tool has ended, cd4ml sleeps until the next one does, and says once which are left."""
    monkeypatch.setattr(stage, "_SECONDS_OF_SILENCE", 0.1)

    said, spent = waited(tmp_path, black=0.0, mypy=0.4, pytest=0.8)

    assert said == ["Still running: mypy, pytest", "Still running: pytest"]
    assert spent < 0.1


def test_waiting__nothing_is_said_of_quick_tools(tmp_path: Path) -> None:
    """Tools that end within seconds are not listed one after the other."""
    assert waited(tmp_path, black=0.0, flake8=0.05, pytest=0.1)[0] == []
