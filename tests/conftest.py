"""What all tests share: finding outside programs, and running the command line in a folder of its own."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.reports import sound

ROOT = Path(__file__).resolve().parent.parent


def tools_directory() -> Path:
    """Return where `bin/setup-tools` keeps outside programs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cd4ml" / "tools"


def find_program(name: str) -> str | None:
    """Return the path of an outside program, or None if this machine does not have it."""
    pinned = sorted(tools_directory().glob(f"{name}-*/{name}"), key=os.path.getmtime)
    beside_python = Path(sys.executable).parent / name
    if pinned:
        return str(pinned[-1])
    return str(beside_python) if beside_python.exists() else shutil.which(name)


def need_program(name: str) -> str:
    """Return the path of an outside program; where it is missing, name it and skip (or fail, see `missing`)."""
    path = find_program(name)
    if path is None:
        missing(f"{name} is not on this machine (bin/setup-tools gets what can be had)")
    assert path is not None
    return path


def missing(what: str) -> None:
    """Skip the test and name what is missing; fail where CD4ML_NO_SKIP says that nothing may be skipped."""
    if os.environ.get("CD4ML_NO_SKIP") == "1":
        pytest.fail(f"nothing may be skipped here, but {what}")
    pytest.skip(what)


pytest_plugins = ["tests.containers"]

# Folders whose tests share something that is slow to start -> the piece of work that one worker takes, so that it is
# started once. The largest piece is taken first.
TOGETHER = {
    "actions": "actions",
    "html": "html",
    "image": "image",
    "builders": "image",
    "oci": "image",
    "build_image": "image",
    "registry": "registry",
    "scoring": "scoring",
    "score_batch": "scoring",
    "score_model": "scoring",
    "serving": "serving",
}


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Hand out tests file by file, and the folders in TOGETHER whole: what their tests share is made once."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the piece of work of the test's folder or, where there is none, the test's file."""
        file = nodeid.partition("::")[0]
        return TOGETHER.get(file.split("/")[-2], file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderScheduling:
    """Take the scheduler above for `--numprocesses`."""
    return FolderScheduling(config, log)


def pytest_collection_finish() -> None:
    """Leave what was collected out of the garbage collector's rounds: there are thousands of items, and they stay."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let it go again: libraries complain at the end of what nobody collected."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Return the path of an outside program by its name."""
    return need_program


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run of the command line left behind."""

    code: int
    stdout: str
    stderr: str
    report: Mapping[str, Any]


def clean_environment(**extra: str) -> dict[str, str]:
    """Return an environment without the platform's and this project's variables, in which no cache outlives a run."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GITHUB_", "RUNNER_", "CD4ML_", "MLFLOW_"))
    }
    return {**kept, "CD4ML_MYPY_CACHE": "never", **extra}


def run_cd4ml(
    directory: Path, stage: str, *arguments: str, env: Mapping[str, str] | None = None, python: str = sys.executable
) -> Run:
    """Run `cd4ml <stage>` as a process of its own and return its report."""
    result = subprocess.run(
        [python, "-m", "cd4ml", stage, *arguments],
        cwd=directory,
        env=clean_environment(**(env or {}), PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    path = directory / "reports" / f"{stage}.json"
    report = sound(json.loads(path.read_text())) if path.exists() else {}
    return Run(code=result.returncode, stdout=result.stdout, stderr=result.stderr, report=report)


@pytest.fixture
def cd4ml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run `cd4ml <stage> …` in this process, in the test's own folder: quick, and warnings are errors."""
    from cd4ml.cli import main

    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("GITHUB_", "RUNNER_", "CD4ML_INPUT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CD4ML_MYPY_CACHE", "never")  # the cache of whoever runs the tests is not theirs

    def run(stage: str, *arguments: str, capsys: pytest.CaptureFixture[str] | None = None) -> Run:
        code = main([stage, *arguments])
        os.chdir(tmp_path)
        path = tmp_path / "reports" / f"{stage}.json"
        report = sound(json.loads(path.read_text())) if path.exists() else {}
        captured = capsys.readouterr() if capsys else None
        return Run(
            code=code,
            stdout=captured.out if captured else "",
            stderr=captured.err if captured else "",
            report=report,
        )

    return run
