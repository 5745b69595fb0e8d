"""The column that the model predicts: what the code, a model's signature or a column's name says of it."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cd4ml.errors import OptionsError
from cd4ml.project.findings import Finding
from cd4ml.project.python import Module, argument, is_test
from cd4ml.project.tree import Tree
from cd4ml.project.words import words
from cd4ml.yaml_text import texts

_NAMES: Final = frozenset({"y", "target", "targets", "label", "labels", "y_true", "y_train", "y_test", "outcome"})
_CONSTANT: Final = re.compile(r"(?i)(?:.*_)?(?:target|label)(?:_?(?:col|column|name|feature|variable))?")
_CERTAIN, _STRONG, _WEAK = 8, 4, 1
_BY_NAME: Final = ("target", "label", "y", "y_true", "class", "outcome", "response")
_ALSO_BY_NAME: Final = frozenset(
    "approved approve churn churned exited default defaulted fraud survived attrition converted diagnosis".split()
)
_SETTINGS: Final = ("params.yaml", "config.yaml", "config.yml", "conf/config.yaml", "configs/config.yaml")

Evidence = tuple[str, int, str]


def find(tree: Tree, modules: Sequence[Module], columns: Sequence[str]) -> tuple[Finding[str] | None, tuple[str, ...]]:
    """Return the target among the columns, and if none is certain, those that it may be."""
    weights: dict[str, int] = defaultdict(int)
    reasons: dict[str, str] = {}
    known = {*columns}
    for column, weight, why in (*_in_code(modules), *_in_settings(tree)):
        if column in known:
            weights[column] += weight
            reasons.setdefault(column, why)
    ranked = sorted(weights, key=lambda column: -weights[column])
    if ranked and weights[ranked[0]] >= _STRONG and (len(ranked) == 1 or weights[ranked[0]] >= 2 * weights[ranked[1]]):
        return Finding(value=ranked[0], why=reasons[ranked[0]]), ()
    by_signature = _beyond_signature(tree, columns)
    if by_signature:
        return by_signature, ()
    named = _named(columns)
    if not ranked and len(named) == 1:
        return Finding(value=named[0], why="its name says so; no code that names it was found"), ()
    return None, tuple(dict.fromkeys([*ranked[:5], *named[:5]]))


def _in_code(modules: Sequence[Module]) -> Iterator[Evidence]:
    """Yield the columns that code takes as the target, each with a weight and the place."""
    for module in modules:
        if is_test(module.name):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Assign):
                yield from _assigned(node, module)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                yield from _named_constant(node.target, node.value, module)
            elif isinstance(node, ast.Call):
                yield from _keywords(node, module)
                yield from _dropped(node, module)


def _assigned(node: ast.Assign, module: Module) -> Iterator[Evidence]:
    """Yield what `y = frame["approved"]` and `TARGET = "approved"` say."""
    for target in node.targets:
        name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
        if name.lower() in _NAMES:
            for column in _columns(node.value, module):
                yield column, _STRONG, f"{module.place(node)} takes it as `{name}`"
        yield from _named_constant(target, node.value, module)
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):  # X, y = frame[…], frame["approved"]
            for one, value in zip(target.elts, node.value.elts, strict=False):
                if isinstance(one, ast.Name) and one.id.lower() in _NAMES:
                    for column in _columns(value, module):
                        yield column, _STRONG, f"{module.place(node)} takes it as `{one.id}`"


def _named_constant(target: ast.expr, value: ast.expr, module: Module) -> Iterator[Evidence]:
    """Yield what a constant says whose name speaks of the target."""
    name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else ""
    if _CONSTANT.fullmatch(name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value, _CERTAIN, f"{module.place(value)} sets `{name}`"


def _keywords(call: ast.Call, module: Module) -> Iterator[Evidence]:
    """Yield what `fit(…, target="approved")` says."""
    for keyword in call.keywords:
        text = module.text(keyword.value) if keyword.arg and _CONSTANT.fullmatch(keyword.arg) else None
        if text:
            yield text, _STRONG, f"{module.place(call)} passes it as `{keyword.arg}`"


def _dropped(call: ast.Call, module: Module) -> Iterator[Evidence]:
    """Yield the columns that are taken off the features; identifiers are as well, so several weigh less."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in ("drop", "pop")):
        return
    given = argument(call, 0, "columns", "labels", "item")
    items = given.elts if isinstance(given, ast.List | ast.Tuple) else [given] if given is not None else []
    names = [text for text in map(module.text, items) if text]
    for name in names:
        yield name, 3 if len(names) == 1 else _WEAK, f"{module.place(call)} takes it off the features"


def _columns(node: ast.expr, module: Module) -> Iterator[str]:
    """Yield the columns that an expression takes from a table: `frame["a"]`, `frame.a`, `frame.pop("a")`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Subscript):
            keys = part.slice.elts if isinstance(part.slice, ast.List) else [part.slice]
            yield from (text for text in map(module.text, keys) if text and len(keys) == 1)
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "pop":
            text = module.text(argument(part, 0, "item"))
            if text:
                yield text


def _in_settings(tree: Tree) -> Iterator[Evidence]:
    """Yield what the project's own YAML calls the target."""
    for name in tree.at_top(*_SETTINGS):
        try:
            yield from _named_values(texts(tree.text(name), Path(name)), name, 6)
        except OptionsError:
            continue


def _named_values(written: Any, name: str, deep: int) -> Iterator[Evidence]:
    """Yield the values of keys that speak of the target."""
    for key, value in written.items() if isinstance(written, dict) and deep else ():
        if isinstance(value, str) and _CONSTANT.fullmatch(str(key)):
            yield value, _CERTAIN, f"{name} sets `{key}`"
        yield from _named_values(value, name, deep - 1)


def _beyond_signature(tree: Tree, columns: Sequence[str]) -> Finding[str] | None:
    """Return the one column that a model's signature does not take."""
    for name in tree.names:
        if name.rpartition("/")[2] != "MLmodel":
            continue
        try:
            inputs = json.loads(texts(tree.text(name), Path(name))["signature"]["inputs"])
            taken = {str(column["name"]) for column in inputs}
        except (OptionsError, ValueError, KeyError, TypeError, RecursionError):
            continue
        left = [column for column in columns if column not in taken]
        if len(left) == 1 and taken <= {*columns}:
            return Finding(value=left[0], why=f"the model of {name} takes every other column")
    return None


def _named(columns: Sequence[str]) -> list[str]:
    """Return the columns that are called as targets are, the plainest name first."""
    plain = [column for name in _BY_NAME for column in columns if column.lower() == name]
    return plain[:1] or [column for column in columns if _ALSO_BY_NAME & {*words(column)}]
