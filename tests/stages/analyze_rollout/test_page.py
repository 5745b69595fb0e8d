"""The page's example works as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT, Run
from tests.events import CANARY, STABLE, events, write

PAGE = ROOT / "docs" / "stages" / "analyze-rollout.md"


def test_page__commands_pass(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Every command of the page ends with 0 where the canary is as good as the stable version."""
    write(tmp_path / "events.jsonl", events(STABLE, CANARY, rows=20_000))
    commands = re.findall(r"^\$ cd4ml (.*)$", PAGE.read_text(), re.M)

    assert commands
    for command in commands:
        run = cd4ml(*shlex.split(command, comments=True))
        assert run.code == 0, run.stdout
