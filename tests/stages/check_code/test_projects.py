"""check-code on projects as they are: their own files, their own tools, and what holds where they say nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cd4ml.code_tools.diff import changed_lines
from tests.conftest import Run
from tests.stages.check_code.test_ids import line_id

GOOD = '"""A module."""\n\n\ndef double(x: int) -> int:\n    """Double."""\n    return 2 * x\n'
UNUSED = f"import os\n\n{GOOD}"
Check = Callable[..., Run]


@pytest.fixture
def check(cd4ml: Callable[..., Run], tmp_path: Path) -> Check:
    """Write a project and check the whole of it."""

    def run(tools: str, files: Mapping[str, str], *arguments: str, git: bool = True) -> Run:
        write(tmp_path, files)
        if git:
            command(tmp_path, "init", "--quiet", "--initial-branch", "main", ".")
        wanted = ("--tools", tools) if tools else ()
        return cd4ml("check-code", *wanted, "--python", sys.executable, *arguments)

    return run


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def command(folder: Path, *arguments: str) -> None:
    """Run git."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def ids(run: Run) -> set[str]:
    """Return the ids of all checks."""
    return {item["id"] for item in run.report["checks"]}


def own(run: Run, tool: str) -> dict[str, Any]:
    """Return the check of a tool itself."""
    return next(item for item in run.report["checks"] if item["id"] == tool)


@pytest.mark.parametrize("git", [True, False], ids=["git", "no-git"])
@pytest.mark.parametrize(
    ("folder", "mark"),
    [(".venv", "pyvenv.cfg"), ("env", "pyvenv.cfg"), ("tools/python", "pyvenv.cfg"), ("conda", "conda-meta/history")],
)
def test_environment__is_not_the_projects_code(check: Check, folder: str, mark: str, git: bool) -> None:
    """An environment inside the project is read by no tool, whether or not git ignores it."""
    files = {"src/a.py": GOOD, f"{folder}/{mark}": "", f"{folder}/lib/b.py": UNUSED, f"{folder}/lib/c.py": "x=(\n"}

    run = check("black,flake8,mypy", files, git=git)

    assert (run.code, run.report["metrics"]["files"]) == (0, 1)


def test_what_git_ignores__is_not_the_projects_code(check: Check) -> None:
    """A folder and a file that git ignores are not read; what it tracks nevertheless, is."""
    files = {"src/a.py": GOOD, "generated/b.py": UNUSED, "src/local.py": UNUSED, ".gitignore": "generated/\nlocal.py\n"}

    run = check("black,flake8,ruff", files)
    assert (run.code, run.report["metrics"]["files"]) == (0, 1)

    command(Path.cwd(), "add", "--force", "generated/b.py")
    run = check("black,flake8,ruff", {})
    assert run.code == 1
    assert line_id("flake8/F401", "generated/b.py", "import os") in ids(run)


def test_only_ignored_files__refused(check: Check) -> None:
    """A path with nothing of the project below it is refused, instead of passing without a look."""
    run = check("flake8", {"build/b.py": GOOD, ".gitignore": "build/\n"})

    assert run.code == 2
    assert "git ignores" in run.report["checks"][0]["advice"]


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("flake8", f'{GOOD}\n\nEIGHTY = "{"x" * 76}"\n'),  # 87 columns
        ("flake8", f"{GOOD}\n\nPART = [1, 2, 3][double(1) :]\n"),  # E203: as black writes it
        (
            "flake8",
            f'{GOOD}\n\nSUM = (\n    double({"1" * 40})\n    + double({"2" * 40})\n    + double({"3" * 40})\n)\n',
        ),  # W503
        ("mypy", f"import sklearn\n\n{GOOD}\n\nVERSION = sklearn.__version__\n"),  # a third party without types
    ],
    ids=["88-columns", "E203", "W503", "stubs"],
)
def test_without_settings_of_its_own__tools_agree(check: Check, tool: str, text: str) -> None:
    """Where the project says nothing, flake8 does not contradict black, and mypy asks for no third party's types."""
    assert check(f"black,{tool}", {"a.py": text}).code == 0


@pytest.mark.parametrize(
    ("tool", "settings", "text", "finding"),
    [
        ("flake8", {".flake8": "[flake8]\nmax-line-length = 79\n"}, f'{GOOD}\n\nX = "{"x" * 76}"\n', "E501"),
        ("flake8", {"setup.cfg": "[flake8]\ncount = true\n"}, f"{GOOD}\n\nY = [1, 2][double(1) :]\n", "E203"),
        ("mypy", {"mypy.ini": "[mypy]\n"}, f"import sklearn\n\n{GOOD}\n\nZ = sklearn.__version__\n", "import-untyped"),
    ],
)
def test_settings_of_its_own__hold(check: Check, tool: str, settings: dict[str, str], text: str, finding: str) -> None:
    """What the project configures is what is asked for, stricter than the defaults too."""
    run = check(tool, {"a.py": text, **settings})

    assert run.code == 1
    assert any(finding in name for name in ids(run))


def test_blacks_line_length__followed_by_flake8(check: Check) -> None:
    """flake8 allows as many columns as black is told to write."""
    wide = f'{GOOD}\n\nWIDE = "{"x" * 100}"\n'

    assert check("flake8", {"a.py": wide}).code == 1
    assert check("flake8", {"pyproject.toml": "[tool.black]\nline-length = 120\n"}).code == 0


RUFF = {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}
TESTED = {"test_a.py": '"""Tests."""\n\n\ndef test_x() -> None:\n    """Passes."""\n    assert 1 + 1 == 2\n'}


def test_project_that_uses_ruff__taken_as_it_is(check: Check) -> None:
    """A project that configures ruff is checked by its formatter and its linter, without being asked to name them."""
    run = check("", {"a.py": GOOD, **TESTED, **RUFF})

    assert run.code == 0
    assert {"ruff-format", "ruff", "mypy", "pytest"} == {item["id"] for item in run.report["checks"]}


@pytest.mark.parametrize(
    ("files", "tools"),
    [
        ({}, {"black", "flake8"}),
        ({"ruff.toml": ""}, {"ruff-format", "ruff"}),
        ({**RUFF, ".flake8": "[flake8]\n"}, {"ruff-format", "flake8"}),
        ({"pyproject.toml": "[tool.ruff]\n[tool.black]\n"}, {"black", "ruff"}),
    ],
)
def test_tools_of_a_project(check: Check, files: dict[str, str], tools: set[str]) -> None:
    """The formatter and the linter are those that the project configures."""
    run = check("", {"a.py": GOOD, **TESTED, **files})

    assert ids(run) == tools | {"mypy", "pytest"}


@pytest.mark.parametrize(
    ("tool", "text", "finding"),
    [
        ("ruff", UNUSED, line_id("ruff/F401", "a.py", "import os")),
        ("ruff", "def f(:\n", line_id("ruff/invalid-syntax", "a.py", "def f(:")),
        ("ruff-format", GOOD.replace("2 * x", "2*x"), "ruff-format:a.py"),
        ("ruff-format", "def f(:\n", "ruff-format:a.py"),
    ],
)
def test_finding_of_ruff__blocks(check: Check, tool: str, text: str, finding: str) -> None:
    """A finding of ruff and an unformatted or broken file fail the stage, with file and line."""
    run = check(tool, {"a.py": text, **RUFF})

    assert (run.code, own(run, tool)["status"]) == (1, "failed")
    assert finding in ids(run)


@pytest.mark.parametrize(
    "settings",
    [
        {"ruff.toml": "lint.ignore = ['ALL']\n"},
        {"ruff.toml": "lint.select = []\n"},
        {"pyproject.toml": "[tool.ruff.lint.per-file-ignores]\n'*' = ['ALL']\n"},
        {"a.py": f"# ruff: noqa\n{UNUSED}"},
        {"ruff.toml": "extend-exclude = ['*.py']\n"},
    ],
)
@pytest.mark.parametrize("tool", ["ruff"])
def test_ruff_that_would_pass_anything__error(check: Check, settings: dict[str, str], tool: str) -> None:
    """ruff that is configured to find nothing, or to look at nothing, is an error and no pass."""
    run = check(tool, {"a.py": GOOD, **settings})

    assert (run.code, own(run, tool)["status"]) == (2, "error")


def commit_and_change(folder: Path) -> None:
    """Make a repository whose main branch has old findings, and a branch that changes one line of it."""
    write(folder, {"old.py": "import os\nx = 1\n", "test_a.py": TESTED["test_a.py"]})
    command(folder, "init", "--quiet", "--initial-branch", "main", ".")
    command(folder, "add", "--all")
    command(folder, "commit", "--quiet", "--message", "old")
    command(folder, "switch", "--quiet", "--create", "change")


@pytest.mark.parametrize("setting", ["fix = true", "fix-only = true", "unsafe-fixes = true\nfix-only = true"])
def test_ruff__never_changes_the_project(check: Check, tmp_path: Path, setting: str) -> None:
    """A configuration that lets ruff fix what it finds neither changes a file nor hides the findings."""
    run = check("ruff", {"a.py": "import os\n", "ruff.toml": f"{setting}\n"})

    assert run.code == 1
    assert (tmp_path / "a.py").read_text() == "import os\n"


def test_baseline__old_findings_do_not_block(check: Check, tmp_path: Path) -> None:
    """A finding on a line that did not change is counted and does not block; the branch's own does."""
    commit_and_change(tmp_path)
    (tmp_path / "old.py").write_text("import os\nx = 2\n")
    run = check("flake8,black,ruff", {}, "--baseline", "main", git=False)
    assert run.code == 0
    assert own(run, "unchanged-lines:flake8")["value"] == 1
    assert "found on unchanged lines do not block" in run.report["summary"]

    (tmp_path / "old.py").write_text("import os\nimport sys\nx = 2\n")
    run = check("flake8,ruff", {}, "--baseline", "main", git=False)
    assert run.code == 1
    assert {line_id(rule, "old.py", "import sys") for rule in ("flake8/F401", "ruff/F401")} < ids(run)
    assert line_id("flake8/F401", "old.py", "import os") not in ids(run)


@pytest.mark.parametrize("tool", ["black", "ruff-format"])
def test_baseline__formatting(check: Check, tmp_path: Path, tool: str) -> None:
    """A file that was not formatted blocks once its unformatted lines are among those that changed."""
    commit_and_change(tmp_path)
    old = "x = {'a':1}\n\n\n\n\n\ny = 1\n"
    (tmp_path / "wide.py").write_text(old)
    command(tmp_path, "add", "wide.py")
    command(tmp_path, "commit", "--quiet", "--message", "older")
    command(tmp_path, "branch", "--force", "main")

    (tmp_path / "wide.py").write_text(old.replace("y = 1", "y = 2"))
    assert check(tool, {}, "--baseline", "main", git=False).code == 0
    (tmp_path / "wide.py").write_text(old.replace("y = 1", "y=2"))
    assert check(tool, {}, "--baseline", "main", git=False).code == 1


def test_baseline__new_files_and_failing_tests_block(check: Check, tmp_path: Path) -> None:
    """All of a new file is new, tracked or not, and a test that fails blocks wherever it stands."""
    commit_and_change(tmp_path)
    (tmp_path / "new.py").write_text("import json\n")
    assert check("flake8", {}, "--baseline", "main", git=False).code == 1
    (tmp_path / "new.py").unlink()

    (tmp_path / "test_a.py").write_text(TESTED["test_a.py"].replace("== 2", "== 3"))
    command(tmp_path, "commit", "--quiet", "--all", "--message", "broken")
    command(tmp_path, "branch", "--force", "main")
    assert check("pytest", {}, "--baseline", "main", git=False).code == 1


@pytest.mark.parametrize("mark", ["\x0c", "\u2028", "\x85", "\x1d", "\r"])
def test_baseline__characters_that_look_like_line_ends(check: Check, tmp_path: Path, mark: str) -> None:
    """A new line is found among new ones, whatever characters those before it hold."""
    commit_and_change(tmp_path)
    with (tmp_path / "old.py").open("a", encoding="utf-8", newline="") as stream:
        stream.write(f"y = 1\n# a{f'{mark}# b' * 5}\nz=1\n")

    assert {"e225"} <= {
        one.get("reason") for one in check("flake8", {}, "--baseline", "main", git=False).report["checks"]
    }


def test_baseline__link_to_what_is_no_python_file__is_new(check: Check, tmp_path: Path) -> None:
    """A finding in a file that git does not list as code before counts, under whatever name the tool reads it."""
    commit_and_change(tmp_path)
    (tmp_path / "notes.txt").write_text("import os\n")
    (tmp_path / "new.py").symlink_to("notes.txt")

    assert check("flake8", {}, "--baseline", "main", git=False).code == 1


def test_baseline__name_that_begins_with_a_space(check: Check, tmp_path: Path) -> None:
    """A change of a file counts even if its name begins with a space and is the first that git says."""
    commit_and_change(tmp_path)
    (tmp_path / " old.py").write_text("x = 1\n")
    command(tmp_path, "add", " old.py")
    command(tmp_path, "commit", "--quiet", "--message", "older")
    command(tmp_path, "branch", "--force", "main")
    (tmp_path / " old.py").write_text("x = 1\ny=1\n")

    assert check("flake8", {}, "--baseline", "main", git=False).code == 1


@pytest.mark.parametrize("baseline", ["origin/main", "--output=x", "0" * 40])
def test_baseline__unknown__refused(check: Check, tmp_path: Path, baseline: str) -> None:
    """A branch that was not fetched is an error: without it everything would be old, or everything new."""
    commit_and_change(tmp_path)

    run = check("flake8", {}, f"--baseline={baseline}", git=False)

    assert run.code == 2
    assert "fetch-depth" in run.report["checks"][0]["advice"]
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("files", "message", "numbers"),
    [
        (
            {"a.py": GOOD, "setup.cfg": "[tool:pytest]\naddopts = --cov-fail-under=99\n", **TESTED},
            "0 of 1 test failed",
            {"failed": 0, "tests": 1, "errors": 0},
        ),
        (
            {"test_b.py": "import not_there\n", "test_c.py": "import neither\n", **TESTED},
            "2 files could not be collected and no test ran.",
            {"failed": 0, "tests": 0, "uncollected": 2},
        ),
        (
            {
                "test_b.py": "import not_there\n",
                "setup.cfg": "[tool:pytest]\naddopts = --continue-on-collection-errors\n",
                **TESTED,
            },
            "1 file could not be collected. 0 of 1 test failed.",
            {"failed": 0, "tests": 1, "uncollected": 1},
        ),
        (
            {
                "test_b.py": "import pytest\n\n\n@pytest.fixture\ndef f():\n    yield\n    raise OSError\n\n\n"
                "def test_f(f):\n    pass\n",
                **TESTED,
            },
            "1 set-up or tear-down failed. 0 of 2 tests failed.",
            {"failed": 0, "tests": 2, "errors": 1},
        ),
        (
            {"conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n", **TESTED},
            "0 of 1 test failed",
            {"failed": 0, "tests": 1},
        ),
    ],
    ids=["coverage-floor", "no-test-collected", "one-file-uncollected", "tear-down", "session-hook"],
)
def test_failure_that_is_no_tests__not_counted_as_one(
    check: Check, files: dict[str, str], message: str, numbers: dict[str, int]
) -> None:
    """A floor of coverage, files that cannot be collected, tear-downs and hooks block under their own name."""
    run = check("pytest", files)

    assert run.code == 1
    assert message in run.report["summary"]
    assert own(run, "pytest").get("value") is None
    assert numbers.items() <= run.report["metrics"]["pytest"].items()


def test_what_decides__comes_first(check: Check) -> None:
    """The tools' own checks, errors before failures, stand before a hundred findings about white space."""
    messy = "".join(f"x{number}=1\n" for number in range(100))

    run = check("black,flake8,pytest", {"a.py": messy})

    assert [item["id"] for item in run.report["checks"][:3]] == ["pytest", "black", "flake8"]
    assert run.report["summary"].startswith("No tests were collected")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("--- a\n+++ a\n@@ -2 +2 @@\n-x\n+y\n", [2], [2]),
        ("--- a\n+++ a\n@@ -2,0 +3,2 @@\n+x\n+y\n", [2], [3, 4]),
        ("--- a\n+++ a\n@@ -3,2 +2,0 @@\n-x\n-y\n", [3, 4], [2]),
        ("--- a\t1\n+++ a\t2\n@@ -1,5 +1,5 @@\n a\n-b\n c\n d\n+e\n f\n", [2, 4], [1, 4]),
        ("--- a\n+++ a\n@@ -1 +1,2 @@\n--- b\n++++ c\n+d\n", [1], [1, 2]),
    ],
)
def test_changed_lines(text: str, old: list[int], new: list[int]) -> None:
    """Replaced, added and removed lines are told on both sides, and text that looks like a head is none."""
    assert changed_lines(text, "old") == {"a": old}
    assert changed_lines(text, "new") == {"a": new}
