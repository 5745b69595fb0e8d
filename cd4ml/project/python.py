"""The project's Python as syntax trees, notebooks too: it is read and never imported."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cd4ml.project.tree import Tree

_MOST_MODULES: Final = 1_000
_MOST_BYTES: Final = 20_000_000
_DEEPEST: Final = 20
_LONGEST_TEXT: Final = 4_096
_ENVIRONMENT: Final = ("getenv", "environ.get", "env.get", "config")


@dataclass(frozen=True, kw_only=True)
class Module:
    """A Python file or notebook.

    Attributes:
        texts: names that stand for a text, its own before the constants of other modules.
    """

    name: str
    tree: ast.Module
    texts: Mapping[str, str] = field(default_factory=dict)

    def place(self, node: ast.AST) -> str:
        """Return where something stands, for people."""
        return f"{self.name}:{getattr(node, 'lineno', 0)}" if self.name.endswith(".py") else self.name

    def text(self, node: ast.AST | None) -> str | None:
        """Return the text that an expression stands for, as far as that can be told without running it."""
        return _text(node, self.texts, _DEEPEST)

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Yield every call with the name of what is called, `pd.read_csv`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield called(node.func), node


def modules(tree: Tree, told: list[str] | None = None) -> list[Module]:
    """Return the modules and notebooks that can be parsed; tests last, so that they decide least.

    Args:
        told: takes what was not looked at.
    """
    names = sorted(tree.ending(".py", ".ipynb"), key=lambda name: (is_test(name), name.endswith(".ipynb"), name))[
        :_MOST_MODULES
    ]
    parsed = [(name, found) for name, source in _sources(tree, names, told) if (found := _parsed(source)) is not None]
    own = {name: _assigned(found) for name, found in parsed}
    everywhere: dict[str, str] = {}
    for name, _ in reversed(parsed):
        everywhere |= {word: text for word, text in own[name].items() if word.isupper()}
    return [Module(name=name, tree=found, texts={**everywhere, **own[name]}) for name, found in parsed]


def is_test(name: str) -> bool:
    """Whether a file belongs to the tests."""
    *folders, last = name.split("/")
    return bool({"test", "tests"} & {*folders}) or last.startswith("test_") or last in ("conftest.py",)


def called(node: ast.expr) -> str:
    """Return the dotted name of what is called, as far as it is one."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts += [node.id] if isinstance(node, ast.Name) else []
    return ".".join(reversed(parts))


def argument(call: ast.Call, position: int | None, *names: str) -> ast.expr | None:
    """Return an argument of a call, by its name or its place."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    plain = [value for value in call.args if not isinstance(value, ast.Starred)]
    return plain[position] if position is not None and position < len(plain) else None


def _sources(tree: Tree, names: Sequence[str], told: list[str] | None) -> Iterator[tuple[str, str]]:
    """Yield names with their Python until it is more than anybody writes; then say where that was."""
    left = _MOST_BYTES
    for name in names:
        source = _source(tree, name)
        left -= len(source.encode("utf-8", "replace"))
        if left < 0:
            if told is not None:
                told.append(f"No Python was read from {name} on: there are more than {_MOST_BYTES // 10**6} MB of it.")
            return
        yield name, source


def _source(tree: Tree, name: str) -> str:
    """Return the Python of a file; of a notebook that of its code cells, without the shell's lines."""
    text = tree.text(name)
    if name.endswith(".py"):
        return text
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    # A cell that is not Python must not take the others with it.
    lines = ["\n".join(line for line in source.splitlines() if line.lstrip()[:1] not in "%!") for source in sources]
    return "\n".join(cell for cell in lines if _parsed(cell) is not None)


def _parsed(source: str) -> ast.Module | None:
    """Return the syntax tree of a source, None if it is not Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on escapes in texts, which are not ours
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _assigned(tree: ast.Module) -> dict[str, str]:
    """Return the names that a module gives a text, by assignment, as a default or as a keyword."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        for name, value in _names(node):
            text = _text(value, found, _DEEPEST)
            if text is not None:
                found.setdefault(name, text)
    return found


def _names(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a node gives a value."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name | ast.Attribute):
                yield (target.id if isinstance(target, ast.Name) else target.attr), node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value
    elif isinstance(node, ast.FunctionDef):
        plain = [*node.args.posonlyargs, *node.args.args]
        for parameter, default in zip(reversed(plain), reversed(node.args.defaults), strict=False):
            yield parameter.arg, default
        for parameter, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if value is not None:
                yield parameter.arg, value


def _text(node: ast.AST | None, known: Mapping[str, str], deep: int) -> str | None:
    """Return the text that an expression stands for, None if it is longer than any path or name."""
    text = _put_together(node, known, deep)
    return text if text is not None and len(text) <= _LONGEST_TEXT else None


def _put_together(node: ast.AST | None, known: Mapping[str, str], deep: int) -> str | None:
    """Return the text that an expression stands for, however long; its parts are bounded."""
    if node is None or deep == 0:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name | ast.Attribute):
        return known.get(node.id if isinstance(node, ast.Name) else node.attr)
    if isinstance(node, ast.JoinedStr):
        parts = [
            _text(part.value if isinstance(part, ast.FormattedValue) else part, known, deep - 1) for part in node.values
        ]
        return _joined("", parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
        left, right = (_text(side, known, deep - 1) for side in (node.left, node.right))
        if left is None or right is None:
            return None
        return left + right if isinstance(node.op, ast.Add) else f"{left.rstrip('/')}/{right}"
    if isinstance(node, ast.Call):
        return _of_call(node, known, deep - 1)
    return None


def _of_call(node: ast.Call, known: Mapping[str, str], deep: int) -> str | None:
    """Return the text of a path that is put together, or of a variable's default."""
    name = called(node.func)
    if name.endswith(_ENVIRONMENT):
        return _text(node.args[1], known, deep) if len(node.args) > 1 else None
    if name.rpartition(".")[2] in ("Path", "join", "str", "PurePath"):
        parts = [_text(part, known, deep) for part in node.args]
        return _joined("/", parts) if parts else None
    return None


def _joined(between: str, parts: Sequence[str | None]) -> str | None:
    """Return parts as one text, None if one is unknown or together they are too long to be looked at."""
    known = [part for part in parts if part is not None]
    return between.join(known) if len(known) == len(parts) and sum(map(len, known)) <= _LONGEST_TEXT else None
