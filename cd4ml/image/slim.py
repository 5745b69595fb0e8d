"""Runs where the environment of the image is made, and takes out of it what a gateway never loads: folders of tests.

The argument is a folder of installed packages. A `tests` folder stays if any module outside such folders imports it or
from it, or names it in a text like `package.tests.data`. The lists of files that the packages brought along name what
is there. Standard library only.
"""

from __future__ import annotations

import ast
import csv
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator

_NAME = "tests"
# What stands in for a module that this Python cannot read: another may.
_IMPORTED = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(\.*(?:\w+\.)*tests)\b", re.M)
# Where a module may name them, among the many that have the word in a sentence.
_LIKELY = re.compile(rb"\.tests\b|(?:import|[,(\\])\s*tests\b|^\s*tests\s*(?:[,)#]|as\b|$)", re.M)
_DOTTED = re.compile(r"\.*\w+(?:\.\w+)*")


def test_folders(packages: str) -> list[str]:
    """Return the folders of tests below a package, none of which is in another."""
    found = []
    for folder, folders, _ in os.walk(packages):
        if _NAME in folders and folder != packages:
            found.append(os.path.join(folder, _NAME))
        folders[:] = [name for name in folders if name != _NAME]
    return found


def sources(packages: str) -> Iterator[str]:
    """Yield the modules that are in no folder of tests."""
    for folder, folders, files in os.walk(packages):
        folders[:] = [name for name in folders if name != _NAME]
        yield from (os.path.join(folder, name) for name in files if name.endswith(".py"))


def needed(packages: str) -> set[str]:
    """Return the folders of tests from which a module outside of them imports."""
    found: set[str] = set()
    for path in sources(packages):
        with open(path, "rb") as source:
            text = source.read()
        for name in named(text) if _LIKELY.search(text) else ():
            parts = name.lstrip(".").split(".")
            above = os.path.dirname(path) if name.startswith(".") else packages
            for _ in range(len(name) - len(name.lstrip(".")) - 1):
                above = os.path.dirname(above)
            found.update(os.path.join(above, *parts[:at], _NAME) for at, part in enumerate(parts) if part == _NAME)
    return found


def named(source: bytes) -> Iterator[str]:
    """Yield the modules that a module may import, each by its whole name: `package.tests.data`, `.tests`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        yield from (name.decode() for name in _IMPORTED.findall(source))
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (f"{node.module}." if node.module else "")
            yield from (module + alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            # For importlib; of an f-string the part after the package's name is one too.
            if _DOTTED.fullmatch(node.value):
                yield node.value


def correct(packages: str) -> None:
    """Take what is not there out of the packages' lists of files."""
    for name in os.listdir(packages):
        record = os.path.join(packages, name, "RECORD")
        if not name.endswith(".dist-info") or not os.path.isfile(record):
            continue
        with open(record, encoding="utf-8", newline="") as source:
            rows = list(csv.reader(source))
        kept = [row for row in rows if row and os.path.lexists(os.path.join(packages, row[0]))]
        if kept != rows:
            with open(record, "w", encoding="utf-8", newline="") as target:
                csv.writer(target, lineterminator="\n").writerows(kept)


def slim(packages: str) -> None:
    """Remove the folders of tests that nobody needs."""
    kept = needed(packages)
    for folder in test_folders(packages):
        if folder not in kept:
            shutil.rmtree(folder)
    correct(packages)


if __name__ == "__main__":
    slim(sys.argv[1])
