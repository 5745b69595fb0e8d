"""The architecture: imports follow the arrow, the start is light, the core reads no environment."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from cd4ml.stages import STAGES
from tests.conftest import ROOT

PACKAGE = ROOT / "cd4ml"
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
HEAVY = {
    "pandas",
    "numpy",
    "pyarrow",
    "sklearn",
    "fairlearn",
    "pandera",
    "mlflow",
    "jinja2",
    "fastapi",
    "polars",
    "ruamel",
}

# Folder -> what its modules may never import.
FORBIDDEN = {
    "stages": {"cd4ml.github", "cd4ml.render", "cd4ml.cli"},
    "metrics": {"cd4ml.github", "cd4ml.render", "cd4ml.cli", "cd4ml.stages", "cd4ml.checks"},
    "checks": {"cd4ml.github", "cd4ml.render", "cd4ml.cli", "cd4ml.stages"},
    "data": {"cd4ml.github", "cd4ml.render", "cd4ml.cli", "cd4ml.stages", "cd4ml.checks"},
    "report": {"cd4ml.github", "cd4ml.render", "cd4ml.cli", "cd4ml.stages", "cd4ml.checks", "cd4ml.data"},
    "render": {"cd4ml.github", "cd4ml.cli", "cd4ml.stages", "cd4ml.checks", "cd4ml.data"},
    "model_files": {f"cd4ml.{name}" for name in ("cli", "stages", "checks", "data", "report", "serving", "scoring")},
    "serving": {"cd4ml.github", "cd4ml.render", "cd4ml.cli", "cd4ml.stages", "cd4ml.checks", "cd4ml.report"},
}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrow(path: Path) -> None:
    """No module imports what lies behind it in the data flow."""
    folder = path.relative_to(PACKAGE).parts[0]
    banned = FORBIDDEN.get(folder, set())
    found = {name for name in imported(path) for ban in banned if name == ban or name.startswith(f"{ban}.")}

    assert not found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_cli_reads_environment_and_exits(path: Path) -> None:
    """`os.environ`, `sys.argv` and `sys.exit` occur at the doors alone."""
    relative = path.relative_to(PACKAGE).as_posix()
    if relative in ("cli.py", "__main__.py") or relative.startswith(
        ("serving/", "image/base_probe", "scoring/child", "scoring/sandbox/launcher", "registry/worker")
    ):
        return
    used = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }

    assert not used & {"os.environ", "os.getenv", "sys.argv", "sys.exit"}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_module_is_light(stage: str) -> None:
    """Importing a stage brings in no heavy library: `--help` and the reading of cd4ml.yaml stay quick."""
    code = f"import sys, cd4ml.stages; cd4ml.stages.declaration({stage!r}); print(' '.join(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout

    assert not HEAVY & set(loaded.split())


def test_help_is_light() -> None:
    """`cd4ml --help` imports no heavy library at all."""
    code = "import sys; from cd4ml.cli import main; main(['--help']); print(' '.join(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stderr

    assert not HEAVY & set(loaded.split())


def test_one_broad_except() -> None:
    """`except Exception` stands where a stage is run, and nowhere else."""
    broad = [path.name for path in MODULES if "except Exception" in path.read_text()]

    assert set(broad) <= {"stage.py"}
