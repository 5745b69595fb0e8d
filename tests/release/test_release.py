"""`bin/release` in a scratch repository with a bare remote: what is released, what is refused, what can be repeated."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import ROOT, clean_environment

TODAY: Final = "2026-01-02"
_IDENTITY: Final = ("-c", "user.name=test", "-c", "user.email=test@localhost")


class Repository:
    """A clone with a remote, and a stand-in of the platform's releases."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder / "clone", folder / "releases.json"
        self.fails = ""
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", folder / "remote"], check=True)
        subprocess.run(["git", "clone", "--quiet", folder / "remote", self.folder], check=True, stderr=-1)
        self.git("checkout", "--quiet", "-B", "main")
        for name in (
            "action.yml",
            "actions/plan/action.yml",
            ".github/workflows/pipeline.yml",
            "requirements/core.txt",
        ):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text((ROOT / name).read_text())
        (self.folder / "cd4ml").mkdir()

    def git(self, *arguments: str) -> str:
        """Run git in the clone."""
        ran = subprocess.run(
            ["git", *_IDENTITY, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    def version(
        self, version: str, *, changelog: str | None = None, tag: str | None = None, branch: str = "main"
    ) -> str:
        """Commit a version, tag it and push both; return the commit."""
        text = changelog or f"# Changelog\n\n## Unreleased\n\n## {version} ({TODAY})\n\n- News of {version}.\n"
        (self.folder / "CHANGELOG.md").write_text(text)
        (self.folder / "cd4ml" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", version)
        self.git("tag", "--annotate", "--message", version, tag or f"v{version}")
        self.git("push", "--quiet", "origin", branch, tag or f"v{version}")
        return self.git("rev-parse", "HEAD")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a step of the release."""
        path = f"{ROOT / 'tests' / 'release'}{os.pathsep}{os.environ['PATH']}"
        more = {"PATH": path, "GH_STORE": str(self.store), "GH_FAILS": self.fails, "GITHUB_REPOSITORY": "acme/cd4ml"}
        command = [sys.executable, str(ROOT / "bin" / "release"), *arguments]
        env = clean_environment(**more)
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def release(self, tag: str) -> None:
        """Run every step as the workflow does; each must end well."""
        dist = self.folder.parent / f"dist-{tag}"
        dist.mkdir(exist_ok=True)
        (dist / "cd4ml.whl").write_text(tag)
        steps = (("check", tag), ("assets", tag, str(dist)), ("publish", tag, str(dist)), ("move", tag))
        for step in steps:
            ran = self.run(*step)
            assert ran.returncode == 0, ran.stderr

    def tags(self) -> dict[str, str]:
        """Return the commit of each tag on the remote."""
        lines = self.git("ls-remote", "--tags", "origin").splitlines()
        found = {line.split("\t")[1].removeprefix("refs/tags/"): line.split("\t")[0] for line in lines}
        return {name: found.get(f"{name}^{{}}", commit) for name, commit in found.items() if "^" not in name}

    def releases(self) -> dict[str, Any]:
        """Return the platform's releases."""
        return dict(json.loads(self.store.read_text())) if self.store.exists() else {}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Make a repository without a release."""
    return Repository(tmp_path)


def test_versions__first_patch_minor_major(repository: Repository) -> None:
    """Each release moves the tags of its major and its minor, and leaves those of others where they are."""
    commits = {}
    for version in ("1.0.0", "1.0.1", "1.1.0", "2.0.0"):
        commits[version] = repository.version(version)
        repository.release(f"v{version}")

    tags = repository.tags()
    assert (tags["v1"], tags["v1.0"], tags["v1.1"]) == (commits["1.1.0"], commits["1.0.1"], commits["1.1.0"])
    assert (tags["v2"], tags["v2.0"]) == (commits["2.0.0"], commits["2.0.0"])
    assert {name: one["draft"] for name, one in repository.releases().items()} == {f"v{one}": False for one in commits}
    assert "- News of 1.1.0." in repository.releases()["v1.1.0"]["notes"]
    assert commits["1.1.0"] in repository.releases()["v1.1.0"]["notes"]


def test_patch_of_an_old_minor(repository: Repository) -> None:
    """A fix for an old minor moves that minor's tag, while the major's tag stays at what is newer."""
    repository.version("1.0.0")
    repository.release("v1.0.0")
    newest = repository.version("1.1.0")
    repository.release("v1.1.0")
    repository.git("checkout", "--quiet", "-b", "release/v1.0", "v1.0.0")
    fix = repository.version("1.0.1", branch="release/v1.0")
    repository.release("v1.0.1")

    tags = repository.tags()
    assert (tags["v1.0"], tags["v1.1"], tags["v1"]) == (fix, newest, newest)
    assert [one["latest"] for one in repository.releases().values()] == ["true", "true", "false"]


def test_assets(repository: Repository) -> None:
    """The lock names every action by commit and digest and what it pins, and the checksums cover what is attached."""
    commit = repository.version("1.0.0")
    repository.release("v1.0.0")
    dist = repository.folder.parent / "dist-v1.0.0"

    lock = json.loads((dist / "actions.lock").read_text())
    assert list(lock["uses"]) == [
        "acme/cd4ml",
        "acme/cd4ml/actions/plan",
        "acme/cd4ml/.github/workflows/pipeline.yml",
    ]
    digest = hashlib.sha256((ROOT / "actions" / "plan" / "action.yml").read_bytes()).hexdigest()
    assert lock["uses"]["acme/cd4ml/actions/plan"] == {"ref": f"acme/cd4ml/actions/plan@{commit}", "sha256": digest}
    assert lock["pinned"]["actions/checkout"]["ref"] == "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
    assert set(repository.releases()["v1.0.0"]["assets"]) == {
        *("cd4ml.whl", "actions.lock", "sbom.cdx.json", "checksums.txt"),
    }
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "checksums.txt"], cwd=dist, check=True)
    components = json.loads((dist / "sbom.cdx.json").read_text())["components"]
    assert [one["name"] for one in components] == ["pyyaml", "uv"]
    assert all(len(one["externalReferences"][0]["hashes"]) > 1 for one in components)


@pytest.mark.parametrize(
    ("changelog", "said"),
    [
        ("## Unreleased\n\n- More.\n\n## 1.0.0 (2026-01-02)\n\n- News.\n", "still has lines under Unreleased"),
        ("## Unreleased\n\n## 1.0.0 (not released)\n\n- News.\n", "no section `## 1.0.0 (<date>)`"),
        ("## 1.0.0 (2026-02-30)\n\n- News.\n", "2026-02-30 is not a date"),
        ("## 1.0.0 (2999-01-01)\n\n- News.\n", "still to come"),
        ("## 1.0.0 (2026-01-02)\n\n## 0.9.0 (2026-01-01)\n\n- Old.\n", "no section"),
        ("# Changelog\n", "no section"),
    ],
)
def test_changelog__refused(changelog: str, said: str, repository: Repository) -> None:
    """A changelog without a dated section of its own for the version, or with lines left over, stops the release."""
    repository.version("1.0.0", changelog=changelog)

    ran = repository.run("check", "v1.0.0")

    assert ran.returncode == 1 and said in ran.stderr


def test_tag__not_a_version(repository: Repository) -> None:
    """Only three numbers after a v are a release."""
    for tag in ("v1.0", "v1", "1.0.0", "v1.0.0-rc1", "v01.0.0", "v1.0.0.0", "main"):
        ran = repository.run("check", tag)
        assert ran.returncode == 1 and "is not a tag of a release" in ran.stderr, tag


def test_tag__of_another_version(repository: Repository) -> None:
    """A tag that does not name the version in the code stops the release."""
    repository.version("1.0.0", tag="v1.0.1")

    ran = repository.run("check", "v1.0.1")

    assert ran.returncode == 1 and "The tag is v1.0.1, but cd4ml/__init__.py says 1.0.0." in ran.stderr


def test_tag__elsewhere(repository: Repository) -> None:
    """A tag that the remote lacks, that names another commit there, or that is on no reviewed branch is refused."""
    repository.version("1.0.0")
    repository.git("push", "--quiet", "--delete", "origin", "v1.0.0")
    assert "The remote has no tag v1.0.0" in repository.run("check", "v1.0.0").stderr

    repository.git("push", "--quiet", "origin", "v1.0.0")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "more")
    assert "is checked out" in repository.run("check", "v1.0.0").stderr

    repository.git("checkout", "--quiet", "-b", "topic")
    repository.version("1.0.1", branch="topic")
    ran = repository.run("check", "v1.0.1")
    assert ran.returncode == 1 and "neither main nor a branch release" in ran.stderr


@pytest.mark.parametrize("step", ["create", "edit"])
def test_half_a_failure(step: str, repository: Repository) -> None:
    """After a failure nothing points at the version; a second run makes it whole, and a third changes nothing."""
    commit = repository.version("1.0.0")
    repository.fails = step
    with pytest.raises(AssertionError, match="HTTP 502"):
        repository.release("v1.0.0")
    moved = repository.run("move", "v1.0.0")
    assert moved.returncode == 1 and "no published release v1.0.0" in moved.stderr
    assert "v1" not in repository.tags()

    repository.fails = ""
    repository.release("v1.0.0")
    first = (repository.tags(), repository.releases())
    repository.release("v1.0.0")

    assert (repository.tags(), repository.releases()) == first
    assert repository.tags()["v1"] == commit and not repository.releases()["v1.0.0"]["draft"]


def test_published_is_immutable(repository: Repository) -> None:
    """A release that is published with other files is not touched: that is a new version."""
    repository.version("1.0.0")
    repository.release("v1.0.0")
    dist = repository.folder.parent / "dist-v1.0.0"
    (dist / "more.txt").write_text("more")

    ran = repository.run("publish", "v1.0.0", str(dist))

    assert ran.returncode == 1 and "make a new version" in ran.stderr


def test_move__never_backwards(repository: Repository) -> None:
    """Running an old release again leaves the moving tags where they are."""
    repository.version("1.0.0")
    repository.release("v1.0.0")
    repository.version("1.0.1")
    repository.release("v1.0.1")
    before = repository.tags()
    repository.git("checkout", "--quiet", "v1.0.0")

    ran = repository.run("move", "v1.0.0")

    assert ran.returncode == 0 and "v1 stays at v1.0.1, which is newer." in ran.stdout
    assert repository.tags() == before


def test_move__not_from_an_unknown_place(repository: Repository) -> None:
    """A moving tag that somebody put on a commit without a version is left alone, and that is said."""
    repository.version("1.0.0")
    repository.release("v1.0.0")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "mine")
    repository.git("push", "--quiet", "--force", "origin", "HEAD:refs/tags/v1")
    mine = repository.tags()["v1"]
    repository.version("1.0.1")

    with pytest.raises(AssertionError, match="which is no version"):
        repository.release("v1.0.1")
    assert repository.tags()["v1"] == mine


def test_move__never_the_tag_of_a_release(repository: Repository) -> None:
    """Where a moving tag has a release, which holds its tag, the move is refused."""
    repository.version("1.0.0")
    repository.release("v1.0.0")
    stored = repository.releases()
    repository.store.write_text(json.dumps({**stored, "v1": {"draft": False, "assets": []}}))
    repository.version("1.0.1")

    with pytest.raises(AssertionError, match="a release's tag must not move"):
        repository.release("v1.0.1")
