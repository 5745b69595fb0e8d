"""The three formats of a manifest: where images and weights stand, and what is refused."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest, State

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
NEW = image(f"ghcr.io/owner/credit@{B}")

HELM = f"""\
image:
  repository: ghcr.io/owner/credit
  digest: {A}
canary:
  enabled: false
  image:
    digest: ""
  weight: 0
"""
KUSTOMIZATION = f"""\
resources: [deployment.yaml]
commonAnnotations:
  cd4ml.io/canary-weight: "0"
images:
  - name: credit
    newName: ghcr.io/owner/credit
    digest: {A}
  - name: credit-canary
    newName: ghcr.io/owner/credit
    digest: {A}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  template:
    spec:
      containers:
        - name: model-server
          image: ghcr.io/owner/credit@DIGEST
"""
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: credit}
spec:
  rules:
    - backendRefs:
        - {name: credit-stable, weight: 100}
        - {name: credit-canary, weight: 0}
"""
PLAIN = "---\n".join(
    [
        DEPLOYMENT.replace("NAME", "credit").replace("DIGEST", A),
        DEPLOYMENT.replace("NAME", "credit-canary").replace("DIGEST", A),
        ROUTE,
    ]
)


@pytest.mark.parametrize("text", [HELM, KUSTOMIZATION, PLAIN], ids=["helm", "kustomization", "plain"])
def test_canary_and_promotion(text: str) -> None:
    """In every format a canary gets its image and weight, and a promotion moves the image and ends the canary."""
    canary = Manifest(Manifest(text).with_canary(NEW, 10))
    assert canary.state == State(stable=A, canary=B, weight=10)

    promoted = Manifest(canary.promoted(NEW))
    assert (promoted.state.stable, promoted.state.weight) == (B, 0)

    withdrawn = Manifest(canary.without_canary())
    assert (withdrawn.state.stable, withdrawn.state.weight) == (A, 0)


@pytest.mark.parametrize("text", [HELM, PLAIN], ids=["helm", "plain"])
def test_canary_of_all__stable_beside_the_next(text: str) -> None:
    """What got all of the traffic keeps what the next canary does not get, and is what a roll-back goes back to."""
    third = image(f"{NEW.repository}@sha256:" + "e" * 64)
    whole = Manifest(Manifest(text).with_canary(NEW, 100))
    following = Manifest(whole.with_canary(third, 100))
    assert following.state == State(stable=B, canary=third.digest, weight=100)
    assert Manifest(following.without_canary()).state.stable == B
    assert Manifest(whole.with_canary(NEW, 40)).state == State(stable=A, canary=B, weight=40)


def test_canary_of_a_controller__not_called_all() -> None:
    """A weight of 100 that a controller reaches by its own steps does not make the canary the stable image."""
    third = image(f"{NEW.repository}@sha256:" + "e" * 64)
    text = Manifest(HELM).with_canary(NEW, 100) + "rollout:\n  engine: flagger\n"

    assert Manifest(Manifest(text).with_canary(third, 10)).stable == f"{NEW.repository}@{A}"


def test_route__stable_gets_the_rest() -> None:
    """In an HTTPRoute both weights are set."""
    text = Manifest(PLAIN).with_canary(NEW, 10)

    assert "{name: credit-stable, weight: 90}" in text and "{name: credit-canary, weight: 10}" in text


def test_route__a_canary_in_any_rule_runs() -> None:
    """A canary that somebody took out of the first rule alone still runs, and can be promoted or taken back."""
    rule = (
        ROUTE.split("rules:\n")[1]
        .replace("weight: 100", "weight: 50")
        .replace("canary, weight: 0", "canary, weight: 50")
    )
    manifest = Manifest(PLAIN + rule)

    assert manifest.state.weight == 50
    assert Manifest(manifest.without_canary()).state.weight == 0


def test_route__other_rules_are_left_alone() -> None:
    """Rules without a canary backend belong to others: their weights stay."""
    others = "    - backendRefs:\n        - {name: docs, weight: 7}\n"

    text = Manifest(PLAIN + others).with_canary(NEW, 10)

    assert text.endswith(others) and "{name: credit-canary, weight: 10}" in text


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (", weight: 0}", "}", "without weight"),
        ("        - {name: credit-stable, weight: 100}\n", "", "must have two backends"),
        (
            "        - {name: credit-stable, weight: 100}\n",
            "        - {name: a, weight: 1}\n        - {name: b, weight: 1}\n",
            "must have two backends",
        ),
    ],
)
def test_route__refused_if_unclear(before: str, after: str, problem: str) -> None:
    """A rule that does not say whose weights are meant is refused."""
    with pytest.raises(OptionsError, match=problem):
        Manifest(PLAIN.replace(before, after))


@pytest.mark.parametrize("weight", ["abc", "-1", "101", "1.5", '""', "1e1", "null", "050", "00"])
def test_weight__refused_unless_a_percentage(weight: str) -> None:
    """What stands in the place of the weight must be a whole number from 0 to 100."""
    manifest = Manifest(HELM.replace('digest: ""', f"digest: {B}").replace("weight: 0", f"weight: {weight}"))

    with pytest.raises(OptionsError, match="whole number from 0 to 100"):
        manifest.state


@pytest.mark.parametrize("word", ["yes", "on", "y", "1", "null", "tRue"])
def test_switch__refused_unless_true_or_false(word: str) -> None:
    """A canary that Helm would run and that would count as switched off here is no canary to promote or take back."""
    manifest = Manifest(HELM.replace('digest: ""', f"digest: {B}").replace("enabled: false", f"enabled: {word}"))

    with pytest.raises(OptionsError, match="must be true or false"):
        manifest.state


def test_tag__replaced_by_the_digest() -> None:
    """A manifest that still names a tag takes the image by digest, if it is of the same repository."""
    text = DEPLOYMENT.replace("NAME", "credit").replace("@DIGEST", ":v1")

    assert Manifest(text).state.stable is None
    assert f"image: {NEW}\n" in Manifest(text).with_canary(NEW, 100)


@pytest.mark.parametrize("line", ["", "  repository:\n", "  repository: ''\n", "  repository: [a]\n"])
def test_repository__must_be_named(line: str) -> None:
    """Values without a repository do not say whose digest they hold."""
    with pytest.raises(OptionsError, match="image.repository"):
        Manifest(HELM.replace("  repository: ghcr.io/owner/credit\n", line))


def test_no_place_for_a_canary() -> None:
    """A single Deployment takes a new image only as a whole; a share of traffic is refused."""
    single = DEPLOYMENT.replace("NAME", "credit").replace("DIGEST", A)

    with pytest.raises(OptionsError, match="no place for a canary"):
        Manifest(single).with_canary(NEW, 10)
    assert Manifest(Manifest(single).with_canary(NEW, 100)).state.stable == B


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\n",
        "- 1\n",
        "images: []\n",
        "images: [{name: a, digest: x}, {name: b, digest: x}]\n",
        DEPLOYMENT.replace("NAME", "a") + "---\n" + DEPLOYMENT.replace("NAME", "b"),
        DEPLOYMENT.replace("NAME", "a") + "        - {name: proxy, image: x}\n        - {name: model, image: x}\n",
        "kind: Deployment\n",
    ],
)
def test_unknown_manifests__refused(text: str) -> None:
    """What is none of the formats, or does not say which image is meant, is refused."""
    with pytest.raises(OptionsError):
        Manifest(text)


def test_other_repository__refused() -> None:
    """An image of another model never lands in a manifest."""
    with pytest.raises(OptionsError, match="different models"):
        Manifest(HELM).with_canary(image(f"ghcr.io/owner/fraud@{B}"), 10)


@pytest.mark.parametrize("text", [HELM, KUSTOMIZATION, PLAIN], ids=["helm", "kustomization", "plain"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("team/scores", "docker.io/team/scores"), ("docker.io/scores", "index.docker.io/library/scores")],
)
def test_docker_hub__one_repository(text: str, ours: str, theirs: str) -> None:
    """A manifest and an image that spell a repository of Docker Hub differently are of one model."""
    manifest = Manifest(text.replace("ghcr.io/owner/credit", ours))

    assert Manifest(manifest.with_canary(image(f"{theirs}@{B}"), 10)).state.canary == B
    assert Manifest(manifest.promoted(image(f"{theirs}@{B}"))).state.stable == B


@pytest.mark.parametrize(
    "reference",
    [
        "ghcr.io/owner/credit:v1",
        f"ghcr.io/owner/credit:v1@{B}",
        "ghcr.io/owner/credit@sha256:short",
        f"ghcr.io/owner/credit@{B.upper()}",
        f"GHCR.io/Owner/credit@{B}",
        f"x\nRUN id@{B}",
        f"--privileged@{B}",
        f"img --privileged@{B}",
        f"@{B}",
        "",
    ],
)
def test_image__refuses(reference: str) -> None:
    """Tags, short digests, options and line breaks are no images."""
    with pytest.raises(OptionsError):
        image(reference)


@pytest.mark.parametrize(
    "text", [HELM.replace(A, '""'), KUSTOMIZATION.replace(A, '""', 1)], ids=["helm", "kustomization"]
)
def test_first_deployment__stable_or_refused(text: str) -> None:
    """With no stable image a canary would leave most requests unanswered: the first image gets all of the traffic."""
    with pytest.raises(OptionsError, match=r"no stable image: `.*digest` is empty") as refused:
        Manifest(text).with_canary(NEW, 10)
    state = Manifest(Manifest(text).with_canary(NEW, 100)).state

    assert "canary-weight: 100" in refused.value.advice
    assert state.stable == NEW.digest and state.weight == 0
