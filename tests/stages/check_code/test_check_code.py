"""check-code: the caller's Python, four tools, and nothing that was not looked at passes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.stages.check_code.test_ids import line_id

Check = Callable[..., Run]
GOOD = '"""A module."""\n\n\ndef double(x: int) -> int:\n    """Double."""\n    return 2 * x\n'
TEST = (
    '"""Tests."""\n\nfrom package.module import double\n\n\n'
    'def test_double() -> None:\n    """Doubles."""\n    assert double(2) == 4\n'
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a small project that is in order."""
    for name, text in {
        "package/__init__.py": "",
        "package/module.py": GOOD,
        "tests/test_module.py": TEST,
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n[tool.coverage.run]\nsource = ["package"]\n',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def check(cd4ml: Callable[..., Run], project: Path) -> Check:
    """Check the project with this test's own Python, which has all the tools."""

    def run(*arguments: str) -> Run:
        return cd4ml("check-code", "--paths", "package,tests", "--python", sys.executable, *arguments)

    return run


def found(run: Run, prefix: str) -> dict[str, Any]:
    """Return the first check whose id begins so."""
    return next(item for item in run.report["checks"] if item["id"].startswith(prefix))


def test_good_project__passes(check: Check, project: Path) -> None:
    """A project in order passes all four tools and its coverage, and no file is left in its tree."""
    before = sorted(path.relative_to(project) for path in project.rglob("*"))

    run = check("--minimum-coverage", "100")

    assert (run.code, run.report["status"]) == (0, "passed")
    assert {item["id"] for item in run.report["checks"]} == {"black", "flake8", "mypy", "pytest", "coverage"}
    assert found(run, "coverage")["value"] == 100.0
    after = sorted(path.relative_to(project) for path in project.rglob("*") if "reports" not in path.parts)
    assert after == before


@pytest.mark.parametrize(
    ("tool", "text", "check_id", "line"),
    [
        ("black", GOOD.replace("2 * x", "2*x"), "black:package/module.py", 6),
        ("flake8", "import os\n" + GOOD, line_id("flake8/F401", "package/module.py", "import os"), 1),
        (
            "mypy",
            GOOD.replace("return 2 * x", 'return "x"'),
            line_id("mypy/return-value", "package/module.py", 'return "x"'),
            6,
        ),
    ],
)
def test_finding__blocks_with_its_line(
    check: Check, project: Path, tool: str, text: str, check_id: str, line: int
) -> None:
    """A finding of each tool fails the stage, with file and line."""
    (project / "package" / "module.py").write_text(text)

    run = check("--tools", tool)

    finding = found(run, check_id)
    assert (run.code, found(run, tool)["status"]) == (1, "failed")
    assert (finding["location"]["path"], finding["location"]["line"]) == ("package/module.py", line)


def test_failing_test__blocks(check: Check, project: Path) -> None:
    """A failing test fails the stage and is named with its place."""
    (project / "tests" / "test_module.py").write_text(TEST.replace("== 4", "== 5"))

    run = check("--tools", "pytest")

    finding = found(run, "pytest:tests.test_module")
    assert run.code == 1
    assert (finding["location"]["path"], finding["location"]["line"]) == ("tests/test_module.py", 6)
    assert "assert 4 == 5" in finding["message"]


def test_broken_import__blocks(check: Check, project: Path) -> None:
    """A test module that cannot be imported fails the stage: its tests did not run."""
    (project / "tests" / "test_module.py").write_text("import not_installed_anywhere\n")

    run = check("--tools", "pytest")

    assert run.code == 1 and "not_installed_anywhere" in str(run.report["checks"])


@pytest.mark.parametrize(
    "text",
    ["", "import pytest\n\n\n@pytest.mark.skip\ndef test_x() -> None: ...\n"],
    ids=["none collected", "all skipped"],
)
def test_nothing_tested__error(check: Check, project: Path, text: str) -> None:
    """No tests, or skipped ones only, are an error; without pytest among the tools they are not asked for."""
    (project / "tests" / "test_module.py").write_text(text)

    run = check("--tools", "pytest")
    assert (run.code, found(run, "pytest")["reason"]) == (2, "no-tests")

    assert check("--tools", "mypy").code == 0


def test_coverage__below_minimum_blocks(check: Check, project: Path) -> None:
    """Coverage below its minimum fails; coverage that was not measured is an error."""
    (project / "package" / "other.py").write_text("x = 1\n" * 20)

    run = check("--tools", "pytest", "--minimum-coverage", "80")
    assert (run.code, found(run, "coverage")["reason"]) == (1, "below-minimum")

    (project / "tests" / "test_module.py").write_text("def test_x() -> None: ...\n")
    (project / "pyproject.toml").write_text('[tool.coverage.run]\nsource = ["nowhere"]\n')
    run = check("--tools", "pytest", "--minimum-coverage", "2")
    assert run.code != 0 and found(run, "coverage")["status"] in ("error", "failed")


@pytest.mark.parametrize(
    ("tool", "setting"),
    [
        ("black", "[tool.black]\nline-length = 'long'\n"),
        ("mypy", "[tool.mypy]\nplugins = ['not_there']\n"),
        ("pytest", "[tool.pytest.ini_options]\naddopts = '--no-such-option'\n"),
    ],
)
def test_crashing_tool__error(check: Check, project: Path, tool: str, setting: str) -> None:
    """A tool that cannot do its work is an error with its last words, never a pass."""
    (project / "pyproject.toml").write_text(setting)

    run = check("--tools", tool)

    assert (run.code, found(run, tool)["reason"]) == (2, "tool-failed")


def test_endless_test__error(check: Check, project: Path) -> None:
    """A tool that does not end is an error after its time."""
    (project / "tests" / "test_module.py").write_text("import time\n\n\ndef test_x() -> None:\n    time.sleep(600)\n")

    run = check("--tools", "pytest", "--tool-timeout", "5")

    assert run.code == 2 and "pytest: it did not end within 5 s (timeout)." in run.report["summary"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tools", "blak"),
        ("--paths", "nowhere"),
        ("--paths", "pyproject.toml"),
        ("--minimum-coverage", "101"),
        ("--tools", "mypy", "--minimum-coverage", "80"),
    ],
)
def test_bad_options__refused(cd4ml: Callable[..., Run], project: Path, arguments: tuple[str, ...]) -> None:
    """Unknown tools, missing paths, paths without Python and impossible limits end in exit code 2."""
    assert cd4ml("check-code", "--python", sys.executable, *arguments).code == 2


@pytest.mark.parametrize("fraction", ["0.8", "1"])
def test_coverage_as_a_fraction__refused(check: Check, fraction: str) -> None:
    """0.8 is 0.8 percent, which any test reaches: 80 is meant."""
    run = check("--minimum-coverage", fraction)

    assert (run.code, run.report["status"]) == (2, "error")
    assert f"did you mean {100 * float(fraction):g}?" in run.report["checks"][0]["message"]


def test_no_interpreter__unavailable(cd4ml: Callable[..., Run], project: Path) -> None:
    """An interpreter that is not there is exit code 3."""
    assert cd4ml("check-code", "--python", "no-such-python").code == 3


def test_a_test_cannot_pass_the_gate(
    check: Check, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A test that tries to set the step's outputs or to read the job's token finds neither."""
    output = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("GITHUB_TOKEN", "CANARY")
    (project / "tests" / "test_module.py").write_text(
        "import os\n\n\ndef test_x() -> None:\n"
        "    assert 'GITHUB_OUTPUT' not in os.environ and 'CANARY' not in os.environ.values()\n"
        "    print('::set-output name=passed::true')\n    assert False\n"
    )

    run = check("--tools", "pytest")

    assert run.code == 1 and "assert False" in found(run, "pytest:tests")["message"]
    assert "passed=true" not in output.read_text()


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment that has none of the tools, and one small package."""
    folder = tmp_path_factory.mktemp("caller")
    uv = str(Path(sys.executable).parent / "uv")
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")], check=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(site) / "callers_own").mkdir()
    (Path(site) / "callers_own" / "__init__.py").write_text("def triple(x: int) -> int:\n    return 3 * x\n")
    (Path(site) / "callers_own" / "py.typed").touch()
    return python


def test_own_copies__see_the_callers_packages(cd4ml: Callable[..., Run], project: Path, bare_python: str) -> None:
    """Where the caller has no tools, cd4ml's own run in the caller's Python and see its packages."""
    uses = TEST.replace(
        "from package.module import double", "from callers_own import triple\nfrom package.module import double"
    )
    (project / "tests" / "test_module.py").write_text(uses.replace("double(2) == 4", "double(2) + triple(1) == 7"))

    run = cd4ml("check-code", "--paths", "package,tests", "--python", bare_python, "--minimum-coverage", "90")

    assert (run.code, run.report["status"]) == (0, "passed"), run.report["summary"]


def test_own_copies__lend_no_other_package(cd4ml: Callable[..., Run], project: Path, bare_python: str) -> None:
    """A package that the caller lacks is still missing, though cd4ml's own environment has it."""
    (project / "tests" / "test_module.py").write_text("import pandas\n\n\ndef test_x() -> None:\n    assert pandas\n")

    run = cd4ml("check-code", "--paths", "package,tests", "--python", bare_python, "--tools", "pytest")

    assert run.code == 1 and "No module named 'pandas'" in json.dumps(run.report)


def test_many_findings__are_counted(check: Check, project: Path) -> None:
    """More findings than the report lists are counted in a check of their own, which fails as well."""
    (project / "package" / "module.py").write_text("import os\n" * 1500)

    run = check("--tools", "flake8")

    assert run.code == 1
    assert len(run.report["checks"]) == 1000
    assert found(run, "more-findings")["status"] == "failed"


def test_same_input__same_report(check: Check) -> None:
    """Two runs give the same report but for its run block."""
    first, second = check().report, check().report

    assert {**first, "run": None} == {**second, "run": None}
