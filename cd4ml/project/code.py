"""The project's own code: which paths hold it, and which tools it is checked with."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cd4ml.code_tools import TOOLS, settings
from cd4ml.errors import OptionsError
from cd4ml.project.findings import Code
from cd4ml.project.python import Module, called, is_test
from cd4ml.project.tree import Tree

_FORMATTER, _RUFF, _RUFF_FORMAT, _TESTS = "black", "ruff", "ruff-format", "pytest"
_MOST_PATHS: Final = 12
# Paths stand in lists that a platform also writes with commas, and a tool takes what begins with a dash for an option.
_PLAIN: Final = re.compile(r"[\w.@+][\w.@+ -]*")
_MENTIONED: Final = re.compile(r"(?<![\w./-])(black|flake8|ruff|mypy|pytest)(?![\w./-]*\.py\b)(?![\w])")
_RUFF_FORMATS: Final = re.compile(r"ruff[ -]format|\[tool\.ruff\.format\]")
_SAYING: Final = (
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "noxfile.py",
    "Makefile",
    "makefile",
    ".pre-commit-config.yaml",
)
_LISTED: Final = re.compile(
    r"(?:.*/)?(?:(?:dev|test|lint)[\w-]*-?)?requirements[\w.-]*\.(?:txt|in)|requirements/[\w.-]+"
)
_WORKFLOWS: Final = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_SCHEMAS: Final = ("DataFrameModel", "SchemaModel")


def find(tree: Tree, modules: Sequence[Module]) -> Code | None:
    """Return the project's code; None if it has none but notebooks."""
    python = tree.ending(".py")
    if not python:
        return None
    tests = [module.name for module in modules if _is_collected(module.name) and _has_tests(module)]
    return Code(paths=_paths(python), tools=_tools(tree, tests))


def schemas(modules: Sequence[Module]) -> tuple[str, ...]:
    """Return the pandera schemas of the project, as validate-data is told of them."""
    found = []
    for module in modules:
        if is_test(module.name) or not module.name.endswith(".py"):
            continue
        dotted = module.name.removesuffix(".py").removeprefix("src/").replace("/", ".").removesuffix(".__init__")
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and any(called(base).endswith(_SCHEMAS) for base in node.bases):
                found.append(f"{dotted}:{node.name}")
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                name = node.targets[0]
                if called(node.value.func).endswith("DataFrameSchema") and isinstance(name, ast.Name):
                    found.append(f"{dotted}:{name.id}")
    return tuple(name for name in found if name.isprintable())


def _paths(python: Sequence[str]) -> tuple[str, ...]:
    """Return the entries of the project's folder that hold Python, or the folder itself."""
    tops = sorted({name.partition("/")[0] for name in python})
    plain = all(_PLAIN.fullmatch(top) for top in tops)
    return tuple(tops) if plain and len(tops) <= _MOST_PATHS else (".",)


def _tools(tree: Tree, tests: Sequence[str]) -> dict[str, str]:
    """Return the tools that the project configures, requires or runs, each with the file that says so."""
    said = _mentions(tree)
    found: dict[str, str] = {}
    configured = _configured(tree.root)
    for tool in TOOLS:
        name = _RUFF if tool == _RUFF_FORMAT else tool
        place = configured.get(name) or said.get(name)
        if tool == _RUFF_FORMAT:
            place = said.get(_RUFF_FORMAT) or (place if _FORMATTER not in {*said, *configured} and place else None)
        if tool == _TESTS:
            place = f"{tests[0]} and {len(tests) - 1} more" if len(tests) > 1 else tests[0] if tests else None
        if place:
            found[tool] = place
    if not {*found} - {_TESTS}:  # whose default rules find mistakes and no matters of taste
        found = {_RUFF: "", **found}
    return found


def _configured(root: Path) -> dict[str, str]:
    """Return the tools that the project configures."""
    try:
        found = settings.read(root)
    except OptionsError:  # check-code says what is wrong with it
        return {}
    said = {name: getattr(found, name) for name in ("black", "flake8", "mypy", "ruff")}
    return {name: "its configuration" for name, configures in said.items() if configures}


def _mentions(tree: Tree) -> dict[str, str]:
    """Return the tools that requirements, hooks and workflows name, each with the first file that does."""
    names = [name for name in tree.names if name in _SAYING or _LISTED.fullmatch(name) or _WORKFLOWS.fullmatch(name)]
    found: dict[str, str] = {}
    for name in names:
        text = "\n".join(line.partition("#")[0] for line in tree.text(name).splitlines())
        for tool in _MENTIONED.findall(text):
            found.setdefault(tool, name)
        if _RUFF_FORMATS.search(text):
            found.setdefault(_RUFF_FORMAT, name)
    return found


def _has_tests(module: Module) -> bool:
    """Whether a module defines a test."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name.lower().startswith("test") for node in ast.walk(module.tree))


def _is_collected(name: str) -> bool:
    """Whether pytest looks for tests in a file of that name."""
    last = name.rpartition("/")[2]
    return last.startswith("test_") or last.endswith("_test.py")
