"""What a report says of the commit that it is about."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cd4ml.git import Checkout


def checkout(folder: Path) -> Checkout:
    """Return the checkout around a folder, in this process's environment."""
    return Checkout(directory=folder, environ=os.environ)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of one commit."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text("SEED = 1\n")
    name = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    for arguments in (("init", "--quiet"), ("add", "."), (*name, "commit", "--quiet", "--message", "Start")):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def test_modified__names_tracked_files_that_differ(repository: Path) -> None:
    """A changed or removed file is named; new files and new times alone are not."""
    os.utime(repository / "train.py", (1, 1))
    (repository / "predictions.parquet").write_text("new")
    assert checkout(repository).modified() == []

    (repository / "train.py").write_text("SEED = 2\n")
    assert checkout(repository).modified() == ["train.py"]


def test_modified__is_unknown_outside_a_repository(tmp_path: Path) -> None:
    """Without a commit nothing is said to be unmodified."""
    assert (checkout(tmp_path).head(), checkout(tmp_path).modified()) == (None, None)


def test_repository_of_a_hook__is_not_the_one_around_the_folder(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR, which git sets for its hooks, does not make another repository's commit this one's."""
    commit = checkout(repository).head()
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "other")], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))

    assert commit and checkout(repository).head() == commit
