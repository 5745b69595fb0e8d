"""The caller's Python, and cd4ml's own copies of the tools that it lacks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cd4ml.context import Context
from cd4ml.environments import lock_file, only_one, uv
from cd4ml.errors import UnavailableError
from cd4ml.process.programs import NotCompletedError, completed

# A test must be able neither to set this step's outputs nor to take the job's credentials.
_WITHHELD: Final = (
    "GITHUB_OUTPUT",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    # Without assertions every test passes.
    "PYTHONOPTIMIZE",
)
# Tools that are not called as their package is.
MODULES: Final = {"ruff-format": "ruff"}
_LOCK: Final = "check-code"
_LONGEST_ANSWER: Final = 120
_WITHHELD_PREFIXES: Final = ("CD4ML_", "ACTIONS_", "INPUT_")
# Arguments: where own copies go (first, last or none), their folder, the folder of what cd4ml adds, the tool, and the
# tool's arguments. The project's folder is not searched for the tool itself: a black.py in it would stand in for black,
# and say that all is well.
_START: Final = """\
import importlib, os, runpy, sys
where, copies, added, tool = sys.argv[1:5]
here = os.path.realpath(os.getcwd())
theirs = list(sys.path)
sys.path[:] = [folder for folder in theirs if folder and os.path.realpath(folder) != here]
if where != "none":
    sys.path.insert(0 if where == "first" else len(sys.path), copies)
if tool.startswith("cd4ml_"):
    sys.path.append(added)
importlib.import_module(tool)
if tool == "pytest":
    importlib.import_module("coverage")
    sys.path.insert(0, os.getcwd())
    sys.path.append(added)
elif any(folder and os.path.realpath(folder) == here for folder in theirs):
    sys.path.append(here)  # plugins of the project are found by PYTHONPATH, after everything else
sys.argv = sys.argv[4:]
runpy.run_module(tool, run_name="__main__", alter_sys=True)
"""
_ASK: Final = """\
import importlib.metadata, importlib.util, json, os, sys, sysconfig
have = {}
for name in sys.argv[1:]:
    if importlib.util.find_spec(name):
        try:
            have[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            have[name] = ""
installed = sorted({name for part in ("purelib", "platlib") for name in os.listdir(sysconfig.get_path(part))})
tag = f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
print(json.dumps({"tag": tag, "have": have, "installed": [sys.version, *installed]}))
"""
_ASK_COVERAGE: Final = """\
import json, sys
sys.path.append(sys.argv[1])
import coverage
configured = coverage.Coverage()
names = ("run:source", "run:source_pkgs", "run:include")
print(json.dumps(any(configured.get_option(name) for name in names)))
"""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The caller's Python.

    Attributes:
        python: absolute path of the executable.
        versions: versions of the caller's own tools by module; "" if a version is not recorded.
        copies: folder of cd4ml's own copies, None if the caller lacks nothing.
        installed: its version, and what lies in its folders of packages.
    """

    python: str
    versions: Mapping[str, str]
    copies: Path | None
    installed: Sequence[str] = ()

    @property
    def identity(self) -> Sequence[str]:
        """What tells apart interpreters, what is installed in them, and own copies of tools."""
        return (self.python, str(self.copies), *self.installed)

    def command(self, tool: str, scratch: Path) -> list[str]:
        """Return how a tool is started.

        Args:
            scratch: folder that holds what cd4ml itself adds to a tool.

        Own copies come first for tools that read code, so that they get the versions that they were locked with, and
        last for pytest, which imports code: there the caller's packages win, and what the caller lacks stays lacking.
        """
        module = MODULES.get(tool, tool)
        complete = module in self.versions and (tool != "pytest" or "pytest_cov" in self.versions)
        where = "none" if complete else "last" if tool == "pytest" else "first"
        return [self.python, "-c", _START, where, str(self.copies), str(scratch)]

    def configures_coverage(self, environ: Mapping[str, str]) -> bool:
        """Whether the project's coverage configuration says what to measure."""
        answer = _answer([self.python, "-c", _ASK_COVERAGE, str(self.copies)], environ, folder=None)
        return answer is True


def find_python(wanted: str | None, environ: Mapping[str, str]) -> str:
    """Return the caller's interpreter: the one that is named, else of the active environment, else on PATH.

    Raises:
        UnavailableError: there is none.
    """
    if wanted:
        found = shutil.which(wanted, path=environ.get("PATH"))
        if not found:
            raise UnavailableError(
                f"python: there is no interpreter {wanted!r}.",
                advice="Name the one of the project's environment, such as .venv/bin/python.",
            )
        return os.path.abspath(found)  # not resolved: a virtual environment is known by its link
    if environ.get("VIRTUAL_ENV"):
        inside = Path(environ["VIRTUAL_ENV"]) / "bin" / "python"
        if inside.exists():
            return os.path.abspath(inside)
    for name in ("python", "python3"):
        found = shutil.which(name, path=environ.get("PATH"))
        if found:
            return os.path.abspath(found)
    raise UnavailableError("No Python was found on PATH.", advice="Set up Python before this step, or set python.")


def examine(tools: Sequence[str], python: str, context: Context) -> Interpreter:
    """Ask the interpreter which tools it has, and get own copies of what it lacks.

    Raises:
        UnavailableError: it does not run, or a tool cannot be installed.
    """
    modules = _modules(tools)
    answer = _own_tools(modules, python, context)
    lacking = sorted(set(modules) - set(answer["have"]))
    copies = _own_copies(python, answer["tag"], lacking, context) if lacking else None
    return Interpreter(python=python, versions=answer["have"], copies=copies, installed=answer["installed"])


def own_tools(tools: Sequence[str], python: str, context: Context, *, seconds: float) -> dict[str, str | None]:
    """Return the version of each module of the tools that the interpreter has, None of one that it lacks.

    Raises:
        UnavailableError: it does not run, or does not answer in time.
    """
    modules = _modules(tools)
    have = _own_tools(modules, python, context, seconds=seconds)["have"]
    return {module: have.get(module) for module in modules}


def _modules(tools: Sequence[str]) -> list[str]:
    """Return the modules that tools need."""
    modules = [MODULES.get(tool, tool) for tool in tools]
    return [*dict.fromkeys(modules), *(["pytest_cov"] if "pytest" in tools else [])]


def _own_tools(modules: Sequence[str], python: str, context: Context, *, seconds: float = _LONGEST_ANSWER) -> Any:
    """Return what the interpreter says of itself and of modules."""
    with tempfile.TemporaryDirectory() as elsewhere:  # the project's folder would pass for installed modules
        return _answer([python, "-c", _ASK, *modules], context.environ, folder=elsewhere, seconds=seconds)


def _answer(
    command: Sequence[str], environ: Mapping[str, str], *, folder: str | None, seconds: float = _LONGEST_ANSWER
) -> Any:
    """Run a question in the interpreter and return its answer, the last line that it prints."""
    try:
        asked = {**environment(environ), "PYTHONDONTWRITEBYTECODE": "1"}
        result = completed(command, environ=asked, folder=folder, seconds=seconds)
        if result.done:
            return json.loads(result.output.strip().splitlines()[-1])
        reason = " ".join(result.complaint.split())[-300:]
    except NotCompletedError as error:
        reason = error.message
    except (ValueError, IndexError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise UnavailableError(f"The interpreter {command[0]} does not answer: {reason}")


def _own_copies(python: str, tag: str, lacking: Sequence[str], context: Context) -> Path:
    """Return a folder with the locked tools for this Python, made once."""
    lock = lock_file(_LOCK)
    key = hashlib.sha256(f"{tag}\n{lock.read_text(encoding='utf-8')}".encode()).hexdigest()[:32]
    folder = context.cache.absolute() / _LOCK / key
    with only_one(folder.with_suffix(".lock")):
        if not (folder / "cd4ml-stamp").is_file():
            context.progress("Installing cd4ml's own copies of the tools apart from your environment")
            shutil.rmtree(folder, ignore_errors=True)
            options = ["--quiet", "--require-hashes", "--no-deps", "--target", str(folder), "--python", python]
            try:
                uv(["pip", "install", *options, "--requirement", str(lock)], context)
            except UnavailableError as error:
                advice = "Install them in the project's environment, or remove them from tools."
                raise UnavailableError(f"{', '.join(lacking)}: {error.message}", advice=advice) from error
            (folder / "cd4ml-stamp").write_text(key)
    return folder


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment for its tools, without the platform's files and credentials."""
    return {
        key: value for key, value in environ.items() if key not in _WITHHELD and not key.startswith(_WITHHELD_PREFIXES)
    }
