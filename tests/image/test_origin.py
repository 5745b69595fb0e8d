"""Where an image says that it comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cd4ml.git import Checkout
from cd4ml.image.origin import CREATED, REVISION, SOURCE, origin

SHA = "a" * 40


def said(folder: Path, **environ: str) -> dict[str, str]:
    """Return the labels that a job with these variables makes."""
    own = {"PATH": "/usr/bin:/bin", **environ}
    checkout = Checkout(directory=folder, environ=own)
    return origin(own, checkout, checkout.head())


@pytest.fixture
def commit(tmp_path: Path) -> str:
    """A commit of 2023-11-14 in the folder, and its name."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    environ = {"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "1700000000 +0900", "HOME": str(tmp_path)}
    for arguments in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, env=environ, check=True)
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def test_the_commit_says_when_and_the_platform_where(tmp_path: Path, commit: str) -> None:
    """Source, revision and time of the commit: two builds of it say the same, whenever they run."""
    found = said(tmp_path, GITHUB_REPOSITORY="ada/loans")
    assert found == {SOURCE: "https://github.com/ada/loans", REVISION: commit, CREATED: "2023-11-14T22:13:20Z"}
    assert said(tmp_path, SOURCE_DATE_EPOCH="0")[CREATED] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("environ", "labels"),
    [
        ({}, {}),
        ({"GITHUB_SHA": SHA}, {REVISION: SHA}),
        (
            {"CI_COMMIT_SHA": SHA, "CI_PROJECT_URL": "https://gitlab.example/a/b"},
            {REVISION: SHA, SOURCE: "https://gitlab.example/a/b"},
        ),
        ({"GIT_URL": "https://user:secret@host/a.git?token=x"}, {SOURCE: "https://host/a.git"}),
        ({"GIT_URL": "git@host:a.git", "GIT_COMMIT": "main; id"}, {}),
        ({"GITHUB_REPOSITORY": "a\nb", "SOURCE_DATE_EPOCH": "x"}, {}),
    ],
)
def test_platforms_name_it_by_their_variables(tmp_path: Path, environ: dict[str, str], labels: dict[str, str]) -> None:
    """What is not known, or no such thing, is left out; no password is in an image."""
    assert said(tmp_path, **environ) == labels
