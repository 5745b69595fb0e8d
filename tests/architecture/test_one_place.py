"""What a name stands for is declared in one place: elsewhere it is no literal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cd4ml.metrics.performance.catalogue import METRICS
from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
MODULES = sorted(PACKAGE.rglob("*.py"))
# Where metrics are declared: those of performance, and the rates of groups, of which one has the same name.
DECLARATIONS = {"metrics/performance/catalogue.py", "metrics/fairness/rates.py"}


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
