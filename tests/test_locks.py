"""The lock files: what a stage installs, some run of it imports."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Final

import pytest

from cd4ml.commands import COMMANDS
from cd4ml.stages import STAGES
from tests.architecture.test_layers import NAMES, imported
from tests.conftest import ROOT

# Module with which a stage or a command begins -> the lock files of its environment.
STARTS: Final = {
    **{f"cd4ml.stages.{name.replace('-', '_')}.run": info.requirements for name, info in STAGES.items()},
    # A command with a stage's locks runs that stage.
    **{
        f"cd4ml.commands.{command.module}": command.requirements
        for command in COMMANDS.values()
        if command.requirements not in [info.requirements for info in STAGES.values()]
    },
}
# What MLflow imports once it knows that the registry is a database.
MLFLOW_LATER: Final = ("import mlflow.store.model_registry.sqlalchemy_store", "import mlflow.store.db.utils")
# What is not imported, and why it is there.
REASONS: Final = {
    **dict.fromkeys(("gitdb", "gitpython", "smmap"), "mlflow-skinny requires it, to note the commit of a training"),
    "python-dotenv": "mlflow-skinny requires it, to read .env files",
    **dict.fromkeys(("deprecated", "wrapt"), "deltalake requires it, and imports it nowhere"),
    "async-timeout": "redis requires it before Python 3.11.3",
    "dnspython": "sigstore requires what requires it, to read addresses of e-mail",
    **dict.fromkeys(("markdown-it-py", "mdurl", "rich"), "sigstore requires it, to write to terminals"),
    **dict.fromkeys(("h11", "uvicorn"), "mlflow-skinny requires it, for a server"),
    **dict.fromkeys(
        ("pyasn1", "pyasn1-modules", "pycparser"), "mlflow-skinny requires what requires it: Databricks' SDK"
    ),
}
# What sigstore requires to read addresses of e-mail and to write to terminals; where MLflow is, it imports them.
UNLESS_MLFLOW: Final = {"email-validator", "pygments"}
# What optuna requires for searches that are kept in a database.
OF_OPTUNA: Final = {"alembic", "mako", "markupsafe", "sqlalchemy"}
PROGRAM: Final = """
import sys
for statement in {statements!r}:
    exec(statement)
print(*{{name.partition(".")[0] for name in sys.modules}})
"""


def normal(name: str) -> str:
    """Return a distribution's name as lock files write it."""
    return re.sub("[-_.]+", "-", name).lower()


BY_MODULE: Final = {
    module: {normal(name) for name in names} for module, names in importlib.metadata.packages_distributions().items()
}


def locked(*locks: str) -> set[str]:
    """Return what lock files install where Python is CPython and the system is none of Microsoft's."""
    text = "".join((ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8") for lock in locks)
    found = re.findall(r"^([\w.-]+)==[^ ]+(?: ; ([^\\\n]*))?", text, re.M)
    return {name for name, marker in found if "win32" not in marker}


def without_types(source: str) -> str:
    """Return a source without what it imports for types alone."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def reached(*starts: str) -> dict[str, str]:
    """Return the sources of all modules that these import, or start as programs, directly or not."""
    found: dict[str, str] = {}
    todo = {*starts}
    while todo:
        name = todo.pop()
        found[name] = without_types(NAMES[name].read_text(encoding="utf-8"))
        programs = re.findall(r"with_name\('(\w+)\.py'\)", found[name])
        beside = {f"{name.rpartition('.')[0]}.{program}" for program in programs}
        todo |= ((imported(found[name]) | beside) & {*NAMES}) - {*found}
    return found


def statements(sources: Iterable[str], installed: set[str]) -> Iterator[str]:
    """Yield the statements by which sources import what is installed."""
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            if any(BY_MODULE.get(module.partition(".")[0], set()) & installed for module in modules):
                yield ast.unparse(node)


def used(start: str) -> set[str]:
    """Return the distributions that are loaded once a stage has imported whatever it ever imports of its own."""
    installed = locked(*STARTS[start])
    later = MLFLOW_LATER if "mlflow-skinny" in installed else ()
    # Whoever runs a stage signs its report.
    signs = ("cd4ml.evidence.sign",) if "evidence" in STARTS[start] else ()
    return loaded((*sorted({*statements(reached(start, *signs).values(), installed)}), *later))


@functools.cache
def loaded(wanted: tuple[str, ...]) -> set[str]:
    """Return the distributions that are loaded after statements."""
    program = PROGRAM.format(statements=wanted)
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return {name for module in run.stdout.split() for name in BY_MODULE.get(module, ())}


@pytest.mark.parametrize("start", [start for start, locks in STARTS.items() if locks])
def test_lock__every_library_is_imported(start: str) -> None:
    """Every library in the lock files of a stage is imported by some run of it, or the reason is known."""
    installed = locked(*STARTS[start])
    unused = {*REASONS} | (UNLESS_MLFLOW if "mlflow-skinny" not in installed else set())
    if "optuna" in installed:
        unused |= OF_OPTUNA | ({"pyyaml"} - used(start))  # which it reads no file of ours with
    assert installed - used(start) == unused & installed


def test_lock__what_nobody_imports_is_found() -> None:
    """A library that no module of a stage imports is not taken for one that is used."""
    found = loaded(tuple(statements(reached("cd4ml.stages.evaluate_model.run").values(), {"numpy", "scikit-learn"})))

    assert "numpy" in found and "scikit-learn" not in found
