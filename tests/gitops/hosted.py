"""A GitOps repository on a platform: git over HTTP, the API beside it, and people who merge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gitops.conftest import GitOps, git
from tests.gitops.http import serve as serve_git
from tests.platform import REPOSITORY, Platform
from tests.platform import serve as serve_api


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """The repository, its platform and its address."""

    gitops: GitOps
    platform: Platform
    url: str

    @property
    def pull(self) -> Any:
        """The newest pull request."""
        return self.platform.pulls[-1]

    def asked(self, name: str = "credit/values.yaml") -> str:
        """Return what the newest pull request makes of a file."""
        return git(self.gitops.bare, "show", f"{self.pull['head']['ref']}:{name}")

    def merge(self, how: str) -> None:
        """Merge the newest pull request as the platform does, and delete its branch."""
        pull, work = self.pull, self.gitops.work
        branch, number, title = pull["head"]["ref"], pull["number"], pull["title"]
        git(work, "fetch", "--quiet", "origin", "main", branch)
        git(work, "checkout", "--quiet", "-B", "main", "origin/main")
        message = git(work, "log", "-1", "--format=%b", f"origin/{branch}")
        if how == "merge":
            git(
                work,
                "merge",
                "--quiet",
                "--no-ff",
                "-m",
                f"Merge pull request #{number}\n\n{title}",
                f"origin/{branch}",
            )
        elif how == "rebase":
            git(work, "cherry-pick", f"origin/{branch}")
        else:
            text = pull["body"] if how == "squash, with the request's text" else message
            git(work, "merge", "--quiet", "--squash", f"origin/{branch}")
            git(work, "commit", "--quiet", "--cleanup=verbatim", "-m", f"{title} (#{number})\n\n{text}")
        git(work, "push", "--quiet", "origin", "HEAD:main", f":{branch}")
        pull |= {"state": "closed", "merged_at": "2026-11-27T12:00:00Z"}


HOW = ("merge", "rebase", "squash, with the commit's text", "squash, with the request's text")


@contextmanager
def hosted(gitops: GitOps, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosted]:
    """Serve a repository and its API; the environment is that of a job there."""
    place = folder / "hosted" / REPOSITORY
    place.parent.mkdir(parents=True)
    place.with_suffix(".git").symlink_to(gitops.bare)
    git(gitops.bare, "config", "http.receivepack", "true")
    platform = Platform(git=gitops.bare)
    with serve_git(folder / "hosted") as server, serve_api(platform) as api:
        monkeypatch.setenv("GITHUB_SERVER_URL", f"http://127.0.0.1:{server.port}")
        monkeypatch.setenv("GITHUB_API_URL", api)
        monkeypatch.setenv("CD4ML_GIT_TOKEN", "t0ken")
        yield Hosted(gitops=gitops, platform=platform, url=f"http://127.0.0.1:{server.port}/{REPOSITORY}.git")
