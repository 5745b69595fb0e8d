"""Who is sent requests: the route's rules, the shadow, an Ingress where there is no route."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.rendering import CHART, MINIMAL, environment, of_kind, refused, render

TRAFFIC = CHART / "ci" / "traffic-values.yaml"
SHADOW = "sha256:" + "c" * 64


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector takes a pod."""
    matched = selector.get("matchLabels", {}).items() <= labels.items()
    return matched and all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """Return the objects of a release with stable version, canary and shadow."""
    return render("--values", TRAFFIC)


def labels(objects: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Return the labels of each Deployment's pods."""
    return {i["metadata"]["name"]: i["spec"]["template"]["metadata"]["labels"] for i in of_kind(objects, "Deployment")}


def test_shadow__runs_its_own_image_and_says_so(objects: list[dict[str, Any]]) -> None:
    """The shadow runs its own digest, and its events are told from those of requests that were answered."""
    shadow = next(item for item in of_kind(objects, "Deployment") if item["metadata"]["name"] == "credit-shadow")

    assert shadow["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f"@{SHADOW}")
    assert environment(shadow)["TRACK"] == "shadow"


def test_shadow__no_service_of_requests_finds_it(objects: list[dict[str, Any]]) -> None:
    """Its pods stand behind its own Service alone: users never get an answer of a shadow."""
    pods = labels(objects)["credit-shadow"]
    found = {
        i["metadata"]["name"] for i in of_kind(objects, "Service") if i["spec"]["selector"].items() <= pods.items()
    }

    assert found == {"credit-shadow"}


def test_topology__each_versions_pods_spread_by_themselves(objects: list[dict[str, Any]]) -> None:
    """The constraint in a pod counts pods of its own version, the shadow's too."""
    for deployment in of_kind(objects, "Deployment"):
        (constraint,) = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        taken = [name for name, pods in labels(objects).items() if selected(constraint["labelSelector"], pods)]
        assert taken == [deployment["metadata"]["name"]]


def test_network_policy__holds_for_every_pod(objects: list[dict[str, Any]]) -> None:
    """The policy selects the pods of all versions, the shadow's too, and of no other release."""
    (policy,) = of_kind(objects, "NetworkPolicy")
    selector = policy["spec"]["podSelector"]

    assert all(selected(selector, pods) for pods in labels(objects).values())
    assert not selected(selector, {**labels(objects)["credit-stable"], "app.kubernetes.io/instance": "other"})


def test_deployments__select_their_own_pods_alone(objects: list[dict[str, Any]]) -> None:
    """No Deployment takes over another version's pods."""
    for deployment in of_kind(objects, "Deployment"):
        taken = [name for name, pods in labels(objects).items() if selected(deployment["spec"]["selector"], pods)]
        assert taken == [deployment["metadata"]["name"]]


def test_rules__each_has_filters_and_timeouts(objects: list[dict[str, Any]]) -> None:
    """No cohort goes past the filters, the copies and the timeouts of the route."""
    (route,) = of_kind(objects, "HTTPRoute")

    assert len(route["spec"]["rules"]) == 4
    for rule in route["spec"]["rules"]:
        assert [one["type"] for one in rule["filters"]] == ["RequestHeaderModifier", "RequestMirror"]
        assert rule["filters"][1]["requestMirror"] == {
            "backendRef": {"group": "", "kind": "Service", "name": "credit-shadow", "port": 80},
            "percent": 50,
        }
        assert rule["timeouts"] == {"request": "10s", "backendRequest": "5s"}


@pytest.mark.parametrize("hosts", [[], ["a.example.com", "b.example.com"]])
def test_ingress__goes_to_all_pods(hosts: list[str]) -> None:
    """Without a route, an Ingress sends every host's requests to the Service of both versions."""
    settings = [f"ingress.hosts[{number}]={host}" for number, host in enumerate(hosts)]
    arguments = [
        part for one in ["httpRoute.enabled=false", "ingress.enabled=true", *settings] for part in ("--set", one)
    ]
    (ingress,) = of_kind(render("--values", MINIMAL, *arguments), "Ingress")

    assert [rule.get("host", "") for rule in ingress["spec"]["rules"]] == (hosts or [""])
    for rule in ingress["spec"]["rules"]:
        (path,) = rule["http"]["paths"]
        assert path["backend"]["service"] == {"name": "credit", "port": {"name": "http"}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ingress.enabled=true", "ingress.enabled and httpRoute.enabled exclude each other"),
        ("httpRoute.enabled=false", "shadow.enabled needs httpRoute.enabled"),
        ("shadow.image.digest=", "digest"),
        ("shadow.image.digest=latest", "digest"),
        ("shadow.percent=0", "percent"),
        ("httpRoute.cohorts[0].track=shadow", "track"),
        ("httpRoute.cohorts[0].headers[0].name=Cookie", "headers"),
        ("httpRoute.cohorts[1].cookie.name=a b", "cookie"),
        ("httpRoute.cohorts[1].cookie.value=a;b", "cookie"),
        ("httpRoute.cohorts[1].cookie=null", "cohorts"),
        ("httpRoute.timeouts.request=10", "timeouts"),
        ("httpRoute.filters[0].type=RequestMirror", "filters"),
    ],
)
def test_refused(setting: str, message: str) -> None:
    """What would send requests elsewhere than it says is refused, and the message names the value."""
    assert message in refused("--values", TRAFFIC, "--set", setting)
