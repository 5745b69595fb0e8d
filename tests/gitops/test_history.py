"""An image that was rolled back stays out, whatever became of the history: it is asked as far as the question goes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest, State
from tests.conftest import Run
from tests.gitops.conftest import IMAGE, GitOps, git
from tests.gitops.http import serve
from tests.gitops.test_manifest import DEPLOYMENT, HELM, A

MANIFEST: Final = "credit/values.yaml"
OTHER: Final = "ghcr.io/owner/credit@sha256:" + "e" * 64
TRAILER: Final = f"Cd4ml-Image: {IMAGE}"
LEDGER: Final = "refs/cd4ml/ledger/main"

Stage = Callable[..., Run]


@pytest.fixture
def stage(cd4ml: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None]) -> Stage:
    """Run a stage; `image` is what build-image's report says."""

    def run(name: str, *arguments: str, image: str = IMAGE, manifest: str = MANIFEST, repository: str = "") -> Run:
        evidence("build-image", outputs={"image": image})
        return cd4ml(name, "--repository", repository or str(gitops.bare), "--manifest", manifest, *arguments)

    return run


@pytest.fixture
def rolled_back(stage: Stage, gitops: GitOps) -> GitOps:
    """Return the repository after a deployment and its roll-back, checked out."""
    assert stage("deploy-model").code == 0
    assert stage("promote-model", "--rollback").code == 0
    git(gitops.work, "pull", "--quiet", "origin", "main")
    return gitops


def push(gitops: GitOps, *options: str) -> None:
    """Push what is checked out."""
    git(gitops.work, "push", "--quiet", *options, "origin", "HEAD:main")


def noise(gitops: GitOps, count: int, *, manifest: bool = False) -> None:
    """Push many commits of others, which may change the manifest, too."""
    name = MANIFEST if manifest else "other/notes.txt"
    text = (gitops.work / MANIFEST).read_text() if manifest else ""
    lines = [f"from {git(gitops.work, 'rev-parse', 'HEAD').strip()}"]
    for number in range(count):
        content = f"{text}# {number}\n"
        head = "commit refs/heads/noise\ncommitter other <other@localhost> 1700000000 +0000\ndata 5\nnoise\n"
        start = lines.pop() + "\n" if number == 0 else ""
        lines.append(f"{head}{start}M 644 inline {name}\ndata {len(content)}\n{content}\n")
    subprocess.run(["git", "fast-import", "--quiet"], cwd=gitops.work, input="".join(lines).encode(), check=True)
    git(gitops.work, "reset", "--quiet", "--hard", "noise")
    push(gitops)


def stays_out(run: Run) -> bool:
    """Whether a deployment was refused because the image was taken back."""
    return (run.code, run.report["checks"][-1]["reason"]) == (1, "taken-back")


@pytest.mark.parametrize(("count", "manifest"), [(70, False), (700, False), (600, True)])
def test_many_commits_since__stays_out(stage: Stage, rolled_back: GitOps, count: int, manifest: bool) -> None:
    """Neither unrelated commits nor hundreds of the same file hide a roll-back, though one deployment lies nearer."""
    noise(rolled_back, count, manifest=manifest)
    assert stage("deploy-model", image=OTHER).code == 0
    head = rolled_back.head()

    assert stays_out(stage("deploy-model")) and rolled_back.head() == head


@pytest.mark.parametrize("filters", ["true", "false"])
def test_over_the_network__whether_or_not_the_server_filters(stage: Stage, rolled_back: GitOps, filters: str) -> None:
    """Over HTTP the whole history is fetched, without contents where the server can leave them out, and pushes work."""
    noise(rolled_back, 60, manifest=True)
    git(rolled_back.bare, "config", "http.receivepack", "true")
    git(rolled_back.bare, "config", "uploadpack.allowFilter", filters)
    # A deployment whose commit does not name its manifest, moved and changed at once: contents are needed to tell.
    git(rolled_back.work, "mv", "credit", "moved")
    rolled_back.commit("Move", {"moved/values.yaml": rolled_back.read() + "# moved\n"})

    with serve(rolled_back.bare.parent) as server:
        refused = stage("deploy-model", repository=server.url, manifest="moved/values.yaml")
        passed = stage("deploy-model", repository=server.url, manifest="moved/values.yaml", image=OTHER)

    assert stays_out(refused) and passed.code == 0
    git(rolled_back.bare, "fsck", "--strict")


def moved(gitops: GitOps) -> None:
    """Move the folder."""
    git(gitops.work, "mv", "credit", "apps")
    gitops.commit("Move", {})


def moved_twice(gitops: GitOps) -> None:
    """Move the folder, and once more with a change."""
    git(gitops.work, "mv", "credit", "models")
    gitops.commit("Move", {})
    git(gitops.work, "mv", "models", "apps")
    gitops.commit(
        "Move again", {"apps/values.yaml": (gitops.work / "apps" / "values.yaml").read_text() + "replicas: 2\n"}
    )


def moved_in_steps(gitops: GitOps) -> None:
    """Copy the folder, switch over, and remove the old one later."""
    gitops.commit("Copy", {"apps/values.yaml": (gitops.work / MANIFEST).read_text()})
    git(gitops.work, "rm", "-r", "--quiet", "credit")
    git(gitops.work, "commit", "--quiet", "--message", "Remove the old one")
    push(gitops)


def moved_and_made_again(gitops: GitOps) -> None:
    """Move the folder, and put another model where it was."""
    moved(gitops)
    gitops.commit("Another", {MANIFEST: HELM.replace("owner/credit", "owner/fraud")})


def moved_by_a_merge(gitops: GitOps) -> None:
    """Move the folder on a branch that is merged."""
    git(gitops.work, "switch", "--quiet", "--create", "restructure")
    git(gitops.work, "mv", "credit", "apps")
    git(gitops.work, "commit", "--quiet", "--message", "Move")
    git(gitops.work, "switch", "--quiet", "-")
    (gitops.work / "README").write_text("x")
    git(gitops.work, "add", "--all")
    git(gitops.work, "commit", "--quiet", "--message", "Meanwhile")
    git(gitops.work, "merge", "--quiet", "--no-ff", "--no-edit", "restructure")
    push(gitops)


@pytest.mark.parametrize("move", [moved, moved_twice, moved_in_steps, moved_and_made_again, moved_by_a_merge])
@pytest.mark.parametrize("named", [True, False])
def test_moved__stays_out(
    stage: Stage, gitops: GitOps, rolled_back: GitOps, move: Callable[[GitOps], None], named: bool
) -> None:
    """A manifest keeps its past wherever it is moved, also if the deploying commit does not say which file it was."""
    if not named:
        unnamed(gitops)
    move(gitops)

    assert stays_out(stage("deploy-model", manifest="apps/values.yaml"))


def unnamed(gitops: GitOps) -> None:
    """Rewrite the history as older versions of the suite wrote it: no manifest in the messages, and no ledger."""
    script = "FILTER_BRANCH_SQUELCH_WARNING=1 git filter-branch --force --msg-filter 'grep -v ^Cd4ml-Manifest:' HEAD"
    subprocess.run(script, shell=True, cwd=gitops.work, check=True, capture_output=True)
    push(gitops, "--force")
    git(gitops.bare, "update-ref", "-d", LEDGER)


@pytest.mark.parametrize("named", [True, False])
def test_other_manifest__is_its_own(stage: Stage, rolled_back: GitOps, named: bool) -> None:
    """What was rolled back in one environment may be deployed in another, and a preview that is gone blocks nobody."""
    if not named:
        unnamed(rolled_back)
    rolled_back.commit("More", {"eu/values.yaml": HELM + "zone: eu\n", "us/values.yaml": HELM + "zone: us\n"})
    assert stage("deploy-model", manifest="us/values.yaml").code == 0
    git(rolled_back.work, "pull", "--quiet", "origin", "main")
    git(rolled_back.work, "rm", "-r", "--quiet", "us")
    rolled_back.commit("Remove the preview", {})

    assert stage("deploy-model", manifest="eu/values.yaml").code == 0


def deployed_and_reverted(gitops: GitOps) -> str:
    """Deploy and revert on a branch of its own; return its commits' messages."""
    git(gitops.work, "switch", "--quiet", "--create", "release")
    message = f"Start canary\n\n{TRAILER}\nCd4ml-Source: {'f' * 40}\nCd4ml-Manifest: {MANIFEST}\n"
    (gitops.work / MANIFEST).write_text(Manifest(HELM).with_canary(image(IMAGE), 10))
    git(gitops.work, "commit", "--quiet", "--all", "--message", message)
    git(gitops.work, "revert", "--no-edit", "HEAD")
    git(gitops.work, "switch", "--quiet", "-")
    (gitops.work / "README").write_text("meanwhile")
    git(gitops.work, "add", "--all")
    git(gitops.work, "commit", "--quiet", "--message", "Meanwhile")
    return message


def merged(gitops: GitOps) -> None:
    """Merge the branch: to git's history of the path nothing has happened."""
    git(gitops.work, "merge", "--quiet", "--no-ff", "--no-edit", "release")


def merged_by_three(gitops: GitOps) -> None:
    """Merge the branch with two others at once."""
    for name in ("one", "two"):
        git(gitops.work, "switch", "--quiet", "--create", name)
        (gitops.work / name).write_text(name)
        git(gitops.work, "add", "--all")
        git(gitops.work, "commit", "--quiet", "--message", name)
        git(gitops.work, "switch", "--quiet", "-")
    git(gitops.work, "merge", "--quiet", "--no-edit", "one", "two", "release")


def merged_without_its_changes(gitops: GitOps) -> None:
    """Merge the branch before its revert, keeping what was there."""
    git(gitops.work, "merge", "--quiet", "--no-edit", "--strategy=ours", "release~1")


def squashed(gitops: GitOps) -> None:
    """Squash the branch as git does it: messages are indented."""
    git(gitops.work, "merge", "--quiet", "--squash", "release")
    text = (Path(git(gitops.work, "rev-parse", "--absolute-git-dir").strip()) / "SQUASH_MSG").read_text()
    git(gitops.work, "commit", "--quiet", "--allow-empty", "--message", text)


def squashed_by_a_forge(gitops: GitOps) -> None:
    """Squash the branch as forges do it: titles become items of a list."""
    message = git(gitops.work, "log", "-1", "--format=%B", "release~1")
    text = f"Release (#7)\n\n* {message}\n* Revert\n\nThis reverts it.\n\nCo-authored-by: x <x@localhost>\n"
    git(gitops.work, "commit", "--quiet", "--allow-empty", "--message", text)


@pytest.mark.parametrize("merge", [merged, merged_by_three, merged_without_its_changes, squashed, squashed_by_a_forge])
def test_other_branch__stays_out(stage: Stage, gitops: GitOps, merge: Callable[[GitOps], None]) -> None:
    """What was deployed and reverted on a branch that was merged, by whichever way, is known."""
    deployed_and_reverted(gitops)
    merge(gitops)
    push(gitops)

    assert stays_out(stage("deploy-model"))


def reset(gitops: GitOps) -> None:
    """Take the branch back to before the deployment."""
    git(gitops.work, "reset", "--quiet", "--hard", "HEAD~2")


def begun_again(gitops: GitOps) -> None:
    """Begin a new history with what is there."""
    head = git(gitops.work, "rev-parse", "HEAD").strip()
    git(gitops.work, "switch", "--quiet", "--orphan", "fresh")
    git(gitops.work, "checkout", "--quiet", head, "--", ".")
    git(gitops.work, "commit", "--quiet", "--message", "Begin again")


def reworded(gitops: GitOps) -> None:
    """Keep the changes, and lose the messages."""
    git(gitops.work, "reset", "--quiet", "--soft", "HEAD~2")
    git(gitops.work, "commit", "--quiet", "--allow-empty", "--message", "Tidy up")


@pytest.mark.parametrize("rewrite", [reset, begun_again, reworded])
def test_rewritten_branch__stays_out(
    stage: Stage, gitops: GitOps, rolled_back: GitOps, rewrite: Callable[[GitOps], None]
) -> None:
    """A force push that drops the deployment from the branch does not make anybody forget it; other images deploy."""
    rewrite(gitops)
    push(gitops, "--force")
    head = gitops.head()

    assert stays_out(stage("deploy-model")) and gitops.head() == head
    assert stage("deploy-model", image=OTHER).code == 0
    assert stays_out(stage("deploy-model"))


def test_rewritten_branch__provenance_and_way_back_stay_known(stage: Stage, gitops: GitOps) -> None:
    """After a new beginning the canary is still promoted on its evidence, and the promotion taken back."""
    assert stage("deploy-model").code == 0
    git(gitops.work, "pull", "--quiet", "origin", "main")
    begun_again(gitops)
    push(gitops, "--force")

    assert stage("promote-model", "--reports", "reports").code == 0
    git(gitops.work, "fetch", "--quiet", "origin")
    git(gitops.work, "switch", "--quiet", "--detach", "origin/main")
    git(gitops.work, "reset", "--quiet", "--soft", git(gitops.work, "rev-list", "--max-parents=0", "HEAD").strip())
    git(gitops.work, "commit", "--quiet", "--message", "Squash everything")
    push(gitops, "--force")
    assert stage("promote-model", "--rollback").code == 0
    assert Manifest(gitops.read()).state.stable == A


def test_ledger__holds_no_content_and_heals(stage: Stage, gitops: GitOps) -> None:
    """The ledger holds messages alone; a commit that it missed is added by the next run."""
    hook = gitops.bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/cd4ml/*) exit 1;; esac\n')
    hook.chmod(0o755)
    first = stage("deploy-model")
    assert (first.code, first.report["details"]["recorded"]) == (0, False)
    assert not git(gitops.bare, "for-each-ref", "refs/cd4ml")
    hook.unlink()

    second = stage("deploy-model", image=OTHER)

    assert (second.code, second.report["details"]["recorded"]) == (0, True)
    assert git(gitops.bare, "ls-tree", "-r", LEDGER) == ""
    entries = git(gitops.bare, "log", "--format=%B", LEDGER)
    assert entries.index(IMAGE) < entries.index(OTHER)
    assert [entries.count(f"Cd4ml-Commit: {sha}") for sha in git(gitops.bare, "rev-list", "-2", "main").split()] == [
        1,
        1,
    ]


def test_shallow_repository__inconclusive(stage: Stage, rolled_back: GitOps, tmp_path: Path) -> None:
    """A repository that itself holds only the newest commits cannot say what was taken back: nothing is deployed."""
    git(rolled_back.bare, "update-ref", "-d", LEDGER)
    noise(rolled_back, 3)
    git(tmp_path, "clone", "--quiet", "--bare", "--depth", "2", rolled_back.bare.as_uri(), "cut.git")
    cut = tmp_path / "cut.git"
    head = git(cut, "rev-parse", "main")

    run = stage("deploy-model", repository=str(cut))
    assert (run.code, run.report["status"], git(cut, "rev-parse", "main")) == (4, "inconclusive", head)
    assert run.report["checks"][-1]["reason"] == "incomplete-history"
    assert stage("deploy-model", "--on-inconclusive", "warn", repository=str(cut)).report["outputs"] == {}
    assert git(cut, "rev-parse", "main") == head
    assert stage("promote-model", "--rollback", repository=str(cut)).code == 3
    assert stage("deploy-model", "--redeploy", repository=str(cut)).code == 0


def test_rewritten_while_it_is_fetched__nothing_deployed(stage: Stage, rolled_back: GitOps) -> None:
    """If the branch is rewritten between the first look and the look at the whole history, nothing is assumed."""
    git(rolled_back.bare, "update-ref", "-d", LEDGER)
    noise(rolled_back, 60)
    git(rolled_back.bare, "config", "http.receivepack", "true")
    fresh = git(rolled_back.bare, "commit-tree", "-m", "Begin again", "main^{tree}").strip()
    asked: list[str] = []

    def answer(path: str) -> None:
        asked.extend([path] if "info/refs" in path and "upload" in path else [])
        if len(asked) == 2:
            git(rolled_back.bare, "update-ref", "refs/heads/main", fresh)

    with serve(rolled_back.bare.parent) as server:
        server.answer = answer
        run = stage("deploy-model", repository=server.url)

    assert stays_out(run) and len(asked) == 2
    assert rolled_back.head() == fresh


def test_commit_without_a_time__is_read(stage: Stage, rolled_back: GitOps) -> None:
    """A commit whose date cannot be read, as old tools made them, still says what it deployed."""
    raw = git(rolled_back.bare, "cat-file", "commit", "main~1").replace("test@localhost> ", "test@localhost> x")
    lines = [line if not line.startswith("committer") else "committer x <x> " for line in raw.split("\n")]
    command = ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
    text = "\n".join(lines).encode()
    made = subprocess.run(command, cwd=rolled_back.bare, input=text, capture_output=True, check=True).stdout.decode()
    tip = git(rolled_back.bare, "commit-tree", "-p", made.strip(), "-m", "Tip", "main^{tree}").strip()
    git(rolled_back.bare, "update-ref", "refs/heads/main", tip)
    git(rolled_back.bare, "update-ref", "-d", LEDGER)

    assert stays_out(stage("deploy-model"))


@pytest.mark.parametrize(
    "message",
    [
        f"Why it was bad\n\nThe commit said\n> {TRAILER}\n> Cd4ml-Manifest: {MANIFEST}\nand so on\n",
        f"Mention {TRAILER} in the title",
        f"Explain\n\nA line like `{TRAILER}` in a commit means a deployment.\n",
        f"Explain\n\n{TRAILER} is what we look for.\n",
        f"Document the format\n\n{TRAILER}\n",
    ],
)
def test_quoted_trailer__is_no_deployment(stage: Stage, gitops: GitOps, message: str) -> None:
    """A commit that only speaks of an image, and touches something else, has not deployed it."""
    gitops.commit(message, {"README": message})

    assert stage("deploy-model").code == 0


def test_replaced_objects__change_nothing(stage: Stage, rolled_back: GitOps) -> None:
    """Replacements and grafts that the server keeps for itself do not hide what the branch holds."""
    first = git(rolled_back.bare, "rev-list", "--max-parents=0", "main").strip()
    git(rolled_back.bare, "replace", "--graft", "main", first)

    run = stage("deploy-model")

    assert run.code != 0 and run.report["status"] in ("failed", "error")


def test_deployed_on_another_branch__is_that_branch_s(stage: Stage, gitops: GitOps) -> None:
    """Branches that were never merged have histories, and ledgers, of their own."""
    git(gitops.work, "push", "--quiet", "origin", "HEAD:staging")
    assert stage("deploy-model", "--branch", "staging").code == 0
    assert stage("promote-model", "--branch", "staging", "--rollback").code == 0

    assert stage("deploy-model").code == 0
    assert stays_out(stage("deploy-model", "--branch", "staging"))


@pytest.mark.parametrize("part", ["", "eu"])
def test_one_file_for_several__each_has_its_own_past(stage: Stage, gitops: GitOps, part: str) -> None:
    """Where one file serves two applications, what happened to the other neither blocks this one nor is taken back."""
    indented = "".join(f"  {line}\n" for line in HELM.splitlines())
    other = indented if part else indented.replace("owner/credit", "owner/fraud")
    gitops.commit("Both", {MANIFEST: f"eu:\n{indented}us:\n{other}"})
    theirs = IMAGE if part else OTHER.replace("owner/credit", "owner/fraud")
    elsewhere = ["--manifest-path", "us"] if part else []
    ours = ["--manifest-path", "eu"] if part else []
    named = [] if part else ["--image", IMAGE]

    assert stage("deploy-model", *elsewhere, image=theirs).code == 0
    back = [] if part else ["--image", theirs]
    assert stage("promote-model", "--rollback", *elsewhere, *back).code == 0
    assert stage("deploy-model", *ours).code == 0
    assert stage("promote-model", *ours, *named).code == 0
    assert stage("promote-model", "--rollback", *ours, *named).code == 0

    states = [Manifest(gitops.read(), part=name).state for name in ("eu", "us")]
    assert states == [State(stable=A, canary=None, weight=0)] * 2
    assert stays_out(stage("deploy-model", *ours)) and stays_out(stage("deploy-model", *elsewhere, image=theirs))


def test_part_renamed__stays_out(stage: Stage, gitops: GitOps) -> None:
    """A part of a file keeps its past under another name, and its neighbour is none the worse for it."""
    indented = "".join(f"  {line}\n" for line in HELM.splitlines())
    gitops.commit("Both", {MANIFEST: f"eu:\n{indented}us:\n{indented}"})
    assert stage("deploy-model", "--manifest-path", "eu").code == 0
    assert stage("promote-model", "--rollback", "--manifest-path", "eu").code == 0
    gitops.commit("Rename", {MANIFEST: gitops.read().replace("eu:", "europe:")})

    assert stays_out(stage("deploy-model", "--manifest-path", "europe"))


def test_part_renamed__of_its_own_repository(stage: Stage, gitops: GitOps) -> None:
    """So does one that is found by its repository alone."""
    deployment = DEPLOYMENT.replace("NAME", "credit").replace("DIGEST", A)
    other = DEPLOYMENT.replace("NAME", "fraud").replace("DIGEST", A).replace("owner/credit", "owner/fraud")
    gitops.commit("Both", {MANIFEST: f"{deployment}---\n{other}"})
    whole = ("--canary-weight", "100")
    assert stage("deploy-model", *whole, "--manifest-path", "credit").code == 0
    assert stage("promote-model", "--rollback", "--manifest-path", "credit").code == 0
    gitops.commit("Rename", {MANIFEST: gitops.read().replace("name: credit", "name: scores")})

    assert stays_out(stage("deploy-model", *whole))
