"""What a name stands for is declared in one place: elsewhere it is no literal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.stages import STAGES
from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Where metrics are declared: those of performance, and the rates of groups, of which one has the same name.
DECLARATIONS = {"metrics/performance/catalogue.py", "metrics/fairness/rates.py"}
# Where stages are declared, and where rooms that may not ask them say whose reports or lock file they read.
GRAPH = "stages/__init__.py"
READERS = {
    "evidence/reports.py",
    "retraining/window.py",
    "code_tools/interpreter.py",
    "render/model_card/structure.py",
}


def literals(path: Path) -> Iterator[str]:
    """Yield the texts of a module, but for docstrings and the examples that the help of an option shows."""
    tree = ast.parse(path.read_text())
    shown = {
        id(word.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "example"
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in shown:
            yield node.value


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_metrics__named_where_they_are_declared(path: Path) -> None:
    """No module but the declaration itself names a metric: a new one is its function and its row."""
    if path.relative_to(PACKAGE).as_posix() in DECLARATIONS:
        return

    assert {*literals(path)} & {*METRICS} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_stages__named_where_they_are_declared(path: Path) -> None:
    """A stage is named in the graph and in its own folder, once; whoever reads its reports has a constant."""
    name = path.relative_to(PACKAGE).as_posix()
    if name == GRAPH:
        return
    found = [text for text in literals(path) if text in STAGES]
    own = path.parent.name.replace("_", "-")

    assert len(found) == len({*found})
    assert name in READERS or {*found} <= {own}


@pytest.mark.parametrize("stage", STAGES)
def test_stages__named_once_in_their_own_folder(stage: str) -> None:
    """The modules of a stage share one constant with its name."""
    modules = sorted((PACKAGE / "stages" / stage.replace("-", "_")).rglob("*.py"))

    assert [text for path in modules for text in literals(path)].count(stage) <= 1
