"""A stage's environment holds every library that its modules need: when they are loaded, and once they run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

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


def file_of(module: str) -> Path:
    """Return where a module of ours would be."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def uses(module: str) -> frozenset[str]:
    """Return the modules of ours that a module imports, when it is loaded or later, or for types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(name for name in found if name.startswith("cd4ml.") and file_of(name).exists())


def reached(module: str) -> set[str]:
    """Return every module of ours that runs with a module."""
    found: set[str] = set()
    left = [module]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += uses(one)
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_stage_that_asks_a_registry_has_its_client(stage: str) -> None:
    """MLflow is imported in a process of its own: only the call of a registry tells that it is needed."""
    if "cd4ml.registry" in reached(f"cd4ml.stages.{stage.replace('-', '_')}.run"):
        assert "registry" in STAGES[stage].requirements


@pytest.mark.parametrize("stage", STAGES)
def test_stage_that_streams_tables_has_polars(stage: str) -> None:
    """Tables are read by Arrow or streamed by Polars; who streams one outside their own room needs Polars."""
    modules = reached(f"cd4ml.stages.{stage.replace('-', '_')}.run")
    outside = [name for name in modules if not name.startswith("cd4ml.data.tables")]
    texts = [file_of(name).read_text(encoding="utf-8") for name in outside]
    locks = [(ROOT / "requirements" / f"{name}.txt").read_text() for name in STAGES[stage].requirements]

    if any(re.search(r"\.lazy\(\)|\bframes\(|\bparts\(", text) for text in texts):
        assert any(re.search(r"^polars==", lock, re.M) for lock in locks)


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
