"""Who goes first: newer commits over older ones that finish late, and people over pipelines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests.conftest import Run
from tests.gitops.conftest import IMAGE, GitOps, git
from tests.gitops.test_manifest import HELM, A

MANIFEST = "credit/values.yaml"
OTHER = image("ghcr.io/owner/credit@sha256:" + "d" * 64)


@pytest.fixture
def deploy(cd4ml: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None]) -> Callable[..., Run]:
    """Run deploy-model with all evidence."""
    evidence()

    def run(*arguments: str) -> Run:
        return cd4ml("deploy-model", "--repository", str(gitops.bare), "--manifest", MANIFEST, *arguments)

    return run


def deployed_by_another(gitops: GitOps, source: str, when: int | None) -> None:
    """Deploy another image as a run on another commit does, right after that commit was made."""
    time = f"Cd4ml-Source-Time: {when}\n" if when is not None else ""
    text = Manifest(gitops.read()).with_canary(OTHER, 10)
    gitops.commit(f"Start canary\n\nCd4ml-Image: {OTHER}\nCd4ml-Source: {source}\n{time}", {MANIFEST: text})


def now(directory: Path) -> int:
    """Return when the source's commit was made."""
    return int(git(directory, "show", "--no-patch", "--format=%ct", "HEAD"))


def test_older_run_that_finishes_late__blocked(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """A newer commit that this checkout does not know is told by its time, and its image stays."""
    deployed_by_another(gitops, "f" * 40, now(tmp_path) + 60)
    head = gitops.head()

    run = deploy()

    assert (run.code, run.report["checks"][-1]["reason"], gitops.head()) == (1, "superseded", head)


def test_descendant__is_newer_whatever_its_date(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """Where the checkout knows both commits, ancestry decides, not the clock."""
    tree = git(tmp_path, "rev-parse", "HEAD^{tree}").strip()
    child = git(tmp_path, "commit-tree", tree, "-p", "HEAD", "-m", "Child").strip()
    deployed_by_another(gitops, child, now(tmp_path) - 3600)

    run = deploy()

    assert (run.code, run.report["checks"][-1]["reason"]) == (1, "superseded")


def test_ancestor__is_older_whatever_its_date(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """What was deployed from an ancestor is replaced, even if its clock was ahead."""
    parent = git(tmp_path, "rev-parse", "HEAD").strip()
    deployed_by_another(gitops, parent, now(tmp_path) + 3600)
    # The evidence is about HEAD; its parent is what the manifest names.
    tree = git(tmp_path, "rev-parse", "HEAD^{tree}").strip()
    child = git(tmp_path, "commit-tree", tree, "-p", parent, "-m", "Child").strip()
    git(tmp_path, "reset", "--quiet", "--soft", child)
    for path in (tmp_path / "reports").glob("*.json"):
        path.write_text(path.read_text().replace(parent, child))

    assert deploy().code == 0
    assert Manifest(gitops.read()).state.canary == IMAGE[-71:]


@pytest.mark.parametrize("when", [None, -60])
def test_older_or_undated_deployment__replaced(
    deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path, when: int | None
) -> None:
    """What was deployed from an older commit, or by a commit that does not say when, is replaced."""
    deployed_by_another(gitops, "f" * 40, None if when is None else now(tmp_path) + when)

    assert deploy().code == 0
    assert Manifest(gitops.read()).state.canary == IMAGE[-71:]


@pytest.mark.parametrize("ahead", [3600, 86_400 * 365, 10**11, 10**30])
def test_commit_dated_in_the_future__blocks_nobody(
    deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path, ahead: int
) -> None:
    """A commit cannot have been made after it was deployed: such a date, whatever it is, holds up no later run."""
    deployed_by_another(gitops, "f" * 40, now(tmp_path) + ahead)

    assert deploy().code == 0
    assert Manifest(gitops.read()).state.canary == IMAGE[-71:]


def test_commit_and_deployment_dated_in_the_future__block_nobody(
    deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do a commit and its deployment by a machine whose clock is a day ahead."""
    tomorrow = now(tmp_path) + 86_400
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{tomorrow} +0000")
    deployed_by_another(gitops, "f" * 40, tomorrow)
    monkeypatch.delenv("GIT_COMMITTER_DATE")

    assert deploy().code == 0


def test_canary_that_a_merge_kept__goes_first(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """Of two merged branches the one whose canary runs counts, though the other's deployment is listed first."""
    deployed_by_another(gitops, "f" * 40, now(tmp_path) + 60)
    git(gitops.work, "switch", "--quiet", "--create", "side", "HEAD~1")
    third = image("ghcr.io/owner/credit@sha256:" + "9" * 64)
    (gitops.work / MANIFEST).write_text(Manifest(HELM).with_canary(third, 10))
    message = f"Start canary\n\nCd4ml-Image: {third}\nCd4ml-Source: {'e' * 40}\nCd4ml-Source-Time: 1\n"
    git(gitops.work, "commit", "--quiet", "--all", "--message", message)
    git(gitops.work, "switch", "--quiet", "-")
    git(gitops.work, "merge", "--quiet", "--no-edit", "--strategy=ours", "side")
    git(gitops.work, "push", "--quiet", "origin", "HEAD:main")

    assert deploy().report["checks"][-1]["reason"] == "superseded"


@pytest.mark.parametrize("source", ["--output=marker", "HEAD; touch marker", "@{-1}"])
def test_hostile_trailer__is_only_text(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path, source: str) -> None:
    """A trailer that reads like an option or a command is neither passed to git nor run."""
    deployed_by_another(gitops, source, None)

    assert deploy().code == 0
    assert not list(tmp_path.rglob("marker"))


def test_redeploy__goes_first(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """Whoever says so explicitly deploys an older commit's image."""
    deployed_by_another(gitops, "f" * 40, now(tmp_path) + 60)

    assert deploy("--redeploy").code == 0
    assert Manifest(gitops.read()).state.canary == IMAGE[-71:]


def test_decided_anew_after_a_lost_race(deploy: Callable[..., Run], gitops: GitOps, tmp_path: Path) -> None:
    """A newer deployment that lands between our look and our push goes first, too."""
    hook = gitops.bare / "hooks" / "pre-receive"
    # The first push meets a branch that has just moved: the newer deployment lands inside the hook.
    newer = tmp_path / "newer"
    git(tmp_path, "clone", "--quiet", str(gitops.bare), str(newer))
    text = Manifest(HELM).with_canary(OTHER, 10)
    (newer / MANIFEST).write_text(text)
    message = f"Start\n\nCd4ml-Image: {OTHER}\nCd4ml-Source: {'f' * 40}\nCd4ml-Source-Time: {now(tmp_path) + 60}\n"
    git(newer, "commit", "--quiet", "--all", "--message", message)
    git(newer, "push", "--quiet", "origin", "HEAD:refs/heads/waiting")
    sha = git(newer, "rev-parse", "HEAD").strip()
    script = f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {sha}\n"
    hook.write_text(script)
    hook.chmod(0o755)

    run = deploy()

    assert (run.code, run.report["checks"][-1]["reason"], gitops.head()) == (1, "superseded", sha)


def test_switched_off_by_hand__stays_off(deploy: Callable[..., Run], gitops: GitOps) -> None:
    """Whoever switches the canary off by an ordinary commit is not overruled by a run that is repeated."""
    deploy()
    gitops.commit("Too slow", {MANIFEST: gitops.read().replace("enabled: true", "enabled: false")})
    head = gitops.head()

    run = deploy()

    assert (run.code, run.report["checks"][-1]["reason"], gitops.head()) == (1, "taken-back", head)
    assert deploy("--redeploy").code == 0


def test_pinned_by_hand__stays_pinned(deploy: Callable[..., Run], gitops: GitOps) -> None:
    """Whoever puts another image in place of the canary by hand is not overruled by a run that is repeated."""
    deploy()
    gitops.commit("Pin", {MANIFEST: gitops.read().replace(IMAGE[-71:], A)})

    assert deploy().report["checks"][-1]["reason"] == "taken-back"


def test_weight_set_by_hand__kept_until_another_is_ordered(deploy: Callable[..., Run], gitops: GitOps) -> None:
    """The same order again leaves a weight that somebody set since; an order of another weight sets it."""
    deploy("--canary-weight", "10")
    gitops.commit("Ramp up", {MANIFEST: gitops.read().replace("weight: 10", "weight: 50")})
    head = gitops.head()

    assert (deploy("--canary-weight", "10").code, gitops.head()) == (0, head)
    assert deploy("--canary-weight", "75").code == 0
    assert Manifest(gitops.read()).state.weight == 75


def test_already_stable__nothing_to_do(deploy: Callable[..., Run], gitops: GitOps) -> None:
    """An image that serves everything is not made a canary of itself."""
    gitops.commit("Promoted", {MANIFEST: HELM.replace(A, IMAGE[-71:])})
    head = gitops.head()

    run = deploy()

    assert (run.code, gitops.head()) == (0, head)
    assert "all of the traffic" in run.report["summary"]
