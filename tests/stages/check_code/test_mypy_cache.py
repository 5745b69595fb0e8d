"""check-code keeps mypy's cache where nobody whose code is judged can write to it, and the verdict is the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from cd4ml.code_tools import mypy_cache
from cd4ml.code_tools.tool import Output, Project
from cd4ml.context import Context
from cd4ml.errors import OptionsError
from tests.conftest import Run

GOOD = "def double(x: int) -> int:\n    return 2 * x\n"
WRONG = "def double(x: int) -> str:\n    return 2 * x\n"
Check = Callable[..., Run]


@pytest.fixture
def own_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Play the user's own machine; return the folder of its caches."""
    for name in mypy_cache.SYSTEMS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CD4ML_MYPY_CACHE", "auto")
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache / "cd4ml" / "mypy"


@pytest.fixture
def check(cd4ml: Callable[..., Run], tmp_path: Path) -> Check:
    """Check a module with mypy; every version of it has the same size and the same time."""

    def run(text: str, *arguments: str) -> Run:
        path = tmp_path / "module.py"
        path.write_text(text)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        return cd4ml("check-code", "--paths", "module.py", "--tools", "mypy", "--python", sys.executable, *arguments)

    return run


def kept(folder: Path) -> list[Path]:
    """Return the caches that are kept below a folder."""
    return sorted(path for path in folder.glob("*/*") if path.is_dir())


def verdict(run: Run) -> tuple[int, object]:
    """Return what a run decided."""
    return run.code, run.report["checks"]


def test_own_machine__kept_and_read(check: Check, own_machine: Path, tmp_path: Path) -> None:
    """The second run is told what the first one found out, with the same verdict; the repository stays clean."""
    first, second, without = check(GOOD), check(GOOD), check(GOOD, "--mypy-cache", "never")
    (cache,) = kept(own_machine)
    files = json.loads((cache / "cd4ml-files.json").read_text())

    assert verdict(first) == verdict(second) == verdict(without) and first.code == 0
    assert [Path(name).name for name in files] == ["module.py"]
    assert not (tmp_path / ".mypy_cache").exists()

    # That it is read shows where it lies: mypy takes a file of the same size and time for the one that it knows.
    lie = {name: [size, seconds, sha256(WRONG.encode()).hexdigest()] for name, (size, seconds, _) in files.items()}
    (cache / "cd4ml-files.json").write_text(json.dumps(lie))
    assert check(WRONG).code == 0


def test_file_that_looks_unchanged__is_read_again(check: Check, own_machine: Path) -> None:
    """An error in a file that has kept its size and its time is found: no cache is trusted about such a file."""
    assert check(GOOD).code == 0
    assert kept(own_machine)

    wrong = check(WRONG)

    assert wrong.code == 1
    assert verdict(wrong) == verdict(check(WRONG, "--mypy-cache", "never")) == verdict(check(WRONG))


def test_cache_in_the_repository__is_not_read(check: Check, own_machine: Path, tmp_path: Path) -> None:
    """A cache that the code under test brings along, in which its error is none, changes no verdict."""
    assert check(GOOD).code == 0
    (tmp_path / "mypy.ini").write_text("[mypy]\ncache_dir = .mypy_cache\n")
    made = subprocess.run([sys.executable, "-m", "mypy", "module.py"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0 and (tmp_path / ".mypy_cache").is_dir(), made.stdout

    assert check(WRONG).code == 1
    believed = subprocess.run([sys.executable, "-m", "mypy", "module.py"], cwd=tmp_path, capture_output=True, text=True)
    assert believed.returncode == 0  # the cache would have had its effect


@pytest.mark.parametrize(("mode", "read"), [(0o700, True), (0o755, True), (0o775, False), (0o707, False)])
def test_folder_of_others__is_not_read(mode: int, read: bool, tmp_path: Path) -> None:
    """A cache to which others can write is not read, however good it looks."""
    project = Project(paths=(), scratch=tmp_path / "scratch", probe=Path("x"))
    (project.scratch / "mypy").mkdir(parents=True)
    cache = mypy_cache.Cache(folder=tmp_path / "kept" / "project" / "key", writes=True)
    cache.finish(project, Output(code=0, stdout="", stderr=""))
    shutil.rmtree(project.scratch / "mypy")
    cache.folder.chmod(mode)

    cache.restore(project)

    assert (project.scratch / "mypy").exists() is read


def found(wanted: str, directory: Path, **environ: str) -> mypy_cache.Cache | None:
    """Return where a project's cache would be."""
    project = Project(paths=(), scratch=directory, probe=Path("x"), top=directory)
    context = Context(directory=directory, environ=environ, cache=directory.parent / "user")
    return mypy_cache.find(wanted, project, ("python",), context)


def event(tmp_path: Path, name: str, ref: str) -> Mapping[str, str]:
    """Return the variables of a run on GitHub."""
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"repository": {"default_branch": "main"}}))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_NAME": name,
        "GITHUB_REF": ref,
        "GITHUB_EVENT_PATH": str(path),
    }


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"GITHUB_ACTIONS": "true"}, {"JENKINS_URL": "http://j"}])
def test_continuous_integration__none(variables: dict[str, str], tmp_path: Path) -> None:
    """In continuous integration no cache is kept, unless a folder is named."""
    assert found("auto", tmp_path, **variables) is None
    assert found("auto", tmp_path) is not None
    assert found("never", tmp_path) is None


@pytest.mark.parametrize("folder", [".", "cache", ".git/cache", "link"])
def test_folder_in_the_repository__refused(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that a pull request can write to, by a file or by a link, is refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path.parent / f"{tmp_path.name}-link").symlink_to(tmp_path / "cache")
    named = str(tmp_path.parent / f"{tmp_path.name}-link") if folder == "link" else folder

    with pytest.raises(OptionsError, match="lies in the repository, where the code that is judged can write"):
        found(named, tmp_path, CI="true")


@pytest.mark.parametrize(
    ("name", "ref", "writes"),
    [
        ("push", "refs/heads/main", True),
        ("schedule", "refs/heads/main", True),
        ("push", "refs/heads/feature", False),
        ("push", "refs/tags/main", False),
        ("pull_request", "refs/pull/7/merge", False),
        ("pull_request_target", "refs/heads/main", False),
        ("merge_group", "refs/heads/gh-readonly-queue/main/pr-7", False),
        ("workflow_run", "refs/heads/main", False),
    ],
)
def test_named_folder__written_for_the_default_branch_only(name: str, ref: str, writes: bool, tmp_path: Path) -> None:
    """Every run reads a folder that is named; only one whose code is that of the default branch writes to it."""
    (tmp_path / "repository").mkdir()
    cache = found(str(tmp_path / "outside"), tmp_path / "repository", **event(tmp_path, name, ref))

    assert cache is not None and cache.writes is writes
    scratch = tmp_path / "scratch"
    (scratch / "mypy").mkdir(parents=True)
    cache.finish(Project(paths=(), scratch=scratch, probe=Path("x")), Output(code=0, stdout="", stderr=""))
    assert bool(kept(tmp_path / "outside")) is writes


@pytest.mark.parametrize(
    ("variables", "writes"),
    [
        ({"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}, True),
        ({"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "x", "CI_DEFAULT_BRANCH": "main"}, False),
        ({"GITLAB_CI": "true"}, False),  # of a merge request
        ({"JENKINS_URL": "http://j", "BRANCH_IS_PRIMARY": "true"}, True),
        ({"JENKINS_URL": "http://j"}, False),
    ],
)
def test_other_systems__written_for_the_default_branch_only(
    variables: dict[str, str], writes: bool, tmp_path: Path
) -> None:
    """GitLab and Jenkins say which branch it is as well; where nobody says it, nothing is written."""
    (tmp_path / "repository").mkdir()
    cache = found(str(tmp_path / "outside"), tmp_path / "repository", **variables)

    assert cache is not None and cache.writes is writes


def test_run_that_did_not_end_well__nothing_is_kept(tmp_path: Path) -> None:
    """After a crash of mypy the cache goes: it may be what made it crash."""
    cache = mypy_cache.Cache(folder=tmp_path / "kept" / "project" / "key", writes=True)
    cache.folder.mkdir(parents=True)

    cache.finish(Project(paths=(), scratch=tmp_path, probe=Path("x")), Output(code=2, stdout="", stderr="boom"))

    assert not cache.folder.exists()
