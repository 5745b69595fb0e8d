"""What Prometheus is told: who is scraped, and alerts that a real Prometheus evaluates on the gateway's own metrics."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cd4ml.serving.telemetry.metrics.families import FAMILIES
from tests.charts.rendering import CHART, MINIMAL, of_kind, refused, render
from tests.conftest import need_program

TRAFFIC, KEDA = CHART / "ci" / "traffic-values.yaml", CHART / "ci" / "keda-values.yaml"
POD = 'namespace="models",pod="credit-{0}-7d9f-x2x4z",track="{0}"'


def rules() -> dict[str, Any]:
    """Return what the rendered PrometheusRule says to Prometheus."""
    (rule,) = of_kind(render("--values", TRAFFIC, "--namespace", "models"), "PrometheusRule")
    spec: dict[str, Any] = rule["spec"]
    return spec


def series(track: str, metric: str, values: str, **labels: str) -> dict[str, str]:
    """Return a series of a pod."""
    more = "".join(f',{name}="{value}"' for name, value in labels.items())
    return {"series": f"{metric}{{{POD.format(track)}{more}}}", "values": values}


HEALTHY = [
    series("stable", "cd4ml_model_ready", "1x60"),
    series("stable", "cd4ml_requests_total", "0+600x60", status="200"),
    series("stable", "cd4ml_requests_total", "0+2x60", status="500"),
    series("stable", "cd4ml_request_duration_seconds_bucket", "0+600x60", le="0.5"),
    series("stable", "cd4ml_request_duration_seconds_bucket", "0+600x60", le="+Inf"),
    series("stable", "cd4ml_events_total", "0+600x60", outcome="delivered"),
]
SICK = {
    "ModelServerMissing": [],
    "ModelServerNotReady": [*HEALTHY, series("canary", "cd4ml_model_ready", "0x60")],
    "ModelServerErrors": [
        *HEALTHY,
        series("canary", "cd4ml_requests_total", "0+90x60", status="200"),
        series("canary", "cd4ml_requests_total", "0+10x60", status="500"),
    ],
    "ModelServerSlow": [
        *HEALTHY,
        series("canary", "cd4ml_request_duration_seconds_bucket", "0+90x60", le="0.5"),
        series("canary", "cd4ml_request_duration_seconds_bucket", "0+100x60", le="1"),
        series("canary", "cd4ml_request_duration_seconds_bucket", "0+100x60", le="+Inf"),
    ],
    "ModelServerEventsLost": [*HEALTHY, series("canary", "cd4ml_events_total", "0+1x60", outcome="dropped-queue-full")],
}


def firing(folder: Path, given: list[dict[str, str]], alerts: list[str]) -> subprocess.CompletedProcess[str]:
    """Ask promtool whether, after half an hour of these series, exactly these alerts fire, whatever their labels."""
    (folder / "rules.json").write_text(json.dumps(rules()), encoding="utf-8")
    expected = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": "30m",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in alerts],
        }
    ]
    test = {"interval": "1m", "input_series": given, "promql_expr_test": expected}
    content = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "tests.json").write_text(json.dumps(content), encoding="utf-8")
    command = [need_program("promtool"), "test", "rules", "tests.json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("alert", ["", *SICK])
def test_alerts__fire_for_what_is_wrong_alone(tmp_path: Path, alert: str) -> None:
    """A healthy service raises no alert, and each fault raises its own and no other; promtool evaluates them."""
    result = firing(tmp_path, SICK[alert] if alert else HEALTHY, [alert] if alert else [])

    assert result.returncode == 0, result.stdout + result.stderr


def test_alerts__a_wrong_expectation_is_noticed(tmp_path: Path) -> None:
    """promtool says so where an alert is expected that does not fire: the tests above can fail."""
    assert firing(tmp_path, HEALTHY, ["ModelServerErrors"]).returncode == 1


def test_alerts__there_is_a_test_of_each() -> None:
    """No alert goes untested."""
    assert [rule["alert"] for rule in rules()["groups"][0]["rules"]] == list(SICK)


def test_alerts__ask_for_metrics_that_the_gateway_has() -> None:
    """Every metric of the rules, and every label, is one that the gateway answers or the monitor sets."""
    known = {family.name: {*family.labels, "le", "namespace", "pod", "track"} for family in FAMILIES}
    for rule in rules()["groups"][0]["rules"]:
        for metric, selector in re.findall(r"(cd4ml_\w+)\{(.*?)\}", rule["expr"]):
            labels = re.findall(r"(\w+)(?:=~|!=|!~|=)\"", selector)
            assert set(labels) <= known[metric.removesuffix("_bucket")], metric


def test_pod_monitor__selects_every_version() -> None:
    """All pods are scraped, the shadow's too, and tell their track."""
    objects = render("--values", TRAFFIC)
    (monitor,) = of_kind(objects, "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]

    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert endpoint["relabelings"][0]["sourceLabels"] == ["__meta_kubernetes_pod_label_cd4ml_io_track"]
    assert monitor["spec"]["selector"] == of_kind(objects, "NetworkPolicy")[0]["spec"]["podSelector"]


def test_service_monitor__takes_each_pod_once() -> None:
    """It selects the Services of one version each, and not the common one, behind which the same pods stand."""
    objects = render("--values", KEDA)
    (monitor,) = of_kind(objects, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [item for item in of_kind(objects, "Service") if wanted <= item["metadata"]["labels"].items()]

    assert monitor["spec"]["selector"]["matchExpressions"] == [{"key": "cd4ml.io/track", "operator": "Exists"}]
    assert [i["metadata"]["name"] for i in services if "cd4ml.io/track" in i["metadata"]["labels"]] == ["credit-stable"]


def test_autoscalers__scale_by_weight() -> None:
    """The canary may have its weight's share of the largest number of replicas, and neither Deployment resets it."""
    objects = render("--values", TRAFFIC, "--set", "canary.weight=25")
    bounds = {
        item["spec"]["scaleTargetRef"]["name"]: (item["spec"]["minReplicas"], item["spec"]["maxReplicas"])
        for item in of_kind(objects, "HorizontalPodAutoscaler")
    }

    assert bounds == {"credit-stable": (2, 10), "credit-canary": (1, 3)}
    assert {"credit-stable", "credit-canary"} == {
        item["metadata"]["name"] for item in of_kind(objects, "Deployment") if "replicas" not in item["spec"]
    }


def test_keda__scales_in_place_of_the_autoscaler() -> None:
    """With KEDA there is its object for the Deployment, and no second autoscaler that would work against it."""
    objects = render("--values", KEDA)
    (scaled,) = of_kind(objects, "ScaledObject")

    assert not of_kind(objects, "HorizontalPodAutoscaler")
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (2, 20)
    assert scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"metrics": {"rules": {"enabled": True}}}, "metrics.rules.enabled needs metrics.monitor"),
        ({"metrics": {"monitor": "podmonitor"}}, "monitor"),
        ({"metrics": {"rules": {"errorShare": 0}}}, "errorShare"),
        ({"autoscaling": {"enabled": True, "keda": {"enabled": True}}}, "triggers"),
        ({"autoscaling": {"behavior": {"up": {}}}}, "behavior"),
        (
            {
                "httpRoute": {"enabled": False},
                "autoscaling": {"enabled": True, "canary": {"enabled": True}},
                "canary": {"enabled": True, "weight": 5, "image": {"digest": "sha256:" + "b" * 64}},
            },
            "autoscaling.canary.enabled needs httpRoute.enabled",
        ),
    ],
)
def test_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    """What could not work is refused, and the message names the value."""
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    assert message in refused("--values", MINIMAL, "--values", tmp_path / "values.yaml")
