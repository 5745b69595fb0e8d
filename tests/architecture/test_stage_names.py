"""The name of a stage is written where the stage is declared; elsewhere a constant stands for it, once in a room."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from cd4ml.stages import STAGES
from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
GRAPH = PACKAGE / "stages" / "__init__.py"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != GRAPH)


def names(source: str) -> tuple[list[str], list[str]]:
    """Return the names of stages that a source gives to its constants, and those that it writes anywhere else."""
    tree = ast.parse(source)
    values = {id(node.value) for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)}
    written = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in STAGES]
    constants = [str(node.value) for node in written if id(node) in values]
    return constants, [str(node.value) for node in written if id(node) not in values]


def room(path: Path) -> str:
    """Return the room of a module: a folder of the package, and in `stages` the stage's own."""
    parts = path.relative_to(PACKAGE).parts
    return "/".join(parts[: 2 if parts[0] == "stages" else 1])


def test_stage_name__is_a_constant() -> None:
    """No module writes the name of a stage into its code."""
    written = {str(path.relative_to(PACKAGE)): names(path.read_text())[1] for path in MODULES}

    assert {path: found for path, found in written.items() if found} == {}


def test_stage_name__once_in_a_room() -> None:
    """A room has at most one constant for a stage, and a stage's own folder names no other stage."""
    found = Counter((room(path), name) for path in MODULES for name in names(path.read_text())[0])

    assert {place: count for place, count in found.items() if count > 1} == {}
    own = {(place, name) for place, name in found if place.startswith("stages/")}
    assert own == {(f"stages/{name.replace('-', '_')}", name) for name in STAGES}


def test_literal__is_found() -> None:
    """A name in a condition or in a tuple is found; a constant of the module is none of these."""
    assert names('A = "check-code"\nB = ("build-image", 1)\nif x == "score-model":\n    pass\n') == (
        ["check-code"],
        ["build-image", "score-model"],
    )
