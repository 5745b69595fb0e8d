"""Ids of findings: those of the lines that they are about, wherever these stand."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.code_tools.findings import identified
from cd4ml.report import Check, Location, Status
from tests.conftest import Run

# An import that is not used, twice; a name that nobody knows, twice on a line; and white space.
MODULE = '''"""A module."""

import os
import os
import sys


def double(x: int) -> int:
    """Double."""
    return "x" + nobody + nobody

y = {'a':1}
'''
TEST = '''"""Tests."""

import pytest


@pytest.fixture
def broken() -> object:
    """Fail afterwards."""
    yield 1
    raise ValueError("torn")


def test_twice(broken: object) -> None:
    """Fails, and its tear-down too."""
    assert broken == 2
'''
RUFF = "[lint]\nselect = ['F', 'E']\n"


def line_id(rule: str, path: str, line: str) -> str:
    """Return the id of a finding, made as the page on reports says."""
    return f"{rule}:{path}:{hashlib.sha256(line.strip().encode()).hexdigest()[:10]}"


def findings(run: Run) -> dict[str, tuple[str, int]]:
    """Return message and line of each finding by its id."""
    found = [check for check in run.report["checks"] if "location" in check]
    assert len({check["id"] for check in found}) == len(found)
    return {check["id"]: (check["message"], check["location"]["line"]) for check in found}


def test_line_inserted_above__changes_no_id(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """Findings of every tool keep their ids when lines above them come; the same finding twice has two ids."""
    module, test = tmp_path / "module.py", tmp_path / "test_module.py"
    module.write_text(MODULE)
    test.write_text(TEST)
    (tmp_path / "ruff.toml").write_text(RUFF)
    arguments = ("check-code", "--tools", "black,flake8,ruff,mypy,pytest", "--python", sys.executable)
    before = findings(cd4ml(*arguments))
    module.write_text(f"# A comment.\n# Another one.\n{MODULE}")
    test.write_text(f"# A comment.\n{TEST}")

    after = findings(cd4ml(*arguments))

    assert set(before) == set(after)
    moved = {id: after[id][1] - line for id, (_, line) in before.items() if not id.startswith("black:")}
    assert {by for id, by in moved.items() if "test_module" not in id} == {2}
    imported = line_id("flake8/F401", "module.py", "import os")
    assert {imported, line_id("flake8/F811", "module.py", "import os"), "black:module.py"} < set(before)
    wrong = 'return "x" + nobody + nobody'
    unknown = line_id("flake8/F821", "module.py", wrong)
    assert {unknown, f"{unknown}:2"} < set(before)
    assert line_id("mypy/name-defined", "module.py", wrong) in before
    assert {"pytest:test_module.test_twice", "pytest:test_module.test_twice:2"} < set(before)
    assert line_id("ruff/F401", "module.py", "import sys") in before


def finding(rule: str, path: str, line: int | None, column: int = 1) -> Check:
    """Return a finding as a tool reads it."""
    place = Location(path=path, line=line, column=column)
    return Check(id=rule, status=Status.FAILED, message="Found.", location=place)


def test_equal_ones__numbered_from_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two equal findings is the second follows from their places, not from the order of the tool's output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")

    found = identified([finding("t/E1", "a.py", 2), finding("t/E1", "a.py", 1, 5), finding("t/E1", "a.py", 1, 2)])

    first = line_id("t/E1", "a.py", "x = 1")
    assert [check.id for check in found] == [f"{first}:3", f"{first}:2", first]


@pytest.mark.parametrize("line", [None, 1, 9])
def test_no_such_line__has_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: int | None) -> None:
    """A finding without a line, beyond the end or in a file that is gone has an id as well, of rule and file."""
    monkeypatch.chdir(tmp_path)

    assert [check.id for check in identified([finding("t/E1", "gone.py", line)])] == [line_id("t/E1", "gone.py", "")]


@pytest.mark.parametrize(
    ("text", "number", "line"),
    [
        ("a\r\nb\r\n", 2, "b"),
        ("a\rb\r", 2, "b"),
        ("a\x0cb\nc\n", 2, "c"),
        ("a\u2028b\nc\n", 2, "c"),
        ("\ufeffa\nb", 2, "b"),
    ],
)
def test_lines__as_the_tools_count_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, number: int, line: str
) -> None:
    """Any end of a line ends one; a form feed and Unicode's separators do not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_bytes(text.encode())

    assert [check.id for check in identified([finding("t/E1", "a.py", number)])] == [line_id("t/E1", "a.py", line)]


def test_awkward_files__cannot_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with a colon in its name, or one called like an id, is told from every other one."""
    monkeypatch.chdir(tmp_path)
    empty = line_id("t/E1", "a.py", "").partition("a.py:")[2]
    names = ["a.py", f"a.py:{empty}", f"a.py:{empty}:2", "a.py%3A2", "a.py@b", "a.py%40b"]

    found = identified([finding("t/E1", name, 1) for name in [*names, "a.py"]])

    assert len({check.id for check in found}) == len(names) + 1
