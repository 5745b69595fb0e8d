"""The pods of the chart: the gateway's settings, how they end, what they may do and what they may connect to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cd4ml.image.layout import PORT
from cd4ml.serving.pages import Part, pages
from cd4ml.serving.settings import Settings, declared
from cd4ml.serving.state import Phase, Service, State
from tests.charts.rendering import (
    CASES,
    CHART,
    MINIMAL,
    container,
    environment,
    of_kind,
    pod,
    refused,
    render,
    workloads,
)

EVERYTHING = CHART / "ci" / "everything-values.yaml"
# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROBES = ("startup", "readiness", "liveness")
SECRET = {"valueFrom": {"secretKeyRef": {"name": "credit", "key": "address"}}}


def values(tmp_path: Path, content: dict[str, Any]) -> list[str | Path]:
    """Return the arguments that add values to the minimal ones."""
    path = tmp_path / "values.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return ["--values", MINIMAL, "--values", path]


def stable(tmp_path: Path, content: dict[str, Any], *arguments: str) -> dict[str, Any]:
    """Return the stable Deployment with some values."""
    return of_kind(render(*values(tmp_path, content), *arguments), "Deployment")[0]


def test_settings__reach_the_gateway_as_it_reads_them(tmp_path: Path) -> None:
    """Numbers, words and texts of `env` become what the gateway's own reader makes of them, large numbers too."""
    content = {"MAX_ROWS": 1000000, "BODY_BYTES": "2048", "EVENTS_SAMPLE": 0.25, "CACHE": "require", "LOG_SAMPLE": 0}
    read = Settings.read(environment(stable(tmp_path, {"env": content})))

    assert (read.max_rows, read.body_bytes, read.events_sample) == (1000000, 2048, 0.25)
    assert (read.cache, read.log_sample, read.port) == ("require", 0, PORT)


def test_track__is_that_of_the_version() -> None:
    """Each version's gateway says in its events which of the two it is."""
    deployments = of_kind(render("--values", CHART / "ci" / "canary-values.yaml"), "Deployment")

    assert [environment(item)["TRACK"] for item in deployments] == ["stable", "canary"]


def test_env_from__cannot_move_what_the_chart_relies_on() -> None:
    """A ConfigMap that names the model, the port or the drain is overruled, as Kubernetes puts `env` first."""
    deployment, _ = of_kind(render("--values", EVERYTHING), "Deployment")
    explicit, defaults = environment(deployment), {name: setting.default for name, setting in declared()}
    fixed = {"HOST", "PORT", "MODEL_DIRECTORY", "SERVICE_FILE", "DRAIN_SECONDS", "DRAIN_IDLE_SECONDS"}

    assert {name: explicit[name] for name in fixed} == {name: defaults[name] for name in fixed}
    assert container(deployment)["envFrom"][0] == {"configMapRef": {"name": "credit"}}
    assert explicit["REDIS_URL"] == {"secretKeyRef": {"name": "credit", "key": "redis-url"}}


@pytest.mark.parametrize(
    ("content", "seconds"),
    [
        ({}, 5 + 2 + 20 + 5 + 5),
        (
            {"env": {"DRAIN_SECONDS": 60, "DRAIN_IDLE_SECONDS": "0", "EVENTS_DRAIN_SECONDS": 30}, "preStopSeconds": 10},
            105,
        ),
        ({"terminationGracePeriodSeconds": 300}, 300),
    ],
)
def test_grace_period__is_what_the_drain_may_take(tmp_path: Path, content: dict[str, Any], seconds: int) -> None:
    """The time until a pod is killed is the sum of what its end may take, whatever of it is set."""
    assert pod(stable(tmp_path, content))["terminationGracePeriodSeconds"] == seconds


def test_grace_period__too_short_is_refused(tmp_path: Path) -> None:
    """A pod that would be killed while it still answers is refused, with the time that it needs."""
    message = refused(*values(tmp_path, {"terminationGracePeriodSeconds": 36}))

    assert "terminationGracePeriodSeconds is 36, and a pod may need 37 seconds" in message


def test_pre_stop__sleeps_without_a_process_where_kubernetes_can(tmp_path: Path) -> None:
    """From Kubernetes 1.30 the node waits; before, Python does, as the image has no shell to rely on."""
    new, old = (stable(tmp_path, {"preStopSeconds": 7}, "--kube-version", version) for version in ("1.30.1", "1.29.0"))

    assert container(new)["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    assert container(old)["lifecycle"]["preStop"] == {
        "exec": {"command": ["python3", "-c", "import time; time.sleep(7)"]}
    }


def gateway_pages(phase: Phase, *parts: Part) -> dict[str, int]:
    """Return the statuses of the gateway's pages of one phase."""
    state = State(folder=Path("unused"), service=Service(name="credit", version="1", sha256="0" * 64))
    state.phase, state.reason = phase, ""
    return {path: page().status for path, page in pages(state, parts).items() if path.startswith("/health/")}


def test_probes__ask_what_the_gateway_answers() -> None:
    """Each probe has a path that the gateway answers, and one that loads is neither started nor ready."""
    (deployment,) = of_kind(render("--values", MINIMAL), "Deployment")
    loading = gateway_pages(Phase.LOADING)
    asked = {name: container(deployment)[f"{name}Probe"]["httpGet"]["path"] for name in PROBES}

    assert {name: loading[path] for name, path in asked.items()} == {"startup": 503, "readiness": 503, "liveness": 200}


def test_startup__does_not_ask_what_the_gateway_connects_to() -> None:
    """Where the cache is required and away, the gateway has started and is not ready: no restart would help."""

    class Away:
        """A cache whose Redis is away."""

        def ready(self) -> str:
            """Return why it is not ready."""
            return "Redis does not answer"

    statuses = gateway_pages(Phase.READY, Away())

    assert (statuses["/health/startup"], statuses["/health/readiness"]) == (200, 503)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_volumes__are_of_restricted_kinds(path: Path) -> None:
    """Every volume is of a kind that the "restricted" standard allows, and every mount has its volume."""
    for deployment in workloads(render("--values", path)):
        volumes = pod(deployment)["volumes"]
        assert all(set(volume) - {"name"} <= VOLUMES for volume in volumes)
        assert {mount["name"] for mount in container(deployment)["volumeMounts"]} <= {item["name"] for item in volumes}


@pytest.mark.parametrize(
    "content",
    [
        {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        {"extraVolumes": [{"name": "tmp", "emptyDir": {}}]},
        {"extraVolumeMounts": [{"name": "x", "mountPath": "/app"}]},
        {"extraVolumeMounts": [{"name": "x", "mountPath": "/app/model"}]},
        {"extraVolumeMounts": [{"name": "x", "mountPath": "//opt/venv/lib"}]},
        {"extraVolumeMounts": [{"name": "x", "mountPath": "/"}]},
        {"securityContext": {"privileged": True}},
        {"securityContext": {"allowPrivilegeEscalation": True}},
        {"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        {"securityContext": {"runAsUser": 0}},
        {"podSecurityContext": {"runAsNonRoot": False}},
        {"podSecurityContext": {"seLinuxOptions": {"type": "spc_t"}}},
        {"podSecurityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
        {"hostNetwork": True},
        {"env": {"TRACK": "canary"}},
        {"env": {"HOST": "127.0.0.1"}},
        {"env": {"CACHE": "on"}},
        {"env": {"CACHE": True}},
        {"env": {"MAX_ROWS": 0}},
        {"env": {"MAX_ROWS": "many"}},
        {"env": {"EVENTS_SAMPLE": 1.5}},
        {"env": {"EVENTS_SAMPLE": 0}},
        {"env": {"DRAIN_SECONDS": SECRET}},
        {"env": {"REDIS_URL": {"valueFrom": {"secretKeyRef": {"name": "credit"}}}}},
        {"env": {"REDIS_URL": {"secretKeyRef": {"name": "credit", "key": "address"}}}},
        {"env": {"REDIS_URL": {"valueFrom": {}}}},
        {"envFrom": [{"secretRef": {}}]},
        {"envFrom": [{"prefix": "A_"}]},
        {"startupPath": "/"},
        {"preStopSeconds": -1},
        {"serviceAccount": {"annotations": {"a": 1}}},
        {"topologySpreadConstraints": [{"topologyKey": "zone"}]},
        {"networkPolicy": {"egress": {"redis": {"ports": [0]}}}},
        {"networkPolicy": {"egress": {"redis": {"to": [{}]}}}},
        {"networkPolicy": {"egress": {"all": True}}},
    ],
    ids=json.dumps,
)
def test_schema__refuses(tmp_path: Path, content: dict[str, Any]) -> None:
    """Nothing beyond the "restricted" standard can be set, nor a setting to what the gateway would refuse."""
    assert "values don't meet the specifications of the schema" in refused(*values(tmp_path, content))


def egress(tmp_path: Path, content: dict[str, Any]) -> list[tuple[int, str]]:
    """Return the ports that the network policy lets out."""
    (policy,) = of_kind(render(*values(tmp_path, content)), "NetworkPolicy")
    return [(port["port"], port["protocol"]) for rule in policy["spec"]["egress"] for port in rule["ports"]]


DNS = [(53, "UDP"), (53, "TCP")]


@pytest.mark.parametrize(
    ("env", "ports"),
    [
        ({}, []),
        ({"EVENTS": "stdout"}, []),
        ({"REDIS_URL": "rediss://:secret@cache:6379/0"}, [*DNS, (6379, "TCP")]),
        ({"REDIS_URL": SECRET}, [*DNS, (6379, "TCP")]),
        ({"EVENTS": "redis://cache/events"}, [*DNS, (6379, "TCP")]),
        ({"EVENTS": "kafka://broker:9092/events"}, [*DNS, (9092, "TCP")]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/v1"}, [*DNS, (4318, "TCP")]),
        (
            {"EVENTS": "kafka://a:9092,b/events", "REDIS_URL": "redis://u:p,x@cache"},
            [*DNS, (6379, "TCP"), (9092, "TCP")],
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": SECRET}, [*DNS, (4318, "TCP")]),
    ],
)
def test_egress__lets_out_what_the_settings_name(tmp_path: Path, env: dict[str, Any], ports: list[Any]) -> None:
    """Redis, Kafka and a collector are reachable once a setting names them, with name resolution, and nothing else."""
    assert egress(tmp_path, {"env": env}) == ports


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"env": {"EVENTS": SECRET}}, "redis.enabled must say true or false: env.EVENTS"),
        ({"env": {"FEATURE_STORE_URL": SECRET}}, "redis.enabled must say true or false: env.FEATURE_STORE_URL"),
        ({"env": {"FEATURE_STORE_URL": "http://feast:6566"}}, "add a rule to networkPolicy.egress.extra"),
        ({"envFrom": [{"secretRef": {"name": "x"}}]}, "redis.enabled must say true or false: envFrom"),
        ({"env": {"REDIS_URL": "redis://cache:7000"}}, "uses port 7000, which networkPolicy.egress.redis.ports"),
        (
            {"env": {"FEATURE_STORE_URL": "redis://store:6380", "REDIS_URL": "redis://cache:6379"}},
            "env.FEATURE_STORE_URL uses port 6380",
        ),
        ({"env": {"EVENTS": "kafka://a:9093,b:9092/events"}}, "env.EVENTS uses port 9093"),
        (
            {"env": {"REDIS_URL": "redis://cache"}, "networkPolicy": {"egress": {"redis": {"ports": [6380]}}}},
            "env.REDIS_URL uses port 6379",
        ),
        ({"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector"}}, "ENDPOINT uses port 80, which"),
        ({"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector"}}, "ENDPOINT uses port 443, which"),
        (
            {"env": {"REDIS_URL": "redis://a"}, "networkPolicy": {"egress": {"redis": {"enabled": False}}}},
            "redis.enabled is false",
        ),
    ],
)
def test_egress__what_would_be_cut_off_is_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    """A policy that would keep the gateway from what its settings name, or cannot know it, is refused and says why."""
    assert message in refused(*values(tmp_path, content))
