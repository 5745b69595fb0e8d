"""The way back: whatever ran before a commit of the suite is named in it, and a roll-back brings it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests.conftest import Run
from tests.gitops.conftest import IMAGE, GitOps, git
from tests.gitops.test_manifest import DEPLOYMENT, HELM, KUSTOMIZATION, ROUTE, A

MANIFEST: Final = "credit/values.yaml"
TAGGED: Final = "ghcr.io/owner/credit:2024.10"
NEXT: Final = "ghcr.io/owner/credit@sha256:" + "e" * 64
SINGLE: Final = DEPLOYMENT.replace("NAME", "credit")
PAIR: Final = "---\n".join([SINGLE, SINGLE.replace("name: credit", "name: credit-canary"), ROUTE])
HELM_BY_TAG: Final = HELM.replace(f"digest: {A}", 'tag: "2024.10"\n  digest: ""')
KUSTOMIZATION_BY_TAG: Final = KUSTOMIZATION.replace(f"digest: {A}", 'newTag: "2024.10"\n    digest: ""')


@pytest.fixture
def stage(cd4ml: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None]) -> Callable[..., Run]:
    """Run a stage on the manifest; `image` is what build-image's report says."""

    def run(name: str, *arguments: str, image: str = IMAGE) -> Run:
        evidence("build-image", outputs={"image": image})
        return cd4ml(name, "--repository", str(gitops.bare), "--manifest", MANIFEST, *arguments)

    return run


def said(gitops: GitOps) -> str:
    """Return the newest commit's message."""
    return git(gitops.bare, "log", "-1", "--format=%B", "main")


@pytest.mark.parametrize(
    "text",
    [SINGLE.replace("@DIGEST", ":2024.10"), HELM_BY_TAG, KUSTOMIZATION_BY_TAG],
    ids=["plain", "helm", "kustomization"],
)
def test_direct_deployment__back_to_the_tag(stage: Callable[..., Run], gitops: GitOps, text: str) -> None:
    """A service that ran from a tag before the suite came returns to exactly that, in every format; again, nothing."""
    gitops.commit("Start", {MANIFEST: text})

    assert stage("deploy-model", "--canary-weight", "100").code == 0
    assert f"Cd4ml-Previous-Image: {TAGGED}\n" in said(gitops)
    run = stage("promote-model", "--rollback")

    assert (run.code, run.report["outputs"]["image"], gitops.read()) == (0, TAGGED, text)
    assert f"Cd4ml-Previous-Image: {IMAGE}\n" in said(gitops)
    head = gitops.head()
    assert (stage("promote-model", "--rollback").code, gitops.head()) == (0, head)


def test_promotion_over_a_tag__back_to_the_tag(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A canary that is promoted over a tag can be taken back to the tag."""
    gitops.commit("Start", {MANIFEST: PAIR.replace("@DIGEST", ":2024.10")})

    assert stage("deploy-model", "--canary-weight", "30").code == 0
    assert "Cd4ml-Previous-Image" not in said(gitops)  # the stable image is still the one that it was
    assert stage("promote-model").code == 0
    assert f"Cd4ml-Previous-Image: {TAGGED}\n" in said(gitops)
    assert stage("promote-model", "--rollback").code == 0

    assert Manifest(gitops.read()).stable == TAGGED


def test_format_without_a_canary__rolls_back_step_by_step(stage: Callable[..., Run], gitops: GitOps) -> None:
    """Two deployments that replaced each other directly are taken back one after the other, each when it is named."""
    first = SINGLE.replace("DIGEST", A)
    gitops.commit("Start", {MANIFEST: first})
    assert stage("deploy-model", "--canary-weight", "100").code == 0
    assert stage("deploy-model", "--canary-weight", "100", image=NEXT).code == 0

    assert stage("promote-model", "--rollback").code == 0
    assert Manifest(gitops.read()).stable == IMAGE
    assert stage("promote-model", "--rollback", "--image", IMAGE).code == 0

    assert gitops.read() == first


def test_deployment_after_a_rollback__can_be_taken_back(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A direct deployment that follows a roll-back is what the next roll-back is about."""
    gitops.commit("Start", {MANIFEST: SINGLE.replace("DIGEST", A)})
    stage("deploy-model", "--canary-weight", "100")
    stage("promote-model", "--rollback")
    stage("deploy-model", "--canary-weight", "100", image=NEXT)

    assert stage("promote-model", "--rollback").code == 0

    assert Manifest(gitops.read()).state.stable == A


def test_tag_moved_since__said(stage: Callable[..., Run], gitops: GitOps) -> None:
    """Where only the digest is written, a tag that somebody changed since is not taken for the one that ran before."""
    gitops.commit("Start", {MANIFEST: HELM_BY_TAG})
    stage("deploy-model", "--canary-weight", "100")
    gitops.commit("Tag", {MANIFEST: gitops.read().replace("2024.10", "2024.11")})
    head = gitops.head()

    run = stage("promote-model", "--rollback")

    assert (run.code, gitops.head()) == (2, head)
    assert "2024.10 ran before" in run.report["summary"] and "2024.11" in run.report["summary"]


def test_first_deployment__nothing_to_return_to(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A first deployment into an empty manifest replaced nothing, and its roll-back says which commit that was."""
    gitops.commit("Start", {MANIFEST: HELM.replace(f"digest: {A}", 'digest: ""')})
    stage("deploy-model", "--canary-weight", "100")
    head = gitops.head()

    run = stage("promote-model", "--rollback")

    assert (run.code, gitops.head()) == (2, head)
    assert f"{head[:12]}, which deployed" in run.report["summary"]


def test_hostile_trailer__never_written(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A commit that names something else than an image as the earlier one is refused, and nothing is written."""
    gitops.commit("Start", {MANIFEST: SINGLE.replace("DIGEST", A)})
    text = Manifest(gitops.read()).promoted(image(IMAGE))
    message = f"Promote\n\nCd4ml-Promoted: {IMAGE}\nCd4ml-Previous-Image: ghcr.io/owner/credit:v1 --privileged\n"
    head = gitops.commit(message, {MANIFEST: text})

    assert (stage("promote-model", "--rollback").code, gitops.head()) == (2, head)


@pytest.mark.parametrize("mirror", ["registry.example:5000/mirror/credit", "cache.example/ghcr.io/owner/credit"])
def test_mirror__one_image_in_every_stage(stage: Callable[..., Run], gitops: GitOps, mirror: str) -> None:
    """An image that clusters pull from a mirror is deployed, approved, promoted on its evidence and taken back."""
    start = HELM.replace("ghcr.io/owner/credit", mirror)
    gitops.commit("Start", {MANIFEST: start})
    mirrored = IMAGE.replace("ghcr.io/owner/credit", mirror)

    assert stage("deploy-model", "--image", mirrored).code == 0
    assert stage("promote-model", "--image", IMAGE, "--reports", "reports").code == 0
    assert Manifest(gitops.read()).stable == mirrored
    assert stage("promote-model", "--rollback", "--image", IMAGE).code == 0
    assert Manifest(gitops.read()).state.stable == A
    assert stage("deploy-model", "--image", mirrored).report["checks"][-1]["reason"] == "taken-back"


@pytest.mark.parametrize("text", [HELM, SINGLE.replace("DIGEST", A)], ids=["helm", "plain"])
def test_mirror_since__the_way_back_leads_through_it(stage: Callable[..., Run], gitops: GitOps, text: str) -> None:
    """Where a mirror serves a manifest since the earlier image was replaced, that image comes back from the mirror."""
    mirror = "registry.example:5000/mirror/credit"
    gitops.commit("Start", {MANIFEST: text, "README": "x"})
    assert stage("deploy-model", "--canary-weight", "100").code == 0
    assert stage("promote-model").code == 0
    gitops.commit("Mirror", {MANIFEST: gitops.read().replace("ghcr.io/owner/credit", mirror)})

    run = stage("promote-model", "--rollback")

    assert (run.code, run.report["outputs"]["image"]) == (0, f"{mirror}@{A}")
    assert Manifest(gitops.read()).stable == f"{mirror}@{A}"


def test_mirror__another_image_stays_another(stage: Callable[..., Run], gitops: GitOps) -> None:
    """Another digest under the mirror's name is not the image that was built, and not the one that was approved."""
    mirror = "registry.example:5000/mirror/credit"
    gitops.commit("Start", {MANIFEST: HELM.replace("ghcr.io/owner/credit", mirror)})
    head = gitops.head()

    assert stage("deploy-model", "--image", NEXT.replace("ghcr.io/owner/credit", mirror)).code == 1
    assert gitops.head() == head
