"""Kustomizations: the entry is found by repository, and the annotation is called a note."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.manifest import Manifest
from tests.gitops.formats.conftest import CHURN, NEW, OLD, changed, deployed

OTHERS = f"""\
- name: redis
  newTag: "7.2"
- {{name: exporter, newName: quay.io/prometheus/exporter, digest: "sha256:{'9' * 64}"}}
"""
KUSTOMIZATION = f"""\
kind: Kustomization
commonAnnotations:
  cd4ml.io/canary-weight: "0"
images:
{OTHERS}- name: churn
  newName: registry.example.com/team/churn
  digest: {OLD}
- name: churn-canary
  newName: registry.example.com/team/churn
  digest: {OLD}
"""


def test_canary__beside_other_images() -> None:
    """Entries of a cache and an exporter stay; the canary's digest and the note change, and nothing more is claimed."""
    after, share = deployed(KUSTOMIZATION, 10)

    assert changed(KUSTOMIZATION, after) == ['cd4ml.io/canary-weight: "10"', f"digest: {NEW}"]
    assert OTHERS in after
    assert "a weight of 10; its share of the traffic is up to the resources" in share


@pytest.mark.parametrize(
    "entry",
    [
        f"- name: registry.example.com/team/churn\n  digest: {OLD}\n",
        f"- name: churn\n  newName: registry.example.com/team/churn\n  newTag: v1\n  digest: {OLD}\n",
        f"- name: registry.example.com/team/churn\n  newName: mirror.example.com/churn\n  digest: {OLD}\n",
    ],
    ids=["name", "newName and newTag", "mirror"],
)
def test_entry__found_by_name_or_new_name(entry: str) -> None:
    """The entry is the one whose name or newName is the image's repository, in whatever order they stand."""
    for text in (f"images:\n{OTHERS}{entry}", f"images:\n{entry}{OTHERS}"):
        after, _ = deployed(text, 100)
        assert changed(text, after) == [f"digest: {NEW}"] and OTHERS in after


def test_flux__images_of_its_kustomization() -> None:
    """Flux's Kustomization holds the same entries below spec."""
    text = (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec:\n  images:\n"
        f"    - {{name: churn, newName: registry.example.com/team/churn, digest: {OLD}}}\n"
    )

    assert NEW in deployed(text, 100)[0]
    with pytest.raises(OptionsError, match="suspended"):
        deployed(text.replace("spec:\n", "spec:\n  suspend: true\n"), 100)


def test_roll_back__the_canary_gets_the_stable_image() -> None:
    """Whatever the resources send to the canary, after a roll-back or a promotion one image answers all of it."""
    canary = Manifest(deployed(KUSTOMIZATION, 10)[0], repository=CHURN.repository)

    assert canary.without_canary() == KUSTOMIZATION
    assert canary.promoted(CHURN).count(NEW) == 2 and OLD not in canary.promoted(CHURN)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("images:", "replicas: [{name: churn-canary, count: 0}]\nimages:", "sets churn-canary to 0"),
        ("images:", "replicas: [{name: churn, count: 0}]\nimages:", "sets churn to 0"),
        ('commonAnnotations:\n  cd4ml.io/canary-weight: "0"\n', "", "no place for a canary"),
        (
            "- name: churn-canary\n  newName: registry.example.com/team/churn\n",
            "- name: churn-canary\n",
            "pulls churn-canary",
        ),
        ("- name: churn-canary\n", "- name: another-canary\n", "does not say which image is meant"),
    ],
)
def test_canary__refused(before: str, after: str, words: str) -> None:
    """A canary scaled to nothing, without a note, of another repository or of another application is refused."""
    with pytest.raises(OptionsError, match=words):
        deployed(KUSTOMIZATION.replace(before, after), 10)


def test_no_image_of_this_repository__refused() -> None:
    """Several entries and none of the image's repository: the refusal lists what is there."""
    with pytest.raises(OptionsError, match=r"only redis \(redis\), exporter"):
        deployed(f"images:\n{OTHERS}", 100)


def test_idle_canary__keeps_its_image() -> None:
    """A canary of no weight that runs an image of its own is not touched by a deployment beside it."""
    idle = KUSTOMIZATION.replace(OLD, f"sha256:{'5' * 64}").replace(f"sha256:{'5' * 64}", OLD, 1)

    after, _ = deployed(idle, 100)

    assert changed(idle, after) == [f"digest: {NEW}"]
    canary = Manifest(deployed(idle, 10)[0], repository=CHURN.repository)
    promoted = Manifest(canary.promoted(CHURN), repository=CHURN.repository)
    assert promoted.restored(f"{CHURN.repository}@{OLD}") == KUSTOMIZATION
