"""The commands beside the stages: each is one line of COMMANDS and a module."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cd4ml.cli import main
from cd4ml.commands import COMMANDS, load
from cd4ml.stages import STAGES
from tests.conftest import ROOT


@pytest.mark.parametrize("name", COMMANDS)
def test_command__runs(name: str) -> None:
    """Every command that is listed has a module that runs it, and its name is not that of a stage."""
    assert callable(load(name).run)
    assert name not in STAGES


def test_help__names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names every stage and every other command with its sentence."""
    assert main(["--help"]) == 0

    shown = capsys.readouterr().out
    summaries = {name: info.summary for name, info in STAGES.items()} | {
        name: command.summary for name, command in COMMANDS.items()
    }
    for name, summary in summaries.items():
        assert any(line.split(None, 1) == [name, summary] for line in shown.splitlines()), name


def test_help__imports_no_command() -> None:
    """The help is there without importing what a command or a stage does."""
    code = "import sys; from cd4ml.cli import main; main(['--help']); print(' '.join(sys.modules), file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name for name in ran.stderr.split() if name.startswith(("cd4ml.commands.", "cd4ml.render", "cd4ml.data"))}

    assert loaded == {"cd4ml.commands.door"}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run"], ["audit-fairness", "--json"]])
def test_windows__is_refused(arguments: list[str]) -> None:
    """On Windows every command ends at once with exit code 2 and one line that says what to do instead."""
    code = f"import os, cd4ml.cli; os.name = 'nt'; raise SystemExit(cd4ml.cli.main({arguments!r}))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (2, "") and len(ran.stderr.splitlines()) == 1
    assert "On Windows use WSL" in ran.stderr
