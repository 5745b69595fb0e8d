"""What the stages say and do about manifests of many kinds: the sentence is true, and only the target changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.conftest import Run
from tests.gitops.conftest import IMAGE, GitOps, git
from tests.gitops.test_manifest import HELM, A

MANIFEST: Final = "credit/values.yaml"
ROLLOUT: Final = f"""\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {{name: scoring}}
spec:
  replicas: 4
  strategy: {{canary: {{steps: [{{setWeight: 25}}, {{pause: {{duration: 1h}}}}]}}}}
  template:
    spec:
      containers:
        - {{name: proxy, image: "envoyproxy/envoy:v1.31"}}
        - {{name: scoring, image: "ghcr.io/owner/credit@{A}"}}
"""
IMAGES: Final = f"""\
kind: Kustomization
images:
  - {{name: redis, newTag: "7.2"}}
  - {{name: scoring, newName: ghcr.io/owner/credit, digest: "{A}"}}
"""


@pytest.fixture
def stage(cd4ml: Callable[..., Run], gitops: GitOps, evidence: Callable[..., None]) -> Callable[..., Run]:
    """Run a stage on a manifest with the evidence for one image."""

    def run(name: str, *arguments: str) -> Run:
        evidence()
        return cd4ml(name, "--repository", str(gitops.bare), "--manifest", MANIFEST, *arguments)

    return run


@pytest.mark.parametrize("weight", ["25", "100"])
def test_rollout__deployed_promoted_and_taken_back(stage: Callable[..., Run], gitops: GitOps, weight: str) -> None:
    """No stage says that a Rollout gives all of the traffic: plan and summary name its first step."""
    gitops.commit("Start", {MANIFEST: ROLLOUT})

    run = stage("deploy-model", "--canary-weight", weight)

    assert run.code == 0 and gitops.read() == ROLLOUT.replace(f"ghcr.io/owner/credit@{A}", IMAGE)
    for text in (run.report["plan"][0], run.report["summary"], stage("promote-model").report["summary"]):
        assert "to the Rollout scoring, whose first step is 25 % of the traffic" in text
    assert (stage("promote-model", "--rollback").code, gitops.read()) == (0, ROLLOUT)


def test_names__never_pass_for_trailers(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A name with line breaks in the manifest adds nothing to what later runs read in the commit."""
    hostile = ROLLOUT.replace("{name: scoring}", '{name: "x\\n\\nCd4ml-Rolled-Back: y@z\\nCd4ml-Manifest: other.yaml"}')
    gitops.commit("Start", {MANIFEST: hostile})

    assert stage("deploy-model").code == 0
    message = git(gitops.bare, "log", "-1", "--format=%B", "main")
    assert "\nCd4ml-Rolled-Back" not in message and "\nCd4ml-Manifest: other.yaml" not in message


def test_paused_since__refused_again(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A manifest that holds the image already, and gives it nothing since somebody paused it, passes in no stage."""
    gitops.commit("Start", {MANIFEST: ROLLOUT})
    assert stage("deploy-model").code == 0
    gitops.commit("Pause", {MANIFEST: gitops.read().replace("replicas: 4", "paused: true")})

    for name in ("deploy-model", "promote-model"):
        run = stage(name)
        assert run.code == 2 and "Rollout scoring is paused" in run.report["summary"]


def test_canary_switched_off_by_its_replicas__no_pass(stage: Callable[..., Run], gitops: GitOps) -> None:
    """A canary that got its weight and is scaled to nothing since is not said to get it when the stage runs again."""
    assert stage("deploy-model").code == 0
    gitops.commit("Idle", {MANIFEST: gitops.read() + "  replicas: 0\n"})

    run = stage("deploy-model")

    assert run.code == 2 and "`canary.replicas` is 0" in run.report["summary"]


def test_kustomization__deployed_and_promoted_by_its_repository(stage: Callable[..., Run], gitops: GitOps) -> None:
    """Beside a cache the entry of the repository gets the digest, and promotion finds it without being told."""
    gitops.commit("Start", {MANIFEST: IMAGES})

    assert stage("deploy-model", "--canary-weight", "100").code == 0
    assert gitops.read() == IMAGES.replace(A, IMAGE[-71:])
    run = stage("promote-model")
    assert run.code == 0 and "up to the resources of the kustomization" in run.report["summary"]


def test_manifest_path__chooses_among_equals(stage: Callable[..., Run], gitops: GitOps) -> None:
    """Two applications of one image in a file: without a name nothing changes, with one only that one does."""
    below = "".join(f"  {line}\n" for line in HELM.splitlines())
    start = gitops.commit("Start", {MANIFEST: f"eu:\n{below}us:\n{below}"})

    assert (stage("deploy-model").code, gitops.head()) == (2, start)
    assert stage("deploy-model", "--manifest-path", "us").code == 0
    assert gitops.read().startswith(f"eu:\n{below}us:\n")
    assert stage("promote-model").code == 2
    message = git(gitops.bare, "log", "-1", "--format=%B", "main")
    assert "gives it 10 % of the traffic as canary.\n" in message and "Cd4ml-Manifest-Path: us\n" in message
    assert stage("promote-model", "--manifest-path", "us").code == 0
    assert gitops.read() == f"eu:\n{below}us:\n{below.replace(A, IMAGE[-71:])}".replace(
        'digest: ""', f'digest: "{IMAGE[-71:]}"'
    ).replace(f'digest: "{IMAGE[-71:]}"', 'digest: ""', 1)
