"""KServe's InferenceService: the canary has the only place, and an annotation says what its share is taken from."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.manifest import Manifest
from tests.gitops.formats.conftest import CHURN, NEW, OLD, changed, deployed

STABLE = f"registry.example.com/team/churn@{OLD}"
SERVICE = f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: churn
  annotations:
    serving.kserve.io/deploymentMode: Knative
    cd4ml.io/stable-image: {STABLE}
spec:
  predictor:
    canaryTrafficPercent: 100
    containers:
      - name: kserve-container
        image: {STABLE}
      - name: proxy
        image: proxy.example.com/proxy:1
"""
WITHOUT = SERVICE.replace(f"    cd4ml.io/stable-image: {STABLE}\n", "").replace("    canaryTrafficPercent: 100\n", "")


def test_canary__gets_its_share_and_keeps_the_stable_image_in_mind() -> None:
    """A deployment sets image and percentage; the note and the container beside it stay."""
    after, share = deployed(SERVICE, 10)

    assert changed(SERVICE, after) == ["canaryTrafficPercent: 10", f"image: {CHURN}"]
    assert share == "10 % of the traffic as canary"
    assert Manifest(after).stable == STABLE and Manifest(after).state.weight == 10


def test_promotion__gives_it_all() -> None:
    """Promoted, the image is the noted one and gets 100 percent, which KServe takes for rolled out."""
    after, _ = deployed(SERVICE, 10)
    promoted = Manifest(after).promoted(CHURN)

    assert promoted == SERVICE.replace(STABLE, str(CHURN))
    assert Manifest(promoted).state.canary is None and Manifest(promoted).share(NEW) == "all of the traffic"
    assert deployed(SERVICE, 100)[0] == promoted


def test_roll_back_of_a_canary__takes_its_traffic_at_once() -> None:
    """The kept revision gets everything: with 100 percent the bad one would go on until the old image has started."""
    after, _ = deployed(SERVICE, 10)

    assert Manifest(after).without_canary() == SERVICE.replace("Percent: 100", "Percent: 0")
    whole = after.replace("Percent: 10\n", "Percent: 100\n")  # set by hand: KServe keeps no revision then
    assert Manifest(whole).without_canary() == SERVICE
    assert deployed(Manifest(after).without_canary(), 5)[0] == after.replace("Percent: 10", "Percent: 5")


def test_restored__after_a_promotion() -> None:
    """An image that was replaced gets its place, the note and all of the traffic back."""
    promoted = deployed(SERVICE, 100)[0]

    assert Manifest(promoted).restored(STABLE) == SERVICE


def test_without_a_place_for_a_canary__replaced_at_once() -> None:
    """One image without percentage is replaced; a canary is refused, with what to add."""
    assert changed(WITHOUT, deployed(WITHOUT, 100)[0]) == [f"image: {CHURN}"]
    with pytest.raises(OptionsError) as refused:
        deployed(WITHOUT, 10)
    assert "cd4ml.io/stable-image" in refused.value.advice


@pytest.mark.parametrize(
    ("text", "weight", "words"),
    [
        (SERVICE.replace(": Knative", ": RawDeployment"), 10, "splits no traffic in the deployment mode RawDeployment"),
        (SERVICE.replace(": Knative", ": Standard"), 10, "splits no traffic"),
        (SERVICE.replace("    cd4ml", '    serving.kserve.io/stop: "true"\n    cd4ml'), 10, "is stopped"),
        (
            WITHOUT.replace("predictor:\n", "predictor:\n    canaryTrafficPercent: 20\n"),
            100,
            "which image gets the rest",
        ),
        (SERVICE.replace(f"stable-image: {STABLE}", 'stable-image: ""'), 10, "no stable image"),
        (SERVICE.replace(f"image: {STABLE}\n      -", "name: x\n      -"), 10, "proxy"),
        ("apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nspec: {}\n", 100, "names no image"),
    ],
)
def test_refused(text: str, weight: int, words: str) -> None:
    """What KServe would not give the canary, or nobody could roll back, is refused with the reason."""
    with pytest.raises(OptionsError, match=words):
        deployed(text, weight)


def test_mode_of_the_cluster__nothing_is_promised() -> None:
    """Where the cluster's default decides whether traffic is split, the weight is called a note."""
    text = SERVICE.replace("    serving.kserve.io/deploymentMode: Knative\n", "")

    assert "its share of the traffic is up to KServe" in deployed(text, 10)[1]
