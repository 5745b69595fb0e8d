"""Kubernetes objects: workloads are found by the image, routes by their Services, and each share is really given."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.gitops.manifest import Manifest
from tests.gitops.formats.conftest import CHURN, NEW, OLD, changed, deployed

IMAGE = f"registry.example.com/team/churn@{OLD}"
NEW_IMAGE = f"registry.example.com/team/churn@{NEW}"


def workload(name: str, *more: str, kind: str = "Deployment", image: str = IMAGE, labels: str = "") -> str:
    """Return a workload of one container, with lines of its spec."""
    group = "argoproj.io/v1alpha1" if kind == "Rollout" else "apps/v1"
    lines = "".join(f"  {line}\n" for line in more)
    return (
        f"---\napiVersion: {group}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{lines}  template:\n"
        f"    metadata: {{labels: {{{labels}}}}}\n"
        f"    spec:\n      containers:\n        - {{name: server, image: {image}}}\n"
    )


def service(name: str, selector: str) -> str:
    """Return a Service."""
    return f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{{selector}}}}}\n"


def route(*backends: str, kind: str = "HTTPRoute", name: str = "churn") -> str:
    """Return a route of one rule."""
    lines = "".join(f"        - {backend}\n" for backend in backends)
    head = f"---\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"
    if kind == "VirtualService":
        return f"{head}  hosts: [churn]\n  http:\n    - route:\n{lines}"
    if kind in ("TraefikService", "TrafficSplit"):
        nested = {"TraefikService": "  weighted:\n    services:\n", "TrafficSplit": "  backends:\n"}[kind]
        return head + nested + lines.replace("        -", "      -")
    keys = {"HTTPProxy": "routes services", "IngressRoute": "routes services"}.get(kind, "rules backendRefs").split()
    return f"{head}  {keys[0]}:\n    - {keys[1]}:\n{lines}"


PAIR = workload("churn", labels="app: churn, track: stable") + workload(
    "churn-canary", labels="app: churn, track: canary"
)
HTTP = route("{name: churn, port: 80, weight: 100}", "{name: churn-canary, port: 80, weight: 0}")


@pytest.mark.parametrize(
    "splitter",
    [
        HTTP,
        HTTP.replace("HTTPRoute", "GRPCRoute"),
        route("{name: churn-stable, weight: 1}", "{name: churn-canary, weight: 0}"),
        route(
            "{destination: {host: churn.models.svc.cluster.local}, weight: 100}",
            "{destination: {host: churn-canary}, weight: 0}",
            kind="VirtualService",
        ),
        route("{name: churn, weight: 100}", "{name: churn-canary, weight: 0}", kind="HTTPProxy"),
        route("{name: churn, weight: 100}", "{name: churn-canary, weight: 0}", kind="IngressRoute"),
        route("{name: churn, weight: 100}", "{name: churn-canary, weight: 0}", kind="TraefikService"),
        route("{service: churn, weight: 100}", "{service: churn-canary, weight: 0}", kind="TrafficSplit"),
        service("web", "app: churn, track: stable")
        + service("web-next", "app: churn, track: canary")
        + route("{name: web, weight: 100}", "{name: web-next, weight: 0}"),
    ],
    ids="HTTPRoute GRPCRoute -stable Istio Contour IngressRoute TraefikService TrafficSplit selectors".split(),
)
def test_routes__both_weights_are_set(splitter: str) -> None:
    """In each kind of route the two weights of this application are set, by name or by the Services' selectors."""
    after, share = deployed(PAIR + splitter, 20)

    assert share == "20 % of the traffic as canary"
    weights = [line.rpartition("weight: ")[2].rstrip("}") for line in changed(PAIR + splitter, after)[1:]]
    assert weights == ["80", "20"]
    assert Manifest(Manifest(after).promoted(CHURN)).share(NEW) == "all of the traffic"


def test_routes__istio_subsets_by_their_labels() -> None:
    """Subsets of one host are told apart by the labels in the DestinationRule; without one nothing is claimed."""
    rule = (
        "---\nkind: DestinationRule\nmetadata: {name: churn}\nspec:\n  host: churn\n  subsets:\n"
        "    - {name: v1, labels: {track: stable}}\n    - {name: v2, labels: {track: canary}}\n"
    )
    split = route(
        "{destination: {host: churn, subset: v1}, weight: 100}",
        "{destination: {host: churn, subset: v2}, weight: 0}",
        kind="VirtualService",
    )

    after, share = deployed(PAIR + rule + split, 5)

    assert "subset: v1}, weight: 95}" in after and "subset: v2}, weight: 5}" in after and share.startswith("5 %")
    with pytest.raises(OptionsError, match="no place for a canary"):
        deployed(PAIR + split, 5)


def test_routes__nginx_annotation() -> None:
    """The weight of an Ingress that ingress-nginx takes for the canary's is the canary's share."""
    ingress = (
        "---\nkind: Ingress\nmetadata:\n  name: churn-canary\n  annotations:\n"
        '    nginx.ingress.kubernetes.io/canary: "true"\n    nginx.ingress.kubernetes.io/canary-weight: "0"\n'
        "spec: {rules: [{http: {paths: [{backend: {service: {name: churn-canary}}}]}}]}\n"
    )

    after, share = deployed(PAIR + ingress, 10)

    assert 'canary-weight: "10"' in after and share == "10 % of the traffic as canary"
    with pytest.raises(OptionsError, match="no place for a canary"):
        deployed(PAIR + ingress.replace('"true"', '"false"'), 10)
    with pytest.raises(OptionsError, match="no place for a canary"):
        deployed(PAIR + ingress.replace("{name: churn-canary}", "{name: fraud-canary}"), 10)


TESTERS = (
    "    - matches: [{headers: [{name: x-tester, value: yes}]}]\n      backendRefs: [{name: churn-canary, port: 80}]\n"
)


@pytest.mark.parametrize(
    "other",
    [
        TESTERS,
        TESTERS.replace("port: 80", "weight: 1"),
        TESTERS.replace("headers", "queryParams"),
        "    - matches: [{path: {value: /docs}}]\n      backendRefs: [{name: docs, port: 80}]\n",
        "    - matches: [{path: {value: /old}}]\n      filters: [{type: RequestRedirect}]\n",
        "    - matches: [{path: {value: /f}}]\n"
        "      backendRefs: [{name: fraud, weight: 50}, {name: fraud-canary, weight: 50}]\n",
    ],
)
def test_rules__that_split_nothing_of_ours_are_left_alone(other: str) -> None:
    """Testers' rules, redirects, and rules of other applications stay byte for byte, before or after ours."""
    rule = HTTP.partition("rules:\n")[2]
    for text in (PAIR + HTTP + other, PAIR + HTTP.replace(rule, other + rule)):
        after, share = deployed(text, 10)
        assert other in after and len(changed(text, after)) == 3 and share.startswith("10 %")


def test_routes__of_another_application_are_no_place() -> None:
    """A route of others is not touched, and a canary that no route serves is refused, whatever its suffix."""
    others = HTTP.replace("churn", "fraud")

    with pytest.raises(OptionsError, match="no place for a canary"):
        deployed(PAIR + others, 10)
    after, _ = deployed(PAIR + others + HTTP, 10)
    assert others in after


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PAIR, "no route in it splits traffic between churn and churn-canary"),
        (PAIR + service("churn", "app: churn, track: stable"), "no Service selects both"),
        (PAIR + service("web", "app: churn") + route("{name: web, weight: 100}"), "its share of replicas, 1 of 2"),
        (
            PAIR + service("web", "app: churn") + route("{name: web, weight: 9}", "{name: churn-canary, weight: 1}"),
            "the Service web selects the canary's pods as well",
        ),
        (PAIR + service("churn-canary", "app: other") + HTTP, "no place for a canary"),
        (PAIR + service("web", "app: churn") + route("{name: churn, port: 80}"), "its routes bypass the Service"),
        (
            PAIR.replace("metadata: {name: churn", "metadata: {namespace: ml, name: churn")
            + HTTP.replace("{name: churn-canary", "{namespace: other, name: churn-canary"),
            "no place for a canary",
        ),
    ],
)
def test_canary__refused_without_traffic(text: str, words: str) -> None:
    """A canary that no route and no Service serves, or not with its weight, is refused with the reason."""
    with pytest.raises(OptionsError, match=words):
        deployed(text, 10)


AUTOSCALERS = (
    "---\nkind: {kind}\nmetadata: {{name: scaler}}\nspec: {{{least}scaleTargetRef: {{{target}name: {name}}}}}\n"
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (workload("churn") + workload("churn-canary", "replicas: 0"), "churn-canary has replicas: 0"),
        (workload("churn", "replicas: 0") + workload("churn-canary"), "churn has replicas: 0"),
        (workload("churn") + workload("churn-canary", "paused: true"), "churn-canary is paused"),
        (workload("churn", "paused: true") + workload("churn-canary"), "churn is paused"),
        (
            workload("churn") + workload("churn-canary", "selector: {matchLabels: {a: b}}", labels="a: c"),
            "selects other labels than its pods have",
        ),
        (
            PAIR + AUTOSCALERS.format(kind="ScaledObject", least="", target="", name="churn-canary"),
            "ScaledObject scaler may scale Deployment churn-canary to 0",
        ),
        (
            PAIR
            + AUTOSCALERS.format(
                kind="HorizontalPodAutoscaler", least="minReplicas: 0, ", target="kind: Deployment, ", name="churn"
            ),
            "HorizontalPodAutoscaler scaler may scale Deployment churn to 0",
        ),
        (
            PAIR
            + AUTOSCALERS.format(
                kind="ScaledObject", least="minReplicaCount: 2, ", target="", name="churn-canary"
            ).replace("{name: scaler}", "{name: scaler, annotations: {autoscaling.keda.sh/paused-replicas: '0'}}"),
            "ScaledObject scaler may scale Deployment churn-canary to 0",
        ),
    ],
)
def test_traffic__refused_to_what_does_not_run(text: str, words: str) -> None:
    """Traffic is not sent to a version of no replicas, a paused one, or one that an autoscaler may end."""
    with pytest.raises(OptionsError, match=words):
        deployed(text + HTTP, 10)


def test_autoscaler__that_keeps_a_pod_is_no_obstacle() -> None:
    """An autoscaler of at least one pod, and one of another application, stand in nobody's way."""
    keeps = AUTOSCALERS.format(kind="ScaledObject", least="minReplicaCount: 1, ", target="", name="churn-canary")
    others = AUTOSCALERS.format(kind="ScaledObject", least="", target="", name="fraud")

    assert deployed(PAIR + HTTP + keeps + others, 10)[1] == "10 % of the traffic as canary"


def test_share_of_replicas__said_and_taken_back() -> None:
    """Behind one Service the share is the canary's part of the replicas, and a roll-back gives it the stable image."""
    text = (
        workload("churn", "replicas: 9", labels="app: churn")
        + workload("churn-canary", labels="app: churn, x: y")
        + service("churn-web", "app: churn")
    )
    after, share = deployed(text, 10)

    assert share == "its share of replicas, 1 of 10, as canary" and changed(text, after) == [
        f"- {{name: server, image: {NEW_IMAGE}}}"
    ]
    assert Manifest(after).state.weight == 10
    assert Manifest(after).without_canary() == text
    assert Manifest(after).promoted(CHURN).count(NEW) == 2


def test_rule__that_takes_the_requests_before_the_split() -> None:
    """A rule of the same requests that stands before the split, and sends all of them to one version, is refused."""
    before = "    - backendRefs: [{name: churn, port: 80}]\n"
    rule = HTTP.partition("rules:\n")[2]

    with pytest.raises(OptionsError, match=r"rules\[0\].backendRefs` must have two backends"):
        deployed(PAIR + HTTP.replace(rule, before + rule), 10)
    assert deployed(PAIR + HTTP + before, 10)[1].startswith("10 %")


SIDECARS = f"""\
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: churn}}
spec:
  template:
    spec:
      initContainers:
        - {{name: wait, image: "busybox:1.36"}}
        - {{name: warm-up, image: {IMAGE}}}
      containers:
        - {{name: envoy, image: "envoyproxy/envoy@sha256:{'8' * 64}"}}
        - {{name: server, image: {IMAGE}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: redis}}
spec: {{template: {{spec: {{containers: [{{name: redis, image: "redis:7.2"}}]}}}}}}
"""


def test_containers__found_by_the_image() -> None:
    """A proxy, a cache and other init containers stay; an init container of the very same image moves along."""
    after, share = deployed(SIDECARS, 100)

    assert changed(SIDECARS, after) == [
        f"- {{name: warm-up, image: {NEW_IMAGE}}}",
        f"- {{name: server, image: {NEW_IMAGE}}}",
    ]
    assert share == "all of the traffic"


def test_containers__two_workloads_of_one_image_need_a_name() -> None:
    """A worker of the same image is not left behind in silence: the refusal names both, and a name chooses."""
    text = SIDECARS + workload("churn-worker")

    with pytest.raises(OptionsError, match="does not say which image is meant: it has churn .*, churn-worker"):
        deployed(text, 100)
    after, _ = deployed(text, 100, part="churn-worker")
    assert after.startswith(SIDECARS) and after.endswith(f"image: {NEW_IMAGE}}}\n")


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        (
            "{canary: {steps: [{setWeight: 5}, {pause: {}}, {setWeight: 50}]}}",
            "first step is 5 % of the traffic, as nearly",
        ),
        ("{canary: {trafficRouting: {nginx: {}}, steps: [{setWeight: 5}]}}", "whose first step is 5 % of the traffic"),
        ("{canary: {steps: [{analysis: {}}, {setWeight: 5}]}}", "first step (analysis) sets no weight"),
        ("{canary: {}}", "no steps and replaces the pods"),
        ("{blueGreen: {activeService: a}}", "switches all traffic once it runs"),
        ("{blueGreen: {activeService: a, autoPromotionEnabled: false}}", "without traffic until it is promoted there"),
    ],
)
@pytest.mark.parametrize("weight", [10, 100])
def test_rollout__says_its_own_steps(strategy: str, words: str, weight: int) -> None:
    """A Rollout gets the image whatever the weight, and what is claimed is what its own strategy does."""
    text = workload("churn", f"strategy: {strategy}", kind="Rollout")

    after, share = deployed(text, weight)

    assert changed(text, after) == [f"- {{name: server, image: {NEW_IMAGE}}}"]
    assert "to the Rollout churn, " in share and words in share and "all of the traffic" not in share


@pytest.mark.parametrize("line", ["paused: true", "replicas: 0"])
def test_rollout__refused_if_it_would_do_nothing(line: str) -> None:
    """A paused Rollout, or one of no replicas, takes no image."""
    with pytest.raises(OptionsError, match="paused|replicas: 0"):
        deployed(workload("churn", line, kind="Rollout"), 10)


def test_rollout__of_a_deployments_template() -> None:
    """A Rollout that takes a Deployment's template decides for it, though the Deployment itself has no replicas."""
    rollout = (
        "---\nkind: Rollout\nmetadata: {name: churn-rollout}\nspec:\n  workloadRef: {kind: Deployment, name: churn}\n"
        "  strategy: {canary: {steps: [{setWeight: 30}]}}\n"
    )

    share = deployed(workload("churn", "replicas: 0") + rollout, 10)[1]

    assert "to the Rollout churn-rollout, whose first step is 30 %" in share


@pytest.mark.parametrize(
    ("analysis", "words"),
    [
        ("analysis: {maxWeight: 50, stepWeight: 10}", "whose first step is 10 % of the traffic"),
        ("analysis: {stepWeights: [1, 5, 50]}", "whose first step is 1 % of the traffic"),
        ("analysis: {iterations: 10}", "tests it before it switches the traffic"),
        ("skipAnalysis: true", "skips its analysis"),
    ],
)
def test_flagger__says_its_own_steps(analysis: str, words: str) -> None:
    """Beside Flagger's Canary the Deployment's image is handed over, whatever the weight."""
    flagger = (
        "---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: churn}\nspec:\n"
        f"  targetRef: {{apiVersion: apps/v1, kind: Deployment, name: churn}}\n  {analysis}\n"
    )

    for weight in (10, 100):
        assert words in deployed(workload("churn") + flagger, weight)[1]
    with pytest.raises(OptionsError, match="Flagger's Canary churn is suspended"):
        deployed(workload("churn") + flagger + "  suspend: true\n", 10)
    assert deployed(workload("churn") + flagger.replace("name: churn}\n  ", "name: fraud}\n  "), 100)[1].startswith(
        "all"
    )


def test_namespaces__are_kept_apart() -> None:
    """The same names in another namespace are another environment: only the one that is named changes."""
    text = PAIR + HTTP
    staging, prod = (
        text.replace("metadata: {name: churn", f"metadata: {{namespace: {space}, name: churn")
        for space in ("stg", "prd")
    )

    with pytest.raises(OptionsError, match="it has stg/churn .*, prd/churn"):
        deployed(staging + prod, 10)
    after, share = deployed(staging + prod, 10, part="prd/churn")
    assert after.startswith(staging) and share == "10 % of the traffic as canary"


def test_others_mistakes__are_no_obstacle() -> None:
    """What is wrong with another application in the file does not concern whoever deploys this one."""
    others = (PAIR + HTTP).replace("churn", "fraud").replace("\nspec:\n", "\nspec:\n  paused: maybe\n")
    broken = others.replace(", weight: 0}", "}")

    assert deployed(broken + PAIR + HTTP, 10)[0].startswith(broken)


def test_unknown_kinds__named() -> None:
    """A file of kinds that serve nothing here is refused with what it holds."""
    with pytest.raises(OptionsError, match="it holds ConfigMap, Job"):
        Manifest("kind: Job\n---\nkind: ConfigMap\n")


def test_without_an_image__only_what_is_marked_is_taken() -> None:
    """Where the image is not known, a container named model-server or a canary decides, and no other number does."""
    redis = workload("redis", image=f"redis@sha256:{'7' * 64}")

    with pytest.raises(OptionsError, match="does not say which image"):
        Manifest(workload("churn") + redis)
    assert Manifest(PAIR + HTTP + redis).repository == CHURN.repository
    assert Manifest(workload("churn").replace("name: server", "name: model-server") + redis).state.stable == OLD


def test_route__that_divides_with_others_is_named() -> None:
    """An image in a version that a route gives only a part of the traffic is not said to get all of it."""
    text = workload("churn") + workload("churn-canary", image="registry.example.com/team/next:v1") + HTTP

    assert deployed(text, 100)[1] == "all of the traffic"
    share = deployed(text.replace("weight: 0", "weight: 10"), 100)[1]
    assert share == "the part of the traffic that the HTTPRoute churn sends to churn"


def test_versions_side_by_side__say_which() -> None:
    """Of two versions of one image in a file, the one that is named gets what reaches it, and no more is claimed."""
    after, share = deployed(workload("churn-v1") + workload("churn-v2"), 100, part="churn-v2")

    assert share == "all of the traffic that reaches churn-v2" and IMAGE in after


def test_canary_that_nothing_splits_from__is_not_overlooked() -> None:
    """Beside a canary whose share nothing decides, a new stable image is not said to get all of the traffic."""
    text = PAIR + service("churn", "app: churn") + route("{name: churn, weight: 9}", "{name: churn-stable, weight: 1}")

    after, share = deployed(text, 100)

    assert share == "all of the traffic that reaches churn" and after.count(IMAGE) == 1


def test_namespace_left_out__is_any() -> None:
    """A controller with a namespace concerns a Deployment that leaves its own to whoever applies the file."""
    flagger = (
        "---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata: {name: churn, namespace: ml}\nspec:\n"
        "  targetRef: {kind: Deployment, name: churn}\n  analysis: {stepWeight: 5}\n"
    )

    assert "to Flagger's Canary churn" in deployed(workload("churn") + flagger, 100)[1]
    assert deployed(PAIR + HTTP.replace("{name: churn}", "{name: churn, namespace: ml}"), 10)[1].startswith("10 %")
