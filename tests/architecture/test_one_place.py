"""What a name stands for is declared in one place: elsewhere it is no literal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from cd4ml.metrics.performance.catalogue import METRICS
from cd4ml.stages import STAGES
from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
# Where metrics are declared: those of performance, and the rates of groups, of which one has the same name.
DECLARATIONS = {"metrics/performance/catalogue.py", "metrics/fairness/rates.py"}
# Where stages are declared, and where rooms that may not ask them say whose reports or lock file they read.
GRAPH = "stages/__init__.py"
READERS = {
    "evidence/reports.py",
    "retraining/window.py",
    "code_tools/interpreter.py",
    "render/model_card/structure.py",
    "retraining/validated.py",
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


@cache
def every_literal() -> dict[str, list[str]]:
    """Return the texts of all modules."""
    return {path.relative_to(PACKAGE).as_posix(): [*literals(path)] for path in sorted(PACKAGE.rglob("*.py"))}


def test_metrics__named_where_they_are_declared() -> None:
    """No module but the declaration itself names a metric: a new one is its function and its row."""
    used = {name: found & {*METRICS} for name, texts in every_literal().items() if (found := {*texts}) & {*METRICS}}

    assert {*used} == DECLARATIONS, used


def test_stages__named_where_they_are_declared() -> None:
    """A stage is named in the graph and in its own folder, once; whoever reads its reports has a constant."""
    for name, texts in every_literal().items():
        found = [text for text in texts if text in STAGES and name != GRAPH]
        own = Path(name).parent.name.replace("_", "-")

        assert len(found) == len({*found}), name
        assert name in READERS or {*found} <= {own}, name


@pytest.mark.parametrize("stage", STAGES)
def test_stages__named_once_in_their_own_folder(stage: str) -> None:
    """The modules of a stage share one constant with its name."""
    own = f"stages/{stage.replace('-', '_')}/"

    assert [text for name, texts in every_literal().items() if name.startswith(own) for text in texts].count(stage) <= 1
