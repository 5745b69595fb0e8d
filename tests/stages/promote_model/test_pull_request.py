"""promote-model where the branch is protected: the alias waits for the merge, and the way back is asked for too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests.conftest import Run
from tests.gitops.conftest import MODEL, GitOps
from tests.gitops.hosted import HOW, Hosted, hosted
from tests.gitops.test_manifest import HELM, A

NEW = image("ghcr.io/owner/credit@sha256:" + "b" * 64)
CANARY = Manifest(HELM).with_canary(NEW, 10)
DEPLOYED = f"Deploy\n\nCd4ml-Image: {NEW}\nCd4ml-Model: sha256:{MODEL}\nCd4ml-Manifest: credit/values.yaml\n"


@pytest.fixture
def there(
    cd4ml: Callable[..., Run], gitops: GitOps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Hosted]:
    """Serve a repository in which a canary runs."""
    gitops.commit(DEPLOYED, {"credit/values.yaml": CANARY})
    with hosted(gitops, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def promote(cd4ml: Callable[..., Run], there: Hosted) -> Callable[..., Run]:
    """Run promote-model, which asks for its change in a pull request."""

    def run(*arguments: str) -> Run:
        target = ["--repository", there.url, "--manifest", "credit/values.yaml", "--write-back", "pull-request"]
        return cd4ml("promote-model", *target, *arguments)

    return run


@pytest.mark.parametrize("how", HOW)
def test_promoted_by_merge__and_back(promote: Callable[..., Run], there: Hosted, how: str) -> None:
    """However the two requests are merged, the roll-back knows from the history what the promotion replaced."""
    run = promote()
    assert (run.code, there.gitops.read(), run.report["outputs"]["commit"]) == (0, CANARY, "")
    assert there.asked() == Manifest(CANARY).promoted(NEW)
    there.merge(how)
    again = promote()
    assert (again.code, again.report["outputs"]["pull-request"]) == (0, "") and len(there.platform.pulls) == 1

    back = promote("--rollback", "true")
    assert back.code == 0 and len(there.platform.pulls) == 2
    there.merge(how)
    assert Manifest(there.gitops.read()).stable == f"ghcr.io/owner/credit@{A}"
    assert promote("--rollback", "true").report["outputs"]["pull-request"] == ""


def test_roll_back__replaces_the_request_to_promote(promote: Callable[..., Run], there: Hosted) -> None:
    """An application has one request at a time: the newest decision of a person closes the one before."""
    promote()

    assert promote("--rollback", "true").code == 0

    assert [one["state"] for one in there.platform.pulls] == ["closed", "open"]
    assert "Superseded by #2" in there.platform.pulls[0]["body"]
    assert "enabled: false" in there.asked()
