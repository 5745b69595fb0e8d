"""The page of `cd4ml monitor` says what runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cd4ml.cli import main
from cd4ml.worker import exposition
from cd4ml.observe.exposition import Family
from tests.commands.test_monitor import last_hour
from tests.conftest import ROOT
from tests.worker.stream import append, events, rows, write_profile

PAGE = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")


def test_example__runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration and the first command of the page judge an hour of events."""
    monkeypatch.chdir(tmp_path)
    configuration, command = re.search(r"```yaml\n(.*?)```", PAGE, re.S), re.search(r"\$ cd4ml (.*?)  +#", PAGE)
    assert configuration and command
    write_profile(tmp_path)
    Path("cd4ml.yaml").write_text(configuration[1])
    append(Path("events.jsonl"), events(rows(900, seed=2), last_hour()))

    assert main(shlex.split(command[1])) == 0


def test_metrics__all_named() -> None:
    """The table names every metric, and no other one."""
    shown = {one.name for one in vars(exposition).values() if isinstance(one, Family)}
    told = set()
    for cell in re.findall(r"^\| (`cd4ml_monitor.*?) \|", PAGE, re.M):
        names = [name.partition("{")[0] for name in re.findall(r"`(.*?)`", cell)]
        told |= {name.replace("…", "cd4ml_monitor_feature") for name in names}

    assert told == shown
