"""A canary on its way: which one runs, since when, and what a person has changed since."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cd4ml.gitops.canary import canary
from cd4ml.gitops.history import Commit, History
from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests.gitops.test_manifest import HELM, KUSTOMIZATION, NEW, PLAIN, A

OTHER = image("ghcr.io/owner/credit@sha256:" + "d" * 64)
DEPLOYED = Commit(sha="1" * 40, message=f"Cd4ml-Image: {NEW}\nCd4ml-Canary-Weight: 10", time=100)
ADVANCED = Commit(
    sha="2" * 40,
    message=f"Cd4ml-Advanced: {NEW}\nCd4ml-Canary-Weight: 50\nCd4ml-Beside: ghcr.io/owner/credit@{A}",
    time=200,
)
ROLLED_BACK = Commit(sha="3" * 40, message=f"Cd4ml-Rolled-Back: {NEW}", time=300)
PROMOTED = Commit(sha="4" * 40, message=f"Cd4ml-Promoted: {NEW}", time=400)
OTHERS = Commit(sha="5" * 40, message=f"Cd4ml-Promoted: ghcr.io/owner/churn@{NEW.digest}", time=500)


def history(*commits: Commit) -> History:
    """Return a history, its oldest commit first."""
    return History(commits=commits[::-1])


@pytest.mark.parametrize("text", [HELM, KUSTOMIZATION, PLAIN], ids=["helm", "kustomization", "plain"])
def test_nobody_touched_it(text: str) -> None:
    """In every format a canary that stands as the last step left it is nobody's but the automation's."""
    found = canary(Manifest(Manifest(text).with_canary(NEW, 50)), history(DEPLOYED, ADVANCED, OTHERS))

    assert found is not None
    assert (found.image, found.weight, found.by_hand, found.since) == (str(NEW), 50, "", 200)
    assert found.deployed == DEPLOYED


@pytest.mark.parametrize("text", [HELM, KUSTOMIZATION, PLAIN], ids=["helm", "kustomization", "plain"])
def test_none__after_its_end(text: str) -> None:
    """Rolled back or promoted there is no canary, also where its image stays written; nor is there one before."""
    running = Manifest(Manifest(text).with_canary(NEW, 50))

    assert canary(Manifest(text), history()) is None
    assert canary(Manifest(running.without_canary()), history(DEPLOYED, ROLLED_BACK)) is None
    assert canary(Manifest(running.promoted(NEW)), history(DEPLOYED, PROMOTED)) is None


@pytest.mark.parametrize(
    ("change", "commits", "words"),
    [
        (lambda text: text.replace("weight: 50", "weight: 20"), (DEPLOYED, ADVANCED), "weight is 20, and cd4ml's last"),
        (lambda text: text.replace("weight: 50", "weight: 0"), (DEPLOYED, ADVANCED), "weight is 0, and cd4ml's last"),
        (lambda text: text.replace(NEW.digest, OTHER.digest), (DEPLOYED, ADVANCED), f"the canary is {OTHER}, and"),
        (lambda text: text.replace(A, OTHER.digest), (DEPLOYED, ADVANCED), f"the stable image is {OTHER}, and was"),
        (lambda text: text, (DEPLOYED,), "weight is 50, and cd4ml's last commit (111111111111) set 10"),
        (lambda text: text, (DEPLOYED, ROLLED_BACK), f"after cd4ml's last commit (333333333333) ended {NEW}"),
        (lambda text: text, (DEPLOYED, PROMOTED), "ended"),
        (lambda text: text, (), "no commit of cd4ml made"),
        (lambda text: text, (OTHERS,), "no commit of cd4ml made"),
    ],
    ids=["weight", "paused", "canary", "stable", "reverted", "put back", "after promotion", "unknown", "another's"],
)
def test_by_hand__is_seen(change: Callable[[str], str], commits: tuple[Commit, ...], words: str) -> None:
    """What the manifest says otherwise than the suite's last commit was changed by a person, and is named."""
    found = canary(Manifest(change(Manifest(HELM).with_canary(NEW, 50))), history(*commits))

    assert found is not None and words in found.by_hand
