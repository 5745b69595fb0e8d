"""deploy-model where the branch is protected: one request for each application, and a merge is found by later runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from cd4ml.gitops.pulls import SUPERSEDED
from tests.conftest import Run
from tests.gitops.conftest import IMAGE, GitOps, git
from tests.gitops.hosted import HOW, Hosted, hosted
from tests.gitops.test_manifest import HELM
from tests.platform import pull
from tests.reports import FINE

CANARY = Manifest(HELM).with_canary(image(IMAGE), 10)
OTHER = IMAGE.replace("b" * 64, "e" * 64)
Deploy = Callable[..., Run]


@pytest.fixture
def there(
    cd4ml: Callable[..., Run], gitops: GitOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hosted]:
    """Serve the repository on a platform."""
    with hosted(gitops, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def deploy(cd4ml: Callable[..., Run], there: Hosted) -> Deploy:
    """Run deploy-model, which asks for its change in a pull request."""

    def run(*arguments: str, repository: str | None = None) -> Run:
        target = ("--repository", repository or there.url, "--manifest", "credit/values.yaml")
        return cd4ml("deploy-model", *target, "--write-back", "pull-request", *arguments)

    return run


def other_evidence(folder: Path, evidence: Callable[..., None], *, newer: bool) -> None:
    """Write the reports of a run for another image, on a commit that is newer or older than the first run's."""
    first = git(folder, "rev-parse", "HEAD").strip()
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Later")
    second = git(folder, "rev-parse", "HEAD").strip()
    if not newer:
        git(folder, "checkout", "--quiet", first)
    evidence("build-image", outputs={"image": OTHER})
    if newer:
        for path in (folder / "reports").glob("*.json"):
            path.write_text(path.read_text().replace(first, second))


@pytest.mark.parametrize("by", ["git", "api"])
def test_asks__and_changes_nothing(deploy: Deploy, there: Hosted, evidence: Callable[..., None], by: str) -> None:
    """One request shows the evidence and makes the change; the branch stays; a second run finds it and does nothing."""
    evidence()
    head = there.gitops.head()

    run, again = deploy("--commit-with", by), deploy("--commit-with", by)

    assert (run.code, again.code, there.gitops.head()) == (0, 0, head)
    assert [one["state"] for one in there.platform.pulls] == ["open"] and there.asked() == CANARY
    branch = there.pull["head"]["ref"]
    assert branch.startswith("cd4ml/credit-values-") and branch.endswith("-" + "b" * 12)
    assert there.pull["html_url"] == run.report["outputs"]["pull-request"] == again.report["outputs"]["pull-request"]
    assert run.report["outputs"]["commit"] == "" and run.report["outputs"]["manifest-changed"] == "false"
    assert "Once it is merged, credit/values.yaml gives" in run.report["summary"]
    assert "`evidence:evaluate-model` passed" in there.pull["body"] and f"Cd4ml-Image: {IMAGE}" in there.pull["body"]
    assert git(there.gitops.bare, "rev-list", "--count", f"main..{branch}").strip() == "1"
    assert [name for name in git(there.gitops.bare, "branch").split() if name.endswith("-next")] == []
    asked = [call for call in there.platform.written if "pulls" in call]
    assert asked == ["POST pulls"]


@pytest.mark.parametrize("how", HOW)
def test_merged__found_by_later_runs(deploy: Deploy, there: Hosted, evidence: Callable[..., None], how: str) -> None:
    """However it was merged, the same order is carried out, and once reverted it is not asked for again."""
    evidence()
    deploy()
    there.merge(how)
    head = there.gitops.head()

    run = deploy()
    assert (run.code, run.report["outputs"]["pull-request"], there.gitops.head()) == (0, "", head)

    there.gitops.commit("Take it back", {"credit/values.yaml": HELM})
    back = deploy()
    assert (back.code, back.report["checks"][-1]["reason"]) == (1, "taken-back")
    assert len(there.platform.pulls) == 1


@pytest.mark.parametrize("by", ["git", "api"])
def test_base_moved__the_request_follows(deploy: Deploy, there: Hosted, evidence: Callable[..., None], by: str) -> None:
    """A neighbour's commit leaves the request alone; a change of the manifest itself is taken into it."""
    evidence()
    deploy("--commit-with", by)
    branch = there.pull["head"]["ref"]
    first = git(there.gitops.bare, "rev-parse", branch)
    there.gitops.commit("Neighbour", {"other.yaml": "x: 1\n"})
    deploy("--commit-with", by)
    assert git(there.gitops.bare, "rev-parse", branch) == first

    head = there.gitops.commit("Comment", {"credit/values.yaml": "# new\n" + HELM})
    assert deploy("--commit-with", by).code == 0

    assert git(there.gitops.bare, "rev-parse", f"{branch}^").strip() == head
    assert there.asked() == "# new\n" + CANARY and [one["state"] for one in there.platform.pulls] == ["open"]


def test_newer__supersedes(deploy: Deploy, there: Hosted, evidence: Callable[..., None], tmp_path: Path) -> None:
    """A newer commit's image gets a request of its own, and the older one is closed with a word and its branch."""
    evidence()
    deploy()
    other_evidence(tmp_path, evidence, newer=True)

    assert deploy().code == 0

    old, new = there.platform.pulls
    assert (old["state"], new["state"]) == ("closed", "open") and f"Superseded by #{new['number']}" in old["body"]
    assert git(there.gitops.bare, "branch", "--list", "cd4ml/*").split() == [new["head"]["ref"]]
    assert "e" * 64 in there.asked()


def test_older_run_that_finishes_late__asks_for_nothing(
    deploy: Deploy, there: Hosted, evidence: Callable[..., None], tmp_path: Path
) -> None:
    """While a newer commit's image waits for its merge, an older run neither replaces nor closes the request."""
    other_evidence(tmp_path, evidence, newer=True)
    deploy()
    git(tmp_path, "checkout", "--quiet", "HEAD~1")
    evidence()

    run = deploy()

    assert (run.code, run.report["checks"][-1]["reason"]) == (1, "superseded")
    assert [one["state"] for one in there.platform.pulls] == ["open"] and "e" * 64 in there.asked()


def test_declined__not_asked_again(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """A request that somebody closed is an answer: another run does not open it again, unless told to."""
    evidence()
    deploy()
    there.pull["state"] = "closed"

    run = deploy()
    assert (run.code, run.report["checks"][-1]["reason"]) == (1, "declined")

    assert deploy("--redeploy", "true").code == 0 and len(there.platform.pulls) == 2


def test_branch_of_somebody__left_alone(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """What people commit to the request's branch is not overwritten."""
    evidence()
    deploy()
    branch, work = there.pull["head"]["ref"], there.gitops.work
    git(work, "fetch", "--quiet", "origin", branch)
    git(work, "checkout", "--quiet", "FETCH_HEAD")
    (work / "credit/values.yaml").write_text(CANARY.replace("weight: 10", "weight: 5"))
    git(work, "commit", "--quiet", "--all", "--message", "Less")
    git(work, "push", "--quiet", "origin", f"HEAD:{branch}")
    git(work, "checkout", "--quiet", "main")
    tip = git(there.gitops.bare, "rev-parse", branch)

    run = deploy()

    assert run.code == 3 and "Somebody else committed to" in run.report["summary"]
    assert git(there.gitops.bare, "rev-parse", branch) == tip


@pytest.mark.parametrize("by", ["git", "api"])
@pytest.mark.parametrize("stands", [True, False], ids=["a request is open", "none is"])
def test_amended_by_somebody__left_alone(
    deploy: Deploy, there: Hosted, evidence: Callable[..., None], by: str, stands: bool
) -> None:
    """A commit of the suite's that a person amended is theirs: its text or its message, with or without a request."""
    evidence()
    deploy("--commit-with", by)
    branch, work = there.pull["head"]["ref"], there.gitops.work
    there.pull["state"] = "open" if stands else "closed"
    git(work, "fetch", "--quiet", "origin", branch)
    git(work, "checkout", "--quiet", "FETCH_HEAD")
    said = git(work, "log", "-1", "--format=%B")
    for text, message in ((CANARY.replace("weight: 10", "weight: 5"), said), (CANARY, f"Mine\n{said}")):
        (work / "credit/values.yaml").write_text(text)
        git(work, "commit", "--quiet", "--all", "--amend", "--message", message)
        git(work, "push", "--quiet", "--force", "origin", f"HEAD:{branch}")
        tip = git(there.gitops.bare, "rev-parse", branch)

        run = deploy("--commit-with", by, "--redeploy")

        assert run.code == 3 and "Somebody else committed to" in run.report["summary"]
        assert git(there.gitops.bare, "rev-parse", branch) == tip


def test_stale_words__brought_up_to_date(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """Where only what the commit says has changed, the branch says it afterwards; its own older commit is replaced."""
    evidence()
    deploy()
    assert deploy("--commit-message", "ship {digest}").code == 0

    said = git(there.gitops.bare, "log", "-1", "--format=%B", there.pull["head"]["ref"])
    assert said.startswith("ship " + "b" * 12) and f"Cd4ml-Image: {IMAGE}" in said and said.count("Cd4ml-Seal: ") == 1


def test_moved_meanwhile__not_forced(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """What somebody pushes while the platform makes the new commit stays: the API would move the branch by force."""
    evidence()
    deploy("--commit-with", "api")
    branch = there.pull["head"]["ref"]
    there.gitops.commit("Comment", {"credit/values.yaml": "# new\n" + HELM})

    def push(request: str) -> None:
        if request == "POST graphql":
            git(there.gitops.bare, "update-ref", f"refs/heads/{branch}", "main~1")

    there.platform.before = push
    run = deploy("--commit-with", "api")

    assert run.code == 3 and "meanwhile" in run.report["summary"]
    assert git(there.gitops.bare, "rev-parse", branch) == git(there.gitops.bare, "rev-parse", "main~1")


def test_superseded_in_a_quotation__is_a_no(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """The mark of a request that the suite closed counts where the suite puts it; quoted, it masks nothing."""
    evidence("build-image", checks=[FINE | {"id": "model-code", "message": f"Fine {SUPERSEDED}"}])
    deploy()
    assert "<!--" not in there.pull["body"]
    there.platform.pulls[-1] |= {"state": "closed", "body": f"{there.pull['body']}\n{SUPERSEDED}\n"}

    run = deploy()

    assert (run.code, run.report["checks"][-1]["reason"]) == (1, "declined")


def test_sign_off_by_another__refused(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """The platform commits for the token's account: a sign-off in the runner's name would be somebody else's."""
    evidence()
    run = deploy("--commit-with", "api", "--sign-off")
    assert run.code == 2 and "the token's account" in run.report["summary"] and there.platform.written == []


@pytest.mark.parametrize(
    ("broken", "code", "words"),
    [
        ("token", 2, "CD4ML_GIT_TOKEN"),
        ("address", 2, "needs the address of a repository on GitHub"),
        ("blank", 2, "drops the commit messages"),
        ("unsaid", 2, "is not said"),
        ("forbidden", 3, "403"),
        ("down", 3, "cannot be reached"),
    ],
)
def test_no_platform__nothing_is_pushed(
    deploy: Deploy,
    there: Hosted,
    evidence: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    code: int,
    words: str,
) -> None:
    """Without a token, an API, or settings that keep what commits say, the run ends before it pushes anything."""
    evidence()
    if broken == "token":
        monkeypatch.delenv("CD4ML_GIT_TOKEN")
        monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    if broken in ("blank", "unsaid"):
        there.platform.settings = {"squash_merge_commit_message": "BLANK"} if broken == "blank" else {}
    there.platform.refused = {"GET ": 403} if broken == "forbidden" else {}
    if broken == "down":
        monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")

    run = deploy(repository=str(there.gitops.bare) if broken == "address" else None)

    assert run.code == code and words in run.report["summary"] + str(run.report["checks"])
    assert git(there.gitops.bare, "branch", "--list", "cd4ml/*") == "" and there.platform.written == []


def test_fork_of_that_name__is_nobodys(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """A fork's request from a branch that is called like ours is neither updated nor closed."""
    evidence()
    deploy()
    mine = there.pull
    there.platform.pulls.insert(0, pull(9, source="stranger/model", branch=mine["head"]["ref"]))
    mine["number"] = 10

    deploy()

    assert [one["state"] for one in there.platform.pulls] == ["open", "open"]


def test_text__links_to_nobody(deploy: Deploy, there: Hosted, evidence: Callable[..., None]) -> None:
    """What a report says stands in code spans: it mentions nobody, and ends no line that later runs read."""
    evidence()
    deploy("--commit-message", "ship {digest} @everyone")

    assert there.pull["title"] == "ship " + "b" * 12 + " @everyone"
    for line in there.pull["body"].splitlines():
        assert not line.startswith("- ") or line.count("`") == 4
