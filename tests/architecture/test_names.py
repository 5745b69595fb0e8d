"""Names from data reach libraries as names: no module hands them over where a pattern or an expression is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

MODULES = sorted((ROOT / "cd4ml").rglob("*.py"))
# Where polars takes texts for columns: `^b$` is a pattern there, and `*` every column.
TAKES_NAMES = {"col", "exclude", "matches", "select", "select_seq", "drop", "sort", "group_by", "unique", "drop_nulls"}
TAKES_NAMES |= {
    "get_column",
    "join",
    "bottom_k",
    "top_k",
    "sort_by",
    "over",
    "struct",
    "explode",
    "unpivot",
    "pivot",
    "partition_by",
}
NAMED = {"by", "on", "left_on", "right_on", "subset", "index", "columns"}
# Series look themselves up by their names, so they come without.
FRAMES = {"frame", "batch", "reference", "current"}
READS_EXPRESSIONS = {"query", "eval", "sql_expr"}


def handed_over(path: Path) -> Iterator[str]:
    """Yield the calls of a module that hand a text over which polars or pandas would read as more than a name."""
    source = path.read_text()
    polars = "import polars" in source
    for node in ast.walk(ast.parse(source)):
        if polars and isinstance(node, ast.Subscript) and ast.unparse(node.value) in FRAMES:
            yield ast.unparse(node)
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr in READS_EXPRESSIONS:
            yield ast.unparse(node)
        if node.func.attr == "filter" and any(word.arg in ("regex", "like") for word in node.keywords):
            yield ast.unparse(node)
        if polars and node.func.attr in TAKES_NAMES and ast.unparse(node.func.value) != "np":
            named = [word.value for word in node.keywords if word.arg in NAMED]
            given = named if node.func.attr in ("join", "bottom_k", "top_k") else [*node.args, *named]
            if not all(map(is_own, given)):
                yield ast.unparse(node)


def is_own(argument: ast.expr) -> bool:
    """Whether an argument is a literal or an expression that was built, and no variable that may hold a text."""
    if isinstance(argument, ast.Starred):
        return is_own(argument.value)
    if isinstance(argument, ast.List | ast.Tuple):
        return all(map(is_own, argument.elts))
    if isinstance(argument, ast.ListComp | ast.GeneratorExp):
        return is_own(argument.elt)
    if isinstance(argument, ast.IfExp):
        return is_own(argument.body) and is_own(argument.orelse)
    if isinstance(argument, ast.Constant):
        return not str(argument.value).startswith(("^", "*"))
    if isinstance(argument, ast.Name):
        return argument.id.isupper() or argument.id.strip("_").isupper() or argument.id.endswith("expressions")
    return isinstance(argument, ast.Call | ast.BinOp | ast.Compare | ast.UnaryOp)


def test_names_of_columns__go_through_one_door() -> None:
    """Every text that chooses a column of a polars frame is a literal, or goes through `by_name`."""
    found = {str(path.relative_to(ROOT)): [*handed_over(path)] for path in MODULES if path.name != "by_name.py"}

    assert {path: calls for path, calls in found.items() if calls} == {}
