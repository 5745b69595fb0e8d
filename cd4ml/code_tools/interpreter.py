"""The caller's Python, and cd4ml's own copies of the tools that it lacks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cd4ml.environments import lock_file, only_one, uv
from cd4ml.errors import UnavailableError
from cd4ml.stages.context import Context

# A test must be able neither to set this step's outputs nor to take the job's credentials.
_WITHHELD: Final = ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY", "GITHUB_TOKEN")
_WITHHELD_PREFIXES: Final = ("CD4ML_", "ACTIONS_", "INPUT_")
# Own copies come last on the path: the caller's packages win, and nothing else of cd4ml is seen.
_WITH_OWN_COPIES: Final = """\
import runpy, sys
sys.path.append(sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
_ASK: Final = """\
import importlib.util, json, sys
have = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "have": have}))
"""


def find_python(wanted: str | None, environ: Mapping[str, str]) -> str:
    """Return the caller's interpreter: the one that is named, else of the active environment, else on PATH.

    Raises:
        UnavailableError: there is none.
    """
    if wanted:
        found = shutil.which(wanted, path=environ.get("PATH"))
        if not found:
            raise UnavailableError(f"python: there is no interpreter {wanted!r}.")
        return found
    if environ.get("VIRTUAL_ENV"):
        folder = "Scripts" if os.name == "nt" else "bin"
        inside = Path(environ["VIRTUAL_ENV"]) / folder / "python"
        if inside.exists():
            return str(inside)
    for name in ("python", "python3"):
        found = shutil.which(name, path=environ.get("PATH"))
        if found:
            return found
    raise UnavailableError("No Python was found on PATH.", advice="Set up Python before this step, or set python.")


def commands(tools: Sequence[str], python: str, context: Context) -> dict[str, list[str]]:
    """Return how each tool is started: in the caller's environment, with own copies of what that lacks."""
    modules = [*tools, *(["pytest_cov"] if "pytest" in tools else [])]
    version, have = _ask(python, modules, context)
    lacking = [name for name in modules if name not in have]
    copies = _own_copies(python, version, context) if lacking else None
    started = {}
    for tool in tools:
        complete = tool in have and (tool != "pytest" or "pytest_cov" in have)
        own = ["-c", _WITH_OWN_COPIES, str(copies)]
        started[tool] = [python, "-m"] if complete else [python, *own]
    return started


def _ask(python: str, modules: Sequence[str], context: Context) -> tuple[str, list[str]]:
    """Ask the interpreter for its version and which modules it has, from a folder that shadows none of them."""
    with tempfile.TemporaryDirectory() as elsewhere:
        result = subprocess.run(
            [python, "-c", _ASK, *modules],
            cwd=elsewhere,
            env=environment(context.environ),
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode != 0:
        raise UnavailableError(f"The interpreter {python} does not run: {' '.join(result.stderr.split())[-300:]}")
    answer = json.loads(result.stdout)
    return answer["version"], answer["have"]


def _own_copies(python: str, version: str, context: Context) -> Path:
    """Return a folder with the locked tools for this Python, made once."""
    lock = lock_file("check-code")
    key = hashlib.sha256(f"{version}\n{lock.read_text(encoding='utf-8')}".encode()).hexdigest()[:32]
    folder = context.cache / "check-code" / key
    with only_one(folder.with_suffix(".lock")):
        if not (folder / "cd4ml-stamp").is_file():
            context.progress("Installing black, flake8, mypy and pytest apart from your environment")
            shutil.rmtree(folder, ignore_errors=True)
            options = ["--quiet", "--require-hashes", "--no-deps", "--target", str(folder), "--python", python]
            uv(["pip", "install", *options, "--requirement", str(lock)], context)
            (folder / "cd4ml-stamp").write_text(key)
    return folder


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment for its tools, without the platform's files and credentials."""
    return {
        key: value for key, value in environ.items() if key not in _WITHHELD and not key.startswith(_WITHHELD_PREFIXES)
    }
