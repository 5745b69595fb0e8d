"""A real GitOps repository on disk, and reports as the stages write them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.gitops.test_manifest import HELM
from tests.reports import FINE
from tests.reports import write as write_report

REQUIRED = ("check-code", "validate-data", "evaluate-model", "audit-fairness", "build-image")
CHECKS = {"build-image": "model-code"}
MODEL = "c" * 64
IMAGE = "ghcr.io/owner/credit@sha256:" + "b" * 64


def git(directory: Path, *arguments: str) -> str:
    """Run git and return what it printed."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout


class GitOps:
    """A bare repository with one values file."""

    def __init__(self, folder: Path) -> None:
        """Make the repository and its first commit."""
        self.bare = folder / "gitops.git"
        self.work = folder / "work"
        git(folder, "init", "--quiet", "--bare", str(self.bare))
        git(folder, "clone", "--quiet", str(self.bare), str(self.work))
        self.commit("Serve credit", {"credit/values.yaml": HELM})

    def commit(self, message: str, files: dict[str, str]) -> str:
        """Commit files as somebody else would, and push."""
        if (self.work / "credit").exists():
            git(self.work, "pull", "--quiet", "--ff-only", "origin", "main")
        for name, text in files.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(text)
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "--message", message)
        git(self.work, "push", "--quiet", "origin", "HEAD:main")
        return self.head()

    def head(self) -> str:
        """Return the newest commit."""
        return git(self.bare, "rev-parse", "main").strip()

    def count(self) -> int:
        """Return the number of commits."""
        return int(git(self.bare, "rev-list", "--count", "main"))

    def read(self, name: str = "credit/values.yaml") -> str:
        """Return a file of the newest commit."""
        return git(self.bare, "show", f"main:{name}")


@pytest.fixture
def gitops(tmp_path: Path) -> GitOps:
    """Return a GitOps repository."""
    (tmp_path / "remote").mkdir()
    return GitOps(tmp_path / "remote")


@pytest.fixture
def evidence(tmp_path: Path) -> Callable[..., None]:
    """Write the reports of all required stages; keyword arguments change one of them."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("*\n")
    git(tmp_path, "add", "--force", ".gitignore")
    git(tmp_path, "commit", "--quiet", "--message", "Source")
    return partial(write_evidence, tmp_path, git(tmp_path, "rev-parse", "HEAD").strip(), IMAGE, MODEL)


def write_evidence(
    folder: Path, commit: str, image: str, model: str, changed: str | None = None, /, **changes: Any
) -> None:
    """Write the reports of all required stages about a commit and an image; keyword arguments change one of them."""
    for name in REQUIRED:
        about_model = name in REQUIRED[2:]
        report: dict[str, Any] = {
            "source": {"git_sha": commit, "modified": []},
            "candidate": {"uri": "models:/credit/1", "sha256": model} if about_model else None,
            "checks": [FINE | {"id": CHECKS.get(name, "x")}],
            "outputs": {"image": image} if name == "build-image" else {},
        }
        write_report(folder / "reports", name, **report | (changes if name == changed else {}))
