"""One place starts programs, so that none outlives the run or its time limit."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
MODULES = sorted(PACKAGE.rglob("*.py"))
RUNNER = "process/programs.py"
# It becomes the model's program, in a sandbox that it makes and watches: no library starts one like that.
LAUNCHER = "scoring/sandbox/launcher.py"
# It runs in the container, and the other becomes buildah.
ATTENDANT, OFFLINE = "image/builders/attendant.py", "image/builders/offline.py"
# In the container the gateway makes copies of itself, and may begin again.
SUPERVISOR, SHARING = "serving/workers/supervisor.py", "serving/workers/sharing.py"
STARTS = {
    *("system", "popen", "fork", "forkpty", "startfile", "posix_spawn", "posix_spawnp"),
    *(f"{kind}{how}" for kind in ("exec", "spawn") for how in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
STARTING_MODULES = {"subprocess", "_posixsubprocess", "multiprocessing", "pty", "asyncio.subprocess"}
STARTING_NAMES = {"ProcessPoolExecutor", "create_subprocess_exec", "create_subprocess_shell"}
STARTING_NAMES |= {"subprocess_exec", "subprocess_shell"}
SYSTEM = {"os", "posix"}


def starting(modules: Iterable[str]) -> set[str]:
    """Return those of some modules that start programs, or are part of one that does."""
    return {module for module in modules if module in STARTING_MODULES or module.split(".")[0] in STARTING_MODULES}


def starts(path: Path) -> set[str]:
    """Return by what a module may start a program: modules that it imports, functions of `os`, pools of processes."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    systems = SYSTEM | {alias.asname for alias in imports if alias.name in SYSTEM and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= starting(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            found |= starting({str(node.module), *(f"{node.module}.{name}" for name in names)})
            found |= names & (STARTS if node.module in SYSTEM else STARTING_NAMES)
        elif isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in systems and node.attr in STARTS
            found |= {node.attr} if own or node.attr in STARTING_NAMES else set()
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found |= starting(str(word.value) for word in node.args if isinstance(word, ast.Constant))
    return found


def test_programs__are_started_in_one_place() -> None:
    """Nothing but the one runner starts a program, and those that become it or run elsewhere."""
    allowed = {RUNNER: {"subprocess"}, LAUNCHER: {"fork", "execve"}, ATTENDANT: {"subprocess"}, OFFLINE: {"execv"}}
    allowed |= {SUPERVISOR: {"fork"}, SHARING: {"fork", "execve"}}

    assert {path.relative_to(PACKAGE).as_posix(): found for path in MODULES if (found := starts(path))} == allowed


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
        "from asyncio import create_subprocess_exec",
        "from asyncio import subprocess",
        "import multiprocessing.pool",
        "from multiprocessing.context import Process",
        "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
        "import os as o\no.system('x')",
        "import posix\nposix.system('x')",
        "import importlib\nimportlib.import_module('subprocess')",
        "__import__('subprocess')",
    ],
)
def test_starts__every_way_is_seen(tmp_path: Path, code: str) -> None:
    """The test above sees each way in which Python starts programs."""
    path = tmp_path / "module.py"
    path.write_text(code)

    assert starts(path)
