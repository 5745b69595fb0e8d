"""With an engine, Argo Rollouts or Flagger moves the traffic: what deploy-model writes is what they roll out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests.charts.rendering import (
    CANARY,
    CHART,
    KUBERNETES,
    STABLE,
    container,
    environment,
    of_kind,
    pod,
    refused,
    render,
    workloads,
)

ARGO, FLAGGER = CHART / "ci" / "argo-rollouts-values.yaml", CHART / "ci" / "flagger-values.yaml"
ENGINES = pytest.mark.parametrize("values", [ARGO, FLAGGER], ids=["argo-rollouts", "flagger"])
CANARY_SET = ["--set", f"canary.enabled=true,canary.weight=1,canary.image.digest={CANARY}"]
COHORT = "httpRoute.cohorts[0].track=canary,httpRoute.cohorts[0].cookie.name=a,httpRoute.cohorts[0].cookie.value=b"
CANDIDATE = image(f"ghcr.io/owner/credit@{CANARY}")
BEFORE = """\
image:
  repository: ghcr.io/owner/credit
  digest: {stable}
canary:
  enabled: false
  image: {{digest: ""}}
  weight: 0
"""


def template(values: Path, written: str, folder: Path) -> dict[str, Any]:
    """Return the template of the pods that an engine gets from what is written into a manifest."""
    (folder / "values.yaml").write_text(written, encoding="utf-8")
    (workload,) = workloads(render("--values", values, "--values", folder / "values.yaml", "--is-upgrade"))
    found: dict[str, Any] = workload["spec"]["template"]
    return found


@ENGINES
def test_engine__rolls_out_what_is_written_once(tmp_path: Path, values: Path) -> None:
    """A canary is the engine's new image; its promotion is no second rollout, and its end is the state before."""
    manifest = Manifest(BEFORE.format(stable=STABLE))
    before = template(values, manifest.text, tmp_path)
    canary = Manifest(manifest.with_canary(CANDIDATE, 1))
    during = template(values, canary.text, tmp_path)
    promoted = template(values, canary.promoted(CANDIDATE), tmp_path)

    assert before["spec"]["containers"][0]["image"].endswith(STABLE)
    assert during["spec"]["containers"][0]["image"].endswith(CANARY)
    assert promoted == during
    assert template(values, manifest.text, tmp_path) == before


@ENGINES
def test_first_pods__are_no_canary(values: Path) -> None:
    """An engine judges nothing at its first installation, so a canary is taken once the release runs, and is told."""
    arguments: list[str | Path] = ["--values", values, *CANARY_SET, "--set", "rollout.installed=false"]
    upgraded = render(*arguments, "--is-upgrade")
    (stable,) = workloads(render("--values", values, "--set", "canary.enabled=false,rollout.installed=false"))

    assert "install with canary.enabled: false first" in refused(*arguments)
    assert upgraded == render(*arguments, "--set", "rollout.installed=true")
    assert container(stable)["image"].endswith(STABLE)


@ENGINES
def test_topology__spreads_the_pods_that_the_engine_runs(values: Path) -> None:
    """The constraint counts the pods that it stands in, as the workload selects them; Flagger renames both."""
    (workload,) = workloads(render("--values", values, "--is-upgrade"))
    (constraint,) = pod(workload)["topologySpreadConstraints"]
    selector = constraint["labelSelector"]["matchLabels"]

    assert selector == workload["spec"]["selector"]["matchLabels"]
    assert selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


@ENGINES
def test_pods__are_valid_for_kubernetes(values: Path) -> None:
    """The pods that an engine gets are valid in a Deployment, whatever its own definition leaves open."""
    import kubernetes_validate

    (workload,) = workloads(render("--values", values))
    spec = {"selector": workload["spec"]["selector"], "template": workload["spec"]["template"]}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": workload["metadata"], "spec": spec}
    kubernetes_validate.validate(deployment, KUBERNETES[-1], strict=True)
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_argo__every_step_waits_and_is_judged() -> None:
    """The Rollout goes 1, 5, 10, 50, 100 %, and none of the shares is taken without the analysis after it."""
    objects = render("--values", ARGO)
    (rollout,), (analysis,) = of_kind(objects, "Rollout"), of_kind(objects, "AnalysisTemplate")
    canary = rollout["spec"]["strategy"]["canary"]
    steps = canary["steps"]

    assert [step["setWeight"] for step in steps[::3]] == [1, 5, 10, 50, 100]
    assert steps[1::3] == [{"pause": {"duration": "300s"}}] * 5
    assert [step["analysis"]["templates"][0]["templateName"] for step in steps[2::3]] == [
        analysis["metadata"]["name"]
    ] * 5
    assert analysis["spec"]["metrics"][0]["successCondition"].startswith('result.status == "passed" && ')


def test_argo__every_step_asks_about_the_image_that_it_rolls_out(tmp_path: Path) -> None:
    """The analysis is given the digest of the pods that it judges, and the weight, so that it can refuse a verdict
    on another image or step."""
    manifest = Manifest(BEFORE.format(stable=STABLE))
    for written, digest in ((manifest.text, STABLE), (manifest.with_canary(CANDIDATE, 1), CANARY)):
        (tmp_path / "values.yaml").write_text(written, encoding="utf-8")
        objects = render("--values", ARGO, "--values", tmp_path / "values.yaml")
        (rollout,), (analysis,) = of_kind(objects, "Rollout"), of_kind(objects, "AnalysisTemplate")
        steps = rollout["spec"]["strategy"]["canary"]["steps"]

        assert analysis["spec"]["args"] == [{"name": "digest"}, {"name": "weight"}]
        assert "/{{args.digest}}/" in analysis["spec"]["metrics"][0]["provider"]["web"]["url"]
        assert [step["analysis"]["args"] for step in steps[2::3]] == [
            [{"name": "digest", "value": digest}, {"name": "weight", "value": str(step["setWeight"])}]
            for step in steps[0::3]
        ]
        assert container(rollout)["image"].endswith(digest)


def test_argo__services_and_route_are_those_that_it_moves() -> None:
    """What the Rollout names exists; the route begins with all traffic on the stable version, and says the track."""
    objects = render("--values", ARGO)
    (rollout,), (route,) = of_kind(objects, "Rollout"), of_kind(objects, "HTTPRoute")
    canary = rollout["spec"]["strategy"]["canary"]
    backends = {ref["name"]: ref for ref in route["spec"]["rules"][0]["backendRefs"]}
    names = (canary["stableService"], canary["canaryService"])
    said = [
        item["requestHeaderModifier"]["set"][0]
        for name in names
        for item in backends[name]["filters"]
        if item["type"] == "RequestHeaderModifier"
    ]

    assert set(names) <= {item["metadata"]["name"] for item in of_kind(objects, "Service")}
    assert canary["trafficRouting"]["plugins"]["argoproj-labs/gatewayAPI"]["httpRoute"] == route["metadata"]["name"]
    assert [backends[name]["weight"] for name in names] == [100, 0]
    assert [one["value"] for one in said] == ["stable", "canary"]
    assert {one["name"] for one in said} == {environment(rollout)["TRACK_HEADER"]}


def test_argo__references_of_the_route_are_complete() -> None:
    """No default is left to the cluster, also of a mirror: Argo CD would find a rule other than the commit says."""
    shadow = ["--set", f"shadow.enabled=true,shadow.image.digest={STABLE}"]
    (route,) = of_kind(render("--values", ARGO, *shadow), "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    mirrored = [item["requestMirror"]["backendRef"] for item in rule["filters"]]

    assert mirrored and all({"group", "kind", "name", "port"} == set(ref) for ref in mirrored)
    assert all({"group", "kind", "name", "port", "weight", "filters"} == set(ref) for ref in rule["backendRefs"])


def test_argo__no_client_names_the_track() -> None:
    """The route overwrites what a client says; pods without the route do not read it, and a shadow's never do."""
    shadow = ["--set", f"shadow.enabled=true,shadow.image.digest={STABLE},env.TRACK_HEADER=X-Which"]
    objects = render("--values", ARGO, *shadow)
    (route,), (rollout,), (copied,) = (of_kind(objects, kind) for kind in ("HTTPRoute", "Rollout", "Deployment"))
    (bare,) = of_kind(render("--values", ARGO, "--set", "httpRoute.enabled=false"), "Rollout")
    (rule,) = route["spec"]["rules"]

    for ref in rule["backendRefs"]:
        track = ref["name"].removeprefix("credit-")
        assert [one["requestHeaderModifier"] for one in ref["filters"]] == [
            {"set": [{"name": "X-Which", "value": track}]}
        ]
    assert (environment(rollout)["TRACK_HEADER"], environment(copied)["TRACK_HEADER"]) == ("X-Which", "")
    assert "TRACK_HEADER" not in environment(bare)


def test_flagger__steps_and_target() -> None:
    """The Canary watches the Deployment, which has a name label of its own to copy, and goes by the steps."""
    objects = render("--values", FLAGGER)
    (deployment,), (canary,) = of_kind(objects, "Deployment"), of_kind(objects, "Canary")
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler")

    assert canary["spec"]["targetRef"]["name"] == deployment["metadata"]["name"]
    assert canary["spec"]["autoscalerRef"]["name"] == scaler["metadata"]["name"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert canary["spec"]["analysis"]["stepWeights"] == [1, 5, 10, 50]
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "credit"
    assert not of_kind(objects, "Service") and not of_kind(objects, "HTTPRoute")


def test_flagger__its_copies_are_watched_and_guarded() -> None:
    """Pods that Flagger copies as `-primary` are scraped, kept up while nodes are drained, and under the policy."""
    objects = render("--values", FLAGGER)
    (budget,), (policy,), (monitor,) = (
        of_kind(objects, kind) for kind in ("PodDisruptionBudget", "NetworkPolicy", "PodMonitor")
    )

    assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "credit-primary"
    for selector in (policy["spec"]["podSelector"], monitor["spec"]["selector"]):
        assert selector["matchExpressions"][0]["values"] == ["credit", "credit-primary"]


@pytest.mark.parametrize(
    ("values", "pods", "others"),
    [
        (ARGO, ["credit-6f7d9c5b8-x2x4z"], ["credit-fraud-6f7d9c5b8-x2x4z", "credit-canary"]),
        (FLAGGER, ["credit-6f7d9c5b8-x2x4z", "credit-primary-6f7d9c5b8-x2x4z"], ["credit-fraud-6f7d9c5b8-x2x4z"]),
    ],
)
def test_alerts__are_of_these_pods(values: Path, pods: list[str], others: list[str]) -> None:
    """The rules find the pods by the names that an engine gives them, and no other release's."""
    (rule,) = of_kind(render("--values", values), "PrometheusRule")
    for one in rule["spec"]["groups"][0]["rules"]:
        found = re.search(r'pod=~"(.*?)"', one["expr"])
        assert found and all(re.fullmatch(found[1], pod) for pod in pods)
        assert not any(re.fullmatch(found[1], pod) for pod in others)


@pytest.mark.parametrize(
    ("values", "setting", "message"),
    [
        (ARGO, "rollout.analysis.metrics=null", "analysis"),
        (ARGO, "rollout.engine=argo", "engine"),
        (ARGO, "rollout.steps[0]=0", "steps"),
        (ARGO, "rollout.steps={5,1}", "rollout.steps must ascend: 1 comes after 5"),
        (ARGO, COHORT, "httpRoute.cohorts and rollout.engine: argo-rollouts exclude each other"),
        (ARGO, "env.TRACK_HEADER.valueFrom.fieldRef.fieldPath=metadata.name", "env.TRACK_HEADER must be a text"),
        (ARGO, "metrics.monitor=ServiceMonitor", "use PodMonitor"),
        (FLAGGER, "rollout.engine=argo-rollouts", "rollout.analysis.webhooks are Flagger's"),
        (FLAGGER, "httpRoute.enabled=false", "flagger needs httpRoute.enabled"),
        (FLAGGER, "httpRoute.filters[0].type=URLRewrite", "makes the route itself"),
        (FLAGGER, COHORT, "makes the route itself"),
        (FLAGGER, "rollout.steps={100}", "rollout.steps needs a step below 100"),
        (FLAGGER, "metrics.monitor=ServiceMonitor", "use PodMonitor"),
    ],
)
def test_refused(values: Path, setting: str, message: str) -> None:
    """An engine that would judge nothing, or could not work, is refused, and the message says why."""
    assert message in refused("--values", values, "--set", setting)


@pytest.mark.parametrize("engine", ["argo-rollouts", "flagger"])
def test_share__is_said_to_be_up_to_the_engine(engine: str) -> None:
    """deploy-model claims no share of the traffic that only the engine decides on."""
    text = BEFORE.format(stable=STABLE) + f"rollout:\n  engine: {engine}\n  analysis: {{metrics: [{{name: x}}]}}\n"
    share = Manifest(Manifest(text).with_canary(CANDIDATE, 10)).share(CANARY)

    assert share.endswith(f"its share of the traffic is up to the steps of {engine} (rollout.engine)")


@pytest.mark.parametrize("name", ["dev", "staging", "production"])
def test_environments__render_and_promise_what_they_say(name: str) -> None:
    """The values of each environment render beside an image's; production is scaled, spread, kept up and watched."""
    image_values = CHART / "ci" / "canary-values.yaml"
    objects = render("--values", CHART / "environments" / f"{name}.yaml", "--values", image_values)
    kinds = {item["kind"] for item in objects}

    assert ("PodDisruptionBudget" in kinds) == (name != "dev") == ("PrometheusRule" in kinds)
    assert ("HorizontalPodAutoscaler" in kinds) == (name == "production")
    assert json.dumps(objects).count("topology.kubernetes.io/zone") == (2 if name == "production" else 0)


@ENGINES
@pytest.mark.parametrize("name", ["dev", "staging", "production"])
def test_environments__go_with_every_engine(name: str, values: Path) -> None:
    """An environment goes with an engine too, which scales the canary itself: there is one autoscaler."""
    objects = render("--values", values, "--values", CHART / "environments" / f"{name}.yaml")
    engines = {"Rollout", "Canary"} & {item["kind"] for item in objects}
    scalers = [scaler["metadata"]["name"] for scaler in of_kind(objects, "HorizontalPodAutoscaler")]

    assert len(engines) == 1
    assert scalers == ["credit"]
