"""One place starts programs, so that none outlives the run or its time limit."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
RUNNER = "process/programs.py"
# It becomes the model's program, in a sandbox that it makes and watches: no library starts one like that.
LAUNCHER = "scoring/sandbox/launcher.py"
STARTS = {
    *("system", "popen", "fork", "forkpty", "startfile", "posix_spawn", "posix_spawnp"),
    *(f"{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
STARTING_MODULES = {"subprocess", "multiprocessing", "pty", "asyncio.subprocess"}


def starts(path: Path) -> set[str]:
    """Return by what a module may start a program: modules that it imports, functions of `os`, pools of processes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & STARTING_MODULES
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            found |= {str(node.module)} & STARTING_MODULES
            found |= names & (STARTS if node.module == "os" else {"ProcessPoolExecutor"})
        elif isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in STARTS
            found |= {node.attr} if own or node.attr.startswith("create_subprocess_") else set()
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_programs__are_started_in_one_place(path: Path) -> None:
    """Nothing but the one runner starts a program, and the launcher of the sandbox, which becomes it."""
    allowed = {RUNNER: {"subprocess"}, LAUNCHER: {"fork", "execve"}}

    assert starts(path) == allowed.get(path.relative_to(PACKAGE).as_posix(), set())


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "from subprocess import run",
        "import os\nos.system('x')",
        "from os import popen",
        "import os\nos.execve('x', [], {})",
        "from concurrent.futures import ProcessPoolExecutor",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
    ],
)
def test_starts__every_way_is_seen(tmp_path: Path, code: str) -> None:
    """The test above sees each way in which Python starts programs."""
    path = tmp_path / "module.py"
    path.write_text(code)

    assert starts(path)
