"""Checks are made in one room, by functions that are named after what they check."""

from __future__ import annotations

import ast

from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
MAKERS = sorted((PACKAGE / "checks").rglob("*.py"))
STAGES = sorted((PACKAGE / "stages").rglob("*.py"))
RETURNED = {"Check", "Check | None", *(f"{kind}[Check]" for kind in ("list", "Iterator", "Iterable", "Sequence"))}


def test_makers__named_after_what_they_check() -> None:
    """A function of `checks` that returns a check is called `<what>_check`, and one that returns several `_checks`."""
    wrong = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in MAKERS
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.returns is not None
        for returned in (ast.unparse(node.returns),)
        if returned in RETURNED and not node.name.endswith("_checks" if "[" in returned else "_check")
    ]

    assert wrong == []


def test_stages__make_no_checks() -> None:
    """No stage makes a check itself: it hands numbers and limits to `checks`, which decide without files."""
    made = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in STAGES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Check"
    ]

    assert made == []
