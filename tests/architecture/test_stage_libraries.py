"""A stage's environment holds every library that its modules import when they are loaded."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from cd4ml.stages import STAGES
from tests.conftest import ROOT

_LOAD = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*(module.__file__ for name, module in list(sys.modules.items()) if name.split(".")[0] == "cd4ml"), sep="\\n")
"""


def plain(name: str) -> str:
    """Return a distribution's name as locks compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: str) -> set[str]:
    """Return what a module imports when it is loaded."""
    found: set[str] = set()
    with open(path, encoding="utf-8") as source:
        for node in ast.parse(source.read()).body:
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stage_imports_what_its_locks_hold(stage: str) -> None:
    """Where the stage runs, nothing else is installed: one import too many and it cannot even begin."""
    module = f"cd4ml.stages.{stage.replace('-', '_')}.run"
    run = subprocess.run([sys.executable, "-c", _LOAD, module], capture_output=True, text=True, check=True, cwd=ROOT)
    names = {name for path in run.stdout.splitlines() for name in imported(path)} - set(sys.stdlib_module_names)
    locks = [ROOT / "requirements" / f"{name}.txt" for name in ("core", *STAGES[stage].requirements)]
    held = {plain(name) for lock in locks for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock.read_text(), re.M)}
    owners = packages_distributions()

    assert "cd4ml" in names  # or nothing was looked at
    missing = {name for name in names - {"cd4ml"} if not {plain(one) for one in owners.get(name, [name])} & held}
    assert missing == set()
