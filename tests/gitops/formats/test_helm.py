"""Helm values: a canary is claimed only if the chart runs it, and values are found wherever they stand."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cd4ml.errors import OptionsError
from cd4ml.gitops.formats import helm
from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests.charts.rendering import CHART, of_kind, render
from tests.conftest import ROOT
from tests.gitops.formats.conftest import CHURN, NEW, OLD, changed, deployed

VALUES = f"""\
image:
  repository: registry.example.com/team/churn
  digest: {OLD}
canary:
  enabled: false
  image: {{digest: ""}}
  weight: 0
"""


def indented(text: str, key: str) -> str:
    """Return the text below a dotted key."""
    for depth, name in enumerate(key.split(".")):
        head = f"{'  ' * depth}{name}:\n"
        text = text if depth else "\n".join("  " * len(key.split(".")) + line for line in text.splitlines()) + "\n"
        text = text if depth else f"@{text}"
        text = text.replace("@", f"{head}@", 1)
    return text.replace("@", "", 1)


HELM_RELEASE = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: churn}\n"
APPLICATION = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: churn}\n"


def test_defaults__are_the_charts() -> None:
    """What is known of the chart's values and defaults is what the chart has."""
    defaults = YAML(typ="safe", pure=True).load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    properties = schema["properties"]
    assert helm.KEYS == set(properties)
    assert helm.IMAGE_KEYS == set(properties["image"]["properties"])
    assert helm.CANARY_KEYS == set(properties["canary"]["properties"])
    assert defaults["replicas"] == helm.REPLICAS
    assert defaults["canary"]["replicas"] == helm.CANARY_REPLICAS
    assert defaults["autoscaling"]["minReplicas"] == helm.FEWEST_REPLICAS
    assert defaults["canary"]["enabled"] is False and defaults["httpRoute"]["enabled"] is True
    assert (ROOT / "charts" / helm.CHART).is_dir()


@pytest.mark.parametrize("weight", [1, 25, 100])
def test_share__is_what_the_chart_renders(tmp_path: Path, weight: int) -> None:
    """The share that is claimed is the weight in the route that helm renders, of a Deployment that it renders."""
    text, share = deployed(VALUES, weight)
    (tmp_path / "values.yaml").write_text(text)
    objects = render("--values", tmp_path / "values.yaml")
    (route,) = of_kind(objects, "HTTPRoute")
    weights = {ref["name"]: ref["weight"] for ref in route["spec"]["rules"][0]["backendRefs"]}

    assert share == f"{weight} % of the traffic as canary"
    assert weights == {"credit-stable": 100 - weight, "credit-canary": weight}
    images = [
        item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in of_kind(objects, "Deployment")
        if item["metadata"]["name"] == "credit-canary"
    ]
    assert images == [str(CHURN)]


def test_share_of_replicas__is_what_the_chart_renders(tmp_path: Path) -> None:
    """Without a route the share is the canary's part of the replicas that helm renders behind one Service."""
    text, share = deployed(VALUES + "replicas: 4\nhttpRoute: {enabled: false}\n", 20)
    (tmp_path / "values.yaml").write_text(text)
    objects = render("--values", tmp_path / "values.yaml")
    replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in of_kind(objects, "Deployment")}

    assert not of_kind(objects, "HTTPRoute")
    assert replicas == {"credit-stable": 4, "credit-canary": 1}
    assert share == "its share of replicas, 1 of 5, as canary"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("httpRoute: {enabled: false}\n", "1 of 3 (34 %), more than canary-weight 10"),
        ("httpRoute: {enabled: false}\nreplicas: 8\n", "1 of 9 (12 %)"),
        ("httpRoute: {enabled: false}\nautoscaling: {enabled: true, minReplicas: 3}\n", "at most 1 of 4 (25 %)"),
    ],
)
def test_share_of_replicas__refused_above_what_was_asked(more: str, words: str) -> None:
    """A canary that would get more than its weight, because nothing splits by weight, is refused with the numbers."""
    with pytest.raises(OptionsError) as refused:
        deployed(VALUES + more, 10)

    assert words in refused.value.message and "httpRoute.enabled: true" in refused.value.advice


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("  enabled: false\n", "", "`canary.enabled` is missing"),
        ("  weight: 0\n", "  weight: 0\n  replicas: 0\n", "`canary.replicas` is 0"),
        ("canary:", "replicas: 0\ncanary:", "`replicas` is 0"),
        ("canary:", "replicaCount: 0\ncanary:", "`replicaCount` is 0"),
        ("canary:", "autoscaling: {enabled: true, minReplicas: 0}\ncanary:", "`autoscaling.minReplicas` is 0"),
        ("canary:", "enabled: false\ncanary:", "nothing in this chart runs"),
        ("  weight: 0\n", "", "no place for a canary"),
    ],
)
def test_canary__refused_if_nothing_would_run(before: str, after: str, words: str) -> None:
    """A canary, or a stable version, that the chart would not run is refused, and the reason names the value."""
    with pytest.raises(OptionsError, match=words.replace("`", "`")):
        deployed(VALUES.replace(before, after), 10)


@pytest.mark.parametrize("seed", range(24))
def test_share__whatever_else_the_values_say(tmp_path: Path, seed: int) -> None:
    """Of random values of the chart, each is refused, or helm renders it with exactly the share that is claimed."""
    dice = random.Random(seed)
    digest = dice.choice([OLD, OLD, '""'])
    lines = ["image:", "  repository: registry.example.com/team/churn", f"  digest: {digest}", "canary:"]
    lines += dice.choice([["  enabled: false"], ["  enabled: true"], []])
    lines += ["  image: {digest: ''}", "  weight: 0", *dice.choice([[], ["  replicas: 0"], ["  replicas: 2"]])]
    lines += dice.choice([[], ["replicas: 0"], ["replicas: 1"], ["replicas: 7"]])
    lines += dice.choice([[], ["httpRoute: {enabled: false}"], ["httpRoute: {enabled: true}"]])
    lines += dice.choice([[], ["autoscaling: {enabled: true, minReplicas: 4}"], ["enabled: false"]])
    weight = dice.choice([10, 50, 100])
    values = tmp_path / "values.yaml"
    try:
        text, share = deployed("\n".join(lines) + "\n", weight)
    except OptionsError:
        return
    values.write_text(text)

    assert share == rendered_share(render("--values", values))


def rendered_share(objects: list[dict[str, Any]]) -> str:
    """Return what the objects give the image that the canary runs, or else the stable version."""
    replicas = {item["metadata"]["name"]: item["spec"].get("replicas") for item in of_kind(objects, "Deployment")}
    if "credit-canary" not in replicas:
        (deployment,) = of_kind(objects, "Deployment")
        assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == str(CHURN)
        return "all of the traffic"
    for route in of_kind(objects, "HTTPRoute"):
        return f"{route['spec']['rules'][0]['backendRefs'][1]['weight']} % of the traffic as canary"
    scaled = [item["spec"]["minReplicas"] for item in of_kind(objects, "HorizontalPodAutoscaler")]
    canary, stable = replicas["credit-canary"], (scaled or [replicas["credit-stable"]])[0]
    return f"its share of replicas, {'at most ' if scaled else ''}{canary} of {canary + stable}, as canary"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("canary:", "sidecars: {enabled: true}\ncanary:"),
        ("image:\n", "image:\n  tag: v1\n"),
        ("  weight: 0", "  weight: 0\n  steps: 3"),
    ],
)
def test_other_chart__its_share_is_not_claimed(before: str, after: str) -> None:
    """With values that the known chart does not have, what a weight does is said to be up to the chart."""
    _, share = deployed(VALUES.replace(before, after, 1), 10)

    assert share == "the canary's place and notes a weight of 10; its share of the traffic is up to the chart"


@pytest.mark.parametrize(
    "text",
    [
        indented(VALUES, "churn"),
        indented(VALUES, "models.churn"),
        HELM_RELEASE + indented(VALUES, "spec.values"),
        HELM_RELEASE + indented(VALUES, "spec.values.churn"),
        APPLICATION + indented(VALUES, "spec.source.helm.valuesObject"),
        APPLICATION.replace("Application", "ApplicationSet")
        + indented(VALUES, "spec.template.spec.source.helm.valuesObject"),
        "global: {}\nredis: {image: {registry: docker.io, repository: bitnami/redis, digest: ''}}\n"
        + indented(VALUES, "churn"),
        f"kafka: {{image: {{digest: ''}}}}\n{indented(VALUES, 'churn')}",
    ],
    ids=["key", "two keys", "HelmRelease", "its subchart", "Application", "ApplicationSet", "redis", "no repository"],
)
def test_nested_values__found_by_the_repository(text: str) -> None:
    """Values below a key, in a HelmRelease or an Application are found, and only their scalars change."""
    after, share = deployed(text, 10)

    assert changed(text, after) == ["enabled: true", f'image: {{digest: "{NEW}"}}', "weight: 10"]
    assert share == "10 % of the traffic as canary"
    again = Manifest(Manifest(after, repository=CHURN.repository).promoted(CHURN), repository=CHURN.repository)
    assert again.share(NEW) == "all of the traffic"


def test_nested_values__two_of_one_image_need_a_name() -> None:
    """Where one image serves twice, the key says which is meant; without it the refusal names both."""
    text = indented(VALUES, "eu") + indented(VALUES, "us")

    with pytest.raises(OptionsError, match=r"eu \(registry.example.com/team/churn\), us"):
        deployed(text, 10)
    after, _ = deployed(text, 10, part="us")
    assert deployed(text, 100, part="us")[1] == "100 % of the traffic as canary"
    promoted = Manifest(after, repository=CHURN.repository, part="us").promoted(CHURN)
    assert Manifest(promoted, part="us").share(NEW) == "all of the traffic that reaches us"
    assert after.startswith(indented(VALUES, "eu")) and f'digest: "{NEW}"' in after
    nested = Manifest(indented(text, "regions"), repository=CHURN.repository, part="us")
    assert nested.part == "regions.us"
    with pytest.raises(OptionsError, match="has no `asia`"):
        deployed(text, 10, part="asia")


def test_nested_values__another_models_image_is_refused() -> None:
    """Of several applications none is taken if the image is of another repository."""
    text = indented(VALUES, "eu") + indented(VALUES.replace("churn", "fraud"), "us")

    with pytest.raises(OptionsError, match="the manifest has no image of 'ghcr.io/team/credit'"):
        deployed(text, 10, image(f"ghcr.io/team/credit@{NEW}"))


@pytest.mark.parametrize(
    ("chart", "known"), [("model-server", True), ("./charts/model-server", True), ("podinfo", False), ("models", False)]
)
def test_chart_of_a_release__decides_what_is_known(chart: str, known: bool) -> None:
    """Where the file names its chart, the share is claimed of the one that we know and of no other."""
    release = HELM_RELEASE + f"spec:\n  chart: {{spec: {{chart: {chart}}}}}\n" + indented(VALUES, "spec.values")[6:]
    source = f"    path: {chart}\n    helm:\n"
    application = (APPLICATION + indented(VALUES, "spec.source.helm.valuesObject")).replace("    helm:\n", source)

    for text in (release, application):
        assert deployed(text, 10)[1].startswith("10 % of the traffic") == known


def test_parameters__that_decide_nothing_are_no_obstacle() -> None:
    """Argo CD's parameters for other values, or for another subchart, leave the values that are written in force."""
    text = APPLICATION + indented(VALUES, "spec.source.helm.valuesObject.churn")
    text += "      parameters: [{name: churn.image.pullPolicy, value: Always}, {name: image.digest, value: x}]\n"

    assert deployed(text, 10)[1].startswith("10 %")
    with pytest.raises(OptionsError, match="sets churn.image.digest"):
        deployed(text.replace("name: image.digest", "name: churn.image.digest"), 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HELM_RELEASE + "spec:\n  suspend: true\n" + indented(VALUES, "spec.values")[6:], "is suspended"),
        (
            APPLICATION
            + indented(VALUES, "spec.source.helm.valuesObject")
            + "      parameters: [{name: canary.weight, value: '0'}]\n",
            "sets canary.weight, which takes precedence",
        ),
        (APPLICATION + "spec: {source: {helm: {values: 'image: {digest: x}'}}}\n", "one string"),
    ],
)
def test_envelopes__refused_if_the_values_do_not_count(text: str, words: str) -> None:
    """A suspended release, a parameter that goes before the values, and values in one text are refused as such."""
    with pytest.raises(OptionsError, match=words):
        deployed(text, 10)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image:\n  repository: registry.example.com/team/churn\n  tag: v1\n", "no `image.digest`"),
        (HELM_RELEASE + "spec: {values: {churn: {image: {repository: a/b}}}}\n", "no `spec.values.churn.image.digest`"),
        (f"base: &b {{repository: a/b, digest: '{OLD}'}}\nimage:\n  <<: *b\n", "`image` may get its digest through"),
    ],
)
def test_values_without_a_digest__say_what_to_add(text: str, words: str) -> None:
    """Values that run an image by its tag, or get it through a merge key, are refused with the key to add."""
    with pytest.raises(OptionsError, match=words):
        Manifest(text)


def test_stable_by_tag__may_have_a_canary() -> None:
    """A stable image that runs by its tag is one: a canary beside it is no first deployment."""
    text = VALUES.replace(f"digest: {OLD}", 'tag: v1\n  digest: ""')

    assert changed(text, deployed(text, 10)[0]) == ["enabled: true", f'image: {{digest: "{NEW}"}}', "weight: 10"]
