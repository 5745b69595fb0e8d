"""check-code: what the tools let through in silence, and what a project does to the run itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cd4ml.code_tools import black, flake8, mypy
from cd4ml.code_tools.tool import Output, Project, Result, bounded, verdict
from cd4ml.report import Check as ReportCheck
from cd4ml.report import Status
from tests.conftest import ROOT, Run

GOOD = '"""A module."""\n\n\ndef double(x: int) -> int:\n    """Double."""\n    return 2 * x\n'
TEST = (
    '"""Tests."""\n\nfrom package.module import double\n\n\n'
    'def test_double() -> None:\n    """Doubles."""\n    assert double(2) == 4\n'
)
FILES = {"package/__init__.py": "", "package/module.py": GOOD, "tests/test_module.py": TEST}
INI = '[tool.pytest.ini_options]\npythonpath = ["."]\n'
Check = Callable[..., Run]


@pytest.fixture
def check(cd4ml: Callable[..., Run], tmp_path: Path) -> Check:
    """Write a project with some files of its own and check it with some tools."""

    def run(tools: str, files: dict[str, str], *arguments: str, paths: str = "package,tests") -> Run:
        for name, text in {**FILES, "pyproject.toml": INI, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return cd4ml("check-code", "--paths", paths, "--tools", tools, "--python", sys.executable, *arguments)

    return run


def first(run: Run, prefix: str) -> dict[str, Any]:
    """Return the first check whose id begins so."""
    return next(item for item in run.report["checks"] if item["id"].startswith(prefix))


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("flake8", {".flake8": "[flake8]\nexclude = package,tests\n"}),
        ("black", {"pyproject.toml": "[tool.black]\nexclude = '.*'\n"}),
        ("mypy", {"pyproject.toml": "[tool.mypy]\nexclude = '.*'\n"}),
        ("pytest", {"pyproject.toml": INI + "addopts = '-k nothing_has_this_name'\n"}),
    ],
)
def test_configuration_that_leaves_nothing_to_check__error(check: Check, tool: str, files: dict[str, str]) -> None:
    """A tool whose configuration excludes everything is an error, though some end with 0."""
    run = check(tool, files)

    assert (run.code, first(run, tool)["status"]) == (2, "error")


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("flake8", {".flake8": "[flake8]\nignore = F,E,W,C\n"}),
        ("flake8", {".flake8": "[flake8]\nselect = X\n"}),
        ("flake8", {".flake8": "[flake8]\nper-file-ignores = *:F,E,W,C\n"}),
        ("flake8", {".flake8": "[flake8]\nper-file-ignores =\n  package/*:F,E,W,C\n  tests/test_module.py:F,E,W,C\n"}),
        ("flake8", {name: f"# flake8: noqa\n{text}" for name, text in FILES.items()}),
        ("mypy", {"pyproject.toml": "[tool.mypy]\nignore_errors = true\n"}),
        ("mypy", {"mypy.ini": "[mypy]\n[mypy-package.*,tests.*,test_module]\nignore_errors = true\n"}),
    ],
)
def test_configuration_that_lets_nothing_be_found__error(check: Check, tool: str, files: dict[str, str]) -> None:
    """A tool that is configured to be content with any code is an error: it says that it looked, and saw nothing."""
    run = check(tool, files)

    assert (run.code, first(run, tool)["reason"]) == (2, "finds-nothing")
    assert f"{tool} would pass any code" in run.report["summary"]


@pytest.mark.parametrize(
    "ini",
    [
        "[mypy]\nignore_errors = true\n[mypy-package.*]\nignore_errors = false\n",
        "[mypy]\nexplicit_package_bases = true\n[mypy-tests.*]\nignore_errors = true\n",
    ],
)
def test_types_that_are_checked_in_part__say_in_how_many_files(check: Check, ini: str) -> None:
    """Modules may be left out by configuration; the report says how many files mypy finds mistakes in."""
    run = check("mypy", {"mypy.ini": ini})

    assert (run.code, first(run, "mypy")["n"]) == (0, 2)


@pytest.mark.parametrize(
    "files",
    [
        {".flake8": "[flake8]\nper-file-ignores = package/*:F,E,W,C\n"},
        {"tests/test_module.py": f"{TEST}# flake8: noqa\n", "package/__init__.py": "# Flake8:NOQA\n"},
    ],
)
def test_files_that_flake8_passes_over__say_in_how_many_it_looked(check: Check, files: dict[str, str]) -> None:
    """Files may be left out by name or by a comment; the report says how many files flake8 finds mistakes in."""
    run = check("flake8", files)

    assert (run.code, first(run, "flake8")["n"]) == (0, 1)


def test_plugins_of_the_project__see_the_mistakes_too(check: Check) -> None:
    """A project that leaves everything to a plugin of its own is not content with any code: the plugin has a say."""
    plugin = (
        "import ast\n\n\nclass Plugin:\n    def __init__(self, tree):\n        self.tree = tree\n\n    def run(self):\n"
        "        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Import)]\n"
        "        yield from ((node.lineno, 0, 'XYZ1 import', None) for node in found)\n"
    )
    config = "[flake8]\nselect = XYZ\n[flake8:local-plugins]\nextension =\n  XYZ = plugin:Plugin\npaths = .\n"
    run = check("flake8", {"plugin.py": plugin, ".flake8": config})

    assert (run.code, first(run, "flake8")["n"]) == (0, 3), run.report["summary"]


FAILING = "def test_a() -> None:\n    assert 1 == 2\n\n\ndef test_b() -> None:\n    assert 1 == 3\n"
EXITS = "import pytest\n\n\ndef test_a() -> None:\n    pytest.exit('enough', returncode=0)\n"


@pytest.mark.parametrize("options", ["--setup-only", "--setup-plan"])
def test_tests_that_are_set_up_and_not_called__error(check: Check, options: str) -> None:
    """Options that make pytest end with 0 without calling any test are an error, and name a test that did not run."""
    run = check("pytest", {"pyproject.toml": INI + f"addopts = '{options}'\n", "tests/test_module.py": FAILING})

    assert (run.code, first(run, "pytest")["reason"]) == (2, "not-run")
    assert "2 tests were collected and did not run; the first: tests/test_module.py::test_a" in run.report["summary"]


def test_run_that_a_test_ends_with_success__error(check: Check) -> None:
    """pytest.exit(returncode=0) in one test does not let those after it count as passed."""
    run = check("pytest", {"tests/test_a.py": EXITS, "tests/test_module.py": FAILING})

    assert (run.code, first(run, "pytest")["reason"]) == (2, "not-run")


def test_python_without_assertions__is_not_what_tests_run_in(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONOPTIMIZE of the caller does not take the assertions out of tests that pytest leaves as they are."""
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")

    run = check("pytest", {"pyproject.toml": INI + "addopts = '--assert=plain'\n", "tests/test_module.py": FAILING})

    assert (run.code, first(run, "pytest")["value"]) == (1, 2)


def test_configured_leniency__does_not_pass(check: Check) -> None:
    """`exit-zero` makes flake8 end with 0 whatever it finds; the findings decide."""
    run = check("flake8", {".flake8": "[flake8]\nexit-zero = true\n", "package/module.py": "import os\n"})

    assert (run.code, first(run, "flake8/")["reason"]) == (1, "f401")


def test_module_named_like_a_tool__does_not_stand_in_for_it(check: Check) -> None:
    """A black.py in the project, which says that all is well, is not what runs."""
    lie = "import sys\n\nprint('9 files would be left unchanged.', file=sys.stderr)\n"

    run = check("black", {"black.py": lie, "package/module.py": "x=1\n"})

    assert (run.code, first(run, "black:")["id"]) == (1, "black:package/module.py")


def test_module_named_like_a_tool_on_the_path__does_not_stand_in_for_it(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONPATH may name the project's folder, as workflows often do: its black.py is still not what runs."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lie = "import sys\n\nprint('9 files would be left unchanged.', file=sys.stderr)\n"

    run = check("black", {"black.py": lie, "package/module.py": "x=1\n"})

    assert (run.code, first(run, "black:")["id"]) == (1, "black:package/module.py")


@pytest.mark.parametrize("tool", ["black", "flake8", "mypy"])
def test_syntax_error__is_a_finding_with_its_line(check: Check, tool: str) -> None:
    """A file that is no Python fails with its place, also where the tool itself ends in disorder."""
    run = check(tool, {"package/module.py": '"""A module."""\n\nx = (\n'})

    found = first(run, "black:" if tool == "black" else f"{tool}/")
    assert run.code == 1
    assert (found["location"]["path"], found["location"]["line"]) == ("package/module.py", 3 if tool != "mypy" else 4)


def test_code_that_no_test_imports__is_not_covered(check: Check) -> None:
    """A module that no test imports counts as uncovered, and the tests' own lines do not raise the number."""
    files = {"package/other.py": "x = 1\n" * 6}

    run = check("pytest", files, "--minimum-coverage", "80")

    coverage = first(run, "coverage")
    assert (run.code, coverage["status"], coverage["n"]) == (1, "failed", 8)
    assert coverage["value"] == pytest.approx(100 * 2 / 8)


def test_file_among_the_paths__is_measured_alone(check: Check) -> None:
    """Of the folder of a single file, only that file counts."""
    files = {"train.py": "x = 1\ny = 2\n", "other.py": "x = 1\n", "package/__init__.py": ""}

    run = check("pytest", files, "--minimum-coverage", "40", paths="train.py,package,tests")

    assert (run.code, first(run, "coverage")["value"]) == (0, 50.0)


def test_tests_only__have_no_coverage(check: Check) -> None:
    """With no code among the paths there is nothing whose coverage could be enough."""
    run = check("pytest", {}, "--minimum-coverage", "2", paths="tests")

    assert (run.code, first(run, "coverage")["reason"]) == (2, "not-measured")


def test_shown_percentage__is_rounded_down(check: Check) -> None:
    """79.96 % is below 80 % and is not shown as 80.0 %."""
    body = "".join(f"    x = {number}\n" for number in range(5002))
    code = f"def run() -> None:\n{body[: body.index('    x = 2000')]}\n\ndef idle() -> None:\n{body[:6000]}"
    lines, idle = (2002, body[:6000].count("\n"))
    share = 100 * lines / (lines + idle)
    files = {
        "package/module.py": code,
        "tests/test_module.py": "from package.module import run\n\n\ndef test_x():\n    run()\n",
    }

    run = check("pytest", files, "--minimum-coverage", str(share + 0.001))

    assert run.code == 1
    shown = float(first(run, "coverage")["message"].split(" %")[0].split()[-1])
    assert shown <= first(run, "coverage")["value"]


def test_whole_project__tests_are_where_its_configuration_says(check: Check) -> None:
    """For the path `.` pytest goes by the project's testpaths, as the developers' own runs do."""
    files = {"pyproject.toml": INI + 'testpaths = ["tests"]\n', "examples/test_example.py": "import not_there\n"}

    run = check("pytest", files, paths=".")

    assert (run.code, run.report["metrics"]["pytest"]["tests"]) == (0, 1)


@pytest.mark.parametrize("options", ["--lf", "-n 2", "--cov-fail-under=1", "-x --ff"])
def test_options_of_the_project__work(check: Check, options: str) -> None:
    """Options from the project's own configuration (last failed first, several processes) do not disturb the run."""
    run = check("pytest", {"pyproject.toml": INI + f"addopts = '{options}'\n"})

    assert (run.code, run.report["status"]) == (0, "passed"), run.report["summary"]


def test_plugins_not_loaded_by_themselves__coverage_is_measured(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTEST_DISABLE_PLUGIN_AUTOLOAD keeps other plugins out, and coverage is measured all the same."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    assert check("pytest", {}, "--minimum-coverage", "100").code == 0


def test_failure_that_is_no_tests__blocks(check: Check) -> None:
    """Where every test passes and pytest fails all the same, its own words are the finding."""
    files = {"pyproject.toml": INI + "addopts = '--cov-fail-under=90'\n", "package/other.py": "x = 1\n" * 20}

    run = check("pytest", files)

    assert run.code == 1 and "Required test coverage of 90" in first(run, "pytest:other")["message"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("import os\n    os._exit(0)\n", 2, "ended with code 0"),
        ("import pathlib, sys\n    [pathlib.Path(a[11:]).write_text('<') for a in sys.argv if 'junit' in a]\n", 0, ""),
    ],
    ids=["ends the process", "writes the result file"],
)
def test_test_that_ends_the_run__is_no_pass(check: Check, body: str, code: int, words: str) -> None:
    """A test that ends the process with 0 leaves no results, which is an error; results come from pytest alone."""
    run = check("pytest", {"tests/test_module.py": f"def test_x() -> None:\n    {body}"})

    assert run.code == code and words in run.report["summary"]


def test_endless_children__end_with_their_tool(check: Check, tmp_path: Path) -> None:
    """What a hanging test has started ends with it: nothing runs on and nothing is waited for."""
    files = {
        "tests/test_module.py": "import pathlib, subprocess, sys, time\n\n\ndef test_x() -> None:\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "    pathlib.Path('child').write_text(str(child.pid))\n    time.sleep(300)\n"
    }
    started = time.monotonic()

    run = check("pytest", files, "--tool-timeout", "6")

    assert (run.code, first(run, "pytest")["reason"]) == (2, "tool-failed")
    assert time.monotonic() - started < 60
    stat = Path("/proc") / (tmp_path / "child").read_text() / "stat"
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_messages__are_the_same_in_every_run(check: Check) -> None:
    """Temporary folders and addresses of objects do not make two reports differ."""
    files = {"tests/test_module.py": "def test_x(tmp_path):\n    assert object() == str(tmp_path)\n"}

    one, two = check("pytest", files).report, check("pytest", files).report

    assert one["status"] == "failed"
    assert {**one, "run": None} == {**two, "run": None}


def test_relative_interpreter__works(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """An interpreter given relative to the project is found, whatever folder it is asked from."""
    (tmp_path / "x.py").write_text('"""A module."""\n')
    os.symlink(Path(sys.executable).parent.parent, tmp_path / ".venv")

    assert cd4ml("check-code", "--paths", "x.py", "--tools", "black", "--python", ".venv/bin/python").code == 0


def test_callers_interpreter__is_not_cd4mls(
    cd4ml: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option it is the active environment's Python, then the one on PATH: never the one that runs cd4ml."""
    (tmp_path / "x.py").write_text('"""A module."""\n')
    for name in ("active", "path"):
        (tmp_path / name / "bin").mkdir(parents=True)
        wrapper = tmp_path / name / "bin" / "python"
        wrapper.write_text(f'#!/bin/sh\necho {name} >> "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
        wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path' / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))

    assert cd4ml("check-code", "--paths", "x.py", "--tools", "black").code == 0
    assert set((tmp_path / "used").read_text().split()) == {"active"}

    monkeypatch.delenv("VIRTUAL_ENV")
    (tmp_path / "used").unlink()
    assert cd4ml("check-code", "--paths", "x.py", "--tools", "black").code == 0
    assert set((tmp_path / "used").read_text().split()) == {"path"}


def test_broken_interpreter__unavailable(cd4ml: Callable[..., Run], tmp_path: Path) -> None:
    """An interpreter that does not run is exit code 3."""
    (tmp_path / "x.py").write_text('"""A module."""\n')
    (tmp_path / "python").write_text("no program\n")
    (tmp_path / "python").chmod(0o755)

    assert cd4ml("check-code", "--paths", "x.py", "--python", "./python").code == 3


def project(tmp_path: Path, **versions: str) -> Project:
    """Return a project whose own tools have these versions."""
    return Project(paths=("x",), scratch=tmp_path, probe=tmp_path / "probe.py", versions=versions)


def test_older_mypy__is_read_as_text(tmp_path: Path) -> None:
    """A mypy before 1.11 is not asked for JSON, and its lines give the same checks."""
    assert "json" not in mypy.arguments(project(tmp_path, mypy="1.4.1"))
    assert "json" in mypy.arguments(project(tmp_path, mypy="1.11.0"))
    assert "json" in mypy.arguments(project(tmp_path))
    text = "package/a.py:6:12: error: Incompatible return value  [return-value]\npackage/a.py:7: note: See\n"
    lines = '{"file": "package/a.py", "line": 6, "column": 11, "message": "Incompatible return value", "hint": null, '
    lines += '"code": "return-value", "severity": "error"}\n'

    one = mypy.read(Output(code=1, stdout=text, stderr=""), project(tmp_path))
    two = mypy.read(Output(code=1, stdout=lines, stderr=""), project(tmp_path))

    assert one == two and len(one.checks) == 2


def test_older_black__is_understood(tmp_path: Path) -> None:
    """The words of an older black for a file that it cannot parse are read, and its own mistakes are no findings."""
    said = "error: cannot format a.py: Cannot parse for target version Python 3.11: 3:5: x = (\n1 file failed.\n"

    result = black.read(Output(code=123, stdout="", stderr=said), project(tmp_path))
    assert [(item.id, item.status) for item in result.checks] == [("black", "failed"), ("black:a.py", "failed")]

    said += "error: cannot format b.py: INTERNAL ERROR: Black produced different code on second pass.\n"
    result = black.read(Output(code=123, stdout="", stderr=said), project(tmp_path))
    assert [item.status for item in result.checks] == ["error"]


@pytest.mark.parametrize(
    ("read", "output"),
    [
        (mypy.read, Output(code=0, stdout="{broken\n", stderr="")),
        (mypy.read, Output(code=1, stdout="", stderr="")),
        (mypy.read, Output(code=-9, stdout="", stderr="")),
        (flake8.read, Output(code=1, stdout="1 total files processed\n", stderr="")),
        (flake8.read, Output(code=0, stdout="", stderr="")),
        (black.read, Output(code=0, stdout="", stderr="")),
        (black.read, Output(code=1, stdout="", stderr="1 file would be left unchanged.\n")),
    ],
)
def test_output_that_makes_no_sense__error(tmp_path: Path, read: Callable[..., Result], output: Output) -> None:
    """An exit code and an output that contradict each other, or say nothing, are an error."""
    assert [item.status for item in read(output, project(tmp_path)).checks] == [Status.ERROR]


def test_many_findings_of_one_tool__hide_none_of_another() -> None:
    """Room in the report is shared: thousands of findings of flake8 leave the three of pytest in sight."""

    def findings(tool: str, count: int) -> Result:
        listed = [ReportCheck(id=f"{tool}:{n}", status=Status.FAILED, message="x") for n in range(count)]
        return verdict(tool, listed, clean="", found="found")

    results = bounded(
        {"flake8": findings("flake8", 5000), "mypy": findings("mypy", 0), "pytest": findings("pytest", 3)}, 100
    )

    sizes = {name: len(result.checks) for name, result in results.items()}
    assert sizes == {"flake8": 95, "mypy": 1, "pytest": 4}
    assert results["flake8"].checks[-1].value == 5000 - 93
    assert results["flake8"].checks[0].value == 5000


def test_interrupted_run__leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C ends the tools and what they started."""
    (tmp_path / "test_x.py").write_text(
        "import os, pathlib, time\n\n\ndef test_x():\n"
        "    pathlib.Path('pid').write_text(str(os.getpid()))\n    time.sleep(300)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # A shell starts what runs in its background with Ctrl-C ignored, which children inherit.
    start = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('cd4ml', run_name='__main__', alter_sys=True)"
    )
    command = ["-c", start, "check-code", "--paths", ".", "--tools", "pytest", "--python", sys.executable]
    process = subprocess.Popen([sys.executable, *command], cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
    for _ in range(600):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.1)

    process.send_signal(2)
    process.communicate(timeout=60)

    assert process.returncode != 0
    stat = Path("/proc") / (tmp_path / "pid").read_text() / "stat"
    assert not stat.exists() or stat.read_text().split()[2] == "Z"
