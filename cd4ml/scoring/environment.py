"""The environment that a model asks for: locked with hashes, made once, kept in the cache.

MLflow writes a model's requirements beside it. `mlflow==X` becomes `mlflow-skinny==X`: the same code for loading and
predicting, without the server and what it needs (141 instead of 850 MB installed).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cd4ml.context import Context
from cd4ml.environments import only_one, uv, without_python
from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.process.programs import NotCompletedError, completed
from cd4ml.reading import text_file
from cd4ml.yaml_text import document as yaml_document

# What a model's environment needs beside the model's own requirements, to read rows and to write predictions.
READERS: Final = ("pandas", "pyarrow")
_PINNED: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?\s*===?\s*[^\s;*]+(\s*;.*)?")
# What conda calls the interpreter, and what comes with it.
_OF_PYTHON: Final = frozenset({"python", "pip", "setuptools", "wheel"})
_STAMP: Final = "cd4ml-stamp"
_TESTS: Final = r"/tests?/"
_SECONDS_TO_COMPILE: Final = 600.0
_WHEELS: Final = ("--only-binary", ":all:")


def requirements(model: Path, *, called: str | None = None) -> list[str]:
    """Return the requirements that the model was saved with.

    Args:
        called: what messages call it; by default its folder.

    Raises:
        OptionsError: there are none, or one is not pinned to a version: it would be another model tomorrow.
    """
    path = model / "requirements.txt"
    if not path.is_file():
        raise OptionsError(
            f"{called or model}: no requirements.txt beside MLmodel", advice="Save the model with pip_requirements."
        )
    lines = [line.split(" #")[0].strip() for line in text_file(path).splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    loose = [line for line in wanted if not _PINNED.fullmatch(line)]
    if loose:
        raise OptionsError(
            f"{called or model}: requirements that are not pinned to one version: {', '.join(loose[:5])}",
            advice="Save the model with pip_requirements=['package==version', …].",
        )
    _refuse_conda(model, wanted, called=called)
    return [re.sub(r"^mlflow(?=\s*=)", "mlflow-skinny", line) for line in wanted]


def _refuse_conda(model: Path, wanted: Sequence[str], *, called: str | None) -> None:
    """Refuse a model that needs packages of conda: its requirements name those of pip alone.

    Raises:
        OptionsError: it names one that is not among the requirements.
    """
    path = model / "conda.yaml"
    if not path.is_file():
        return
    document = yaml_document(text_file(path), path)
    listed = document.get("dependencies") if isinstance(document, dict) else None
    names = [str(item).rpartition("::")[2] for item in listed or [] if not isinstance(item, dict)]
    here = {_plain(line) for line in wanted} | _OF_PYTHON
    missing = [name for name in names if _plain(name) not in here]
    if missing:
        raise OptionsError(
            f"{called or model}: conda.yaml names packages that pip does not install: {', '.join(missing[:5])[:300]}",
            advice="Save the model with pip_requirements; libraries of the system belong in system-packages.",
        )


def _plain(requirement: str) -> str:
    """Return a requirement's name as PEP 503 compares it."""
    name = re.split(r"[\s=<>!~;\[]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def python_version(model: Path) -> str:
    """Return the minor version of Python that the model was saved with, e.g. `3.11`; this one's if it does not say."""
    path = model / "python_env.yaml"
    match = re.search(r"^python:\s*['\"]?(\d+\.\d+)", text_file(path), re.M) if path.is_file() else None
    return match[1] if match else f"{sys.version_info.major}.{sys.version_info.minor}"


def python_here(version: str, context: Context) -> bool:
    """Whether a minor version of Python is on this machine; what is not there would have to be fetched."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return True
    try:
        uv(["python", "find", version, "--quiet", "--offline", "--no-project"], context)
    except UnavailableError:
        return False
    return True


def lock_requirements(model_folder: Path, *, extra: Sequence[str], python_version: str, context: Context) -> str:
    """Return the model's requirements, resolved and locked with hashes, as text of a requirements file.

    Args:
        extra: further requirements, resolved together with the model's own.

    Raises:
        OptionsError: the requirements contradict each other, or one has no wheel.
        UnavailableError: the package index cannot be reached.
    """
    try:
        return locked([*requirements(model_folder), *extra], python_version=python_version, context=context)
    except UnavailableError as error:
        if "No solution found" in error.message:
            advice = "Save the model with compatible requirements that have wheels for this platform."
            raise OptionsError(f"The model's requirements cannot be met: {error.message}", advice=advice) from error
        raise


def environment_of(model_folder: Path, *, extra: Sequence[str], context: Context) -> tuple[Path, str]:
    """Return the Python interpreter of a model's environment, and its lock.

    Raises:
        OptionsError, UnavailableError: as of `lock_requirements` and `model_environment`.
    """
    version = python_version(model_folder)
    lock = lock_requirements(model_folder, extra=extra, python_version=version, context=context)
    return model_environment(lock, python_version=version, context=context), lock


def locked(wanted: Sequence[str], *, python_version: str, context: Context) -> str:
    """Return requirements, resolved and locked with hashes, as text of a requirements file; what was locked is kept.

    Only wheels are taken: building a source distribution would run a stranger's code with the job's secrets.

    Raises:
        UnavailableError: they cannot be met, or the package index cannot be reached.
    """
    text = "\n".join(wanted) + "\n"
    key = hashlib.sha256(f"{python_version}\n{text}".encode()).hexdigest()
    cached = context.cache / "locks" / f"{key}.txt"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    arguments = ["pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", *_WHEELS]
    lock = uv([*arguments, "--python-version", python_version, "-"], context, given=text)
    cached.parent.mkdir(parents=True, exist_ok=True)
    partial = cached.with_suffix(f".{os.getpid()}")
    partial.write_text(lock, encoding="utf-8")
    partial.replace(cached)
    return lock


def model_environment(lock: str, *, python_version: str, context: Context) -> Path:
    """Return the Python interpreter of an environment with exactly the locked packages.

    Raises:
        UnavailableError: that Python or a package cannot be had.
    """
    key = hashlib.sha256(f"{python_version}\n{lock}".encode()).hexdigest()[:32]
    folder = context.cache / "environments" / key
    interpreter = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with only_one(folder.with_suffix(".lock")):
        if not (folder / _STAMP).is_file():
            context.progress("Installing the model's packages into an environment of its own")
            shutil.rmtree(folder, ignore_errors=True)
            lock_file = folder.with_suffix(".txt")
            lock_file.write_text(lock, encoding="utf-8")
            _make(folder, python_version, context)
            install = ["pip", "sync", "--quiet", "--require-hashes", *_WHEELS, "--python", str(interpreter)]
            uv([*install, *_link_mode(context), str(lock_file)], context)
            if not context.environ.get("RUNNER_TEMP"):
                _compile(interpreter, context)
            (folder / _STAMP).write_text(key)
    return interpreter


def _link_mode(context: Context) -> list[str]:
    """Return how uv puts files into the environment: whoever uses it cannot follow links into uv's cache."""
    return ["--link-mode", "copy"] if context.environ.get("UV_LINK_MODE") == "symlink" else []


def _compile(interpreter: Path, context: Context) -> None:
    """Compile the packages, running none of their code: whoever uses the environment may only read it.

    It takes as much processor time as loading scikit-learn and MLflow three times saves. So it pays for a user's cache,
    and not for a runner's, which is gone after the job.

    A file that cannot be compiled (for another version of Python, say) is none that a model imports.
    """
    packages = interpreter.parent.parent / ("Lib" if os.name == "nt" else "lib")
    command = [str(interpreter), "-I", "-S", "-m", "compileall", "-q", "-q", "-j", "0", "-x", _TESTS, str(packages)]
    try:
        completed(command, environ=without_python(context.environ), seconds=_SECONDS_TO_COMPILE)
    except NotCompletedError:  # it works without, only slower
        context.progress("The model's environment could not be compiled: loading will take longer")


def _make(folder: Path, python_version: str, context: Context) -> None:
    """Make an empty environment of a version of Python, which uv finds on PATH or fetches."""
    try:
        uv(["venv", "--quiet", "--python", python_version, str(folder)], context)
    except UnavailableError as error:
        if not re.search(r"interpreter|download|fetch", error.message, re.I):
            raise
        raise UnavailableError(
            f"The model was saved with Python {python_version}, which is not on PATH and could not be fetched.",
            advice=f"Put Python {python_version} on PATH (in a workflow: actions/setup-python before this step), or "
            "save the model with a Python that is available.",
        ) from error
