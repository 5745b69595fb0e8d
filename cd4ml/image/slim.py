"""Runs where the environment of the image is made, and takes out of it what a gateway never loads: folders of tests.

The argument is a folder of installed packages. A `tests` folder stays if any module outside such folders imports from
it. The lists of files that the packages brought along name what is there. Standard library only.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
from collections.abc import Iterator

_NAME = "tests"
_IMPORTED = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(\.*)((?:\w+\.)*)tests\b", re.M)


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
    found = set()
    for path in sources(packages):
        with open(path, "rb") as source:
            for dots, names in _IMPORTED.findall(source.read()):
                above = packages
                if dots:
                    above = os.path.dirname(path)
                    for _ in dots[1:]:
                        above = os.path.dirname(above)
                found.add(os.path.join(above, *names.decode().split(".")[:-1], _NAME))
    return found


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
