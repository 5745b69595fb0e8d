"""The chart's alerts in a real Prometheus that scrapes real gateways, by a real Alertmanager to who is called."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cd4ml.feature_store.layout import fields_of, key_of
from tests import models
from tests.charts.rendering import of_kind, render
from tests.charts.test_monitoring import TRAFFIC
from tests.prometheus import prometheus
from tests.real_engines.alertmanager import Labels, alertmanager, receiver
from tests.serving import redis as real
from tests.serving.conftest import Gateway, running
from tests.serving.conversion import converted, service_of
from tests.serving.telemetry.test_gateway import eventually

ROW = {"age": 40, "income": 3.5, "city": "Oslo"}
BY_KEY = {"entities": [{"customer_id": 17, "age": 40}]}
POD = "credit-{}-7d9f-x2x4z"
EXPECTED: Mapping[str, Labels] = {
    "ModelServerNotReady": {"severity": "warning", "track": "stable", "pod": POD.format("stable")},
    "ModelServerErrors": {"severity": "critical", "track": "stable"},
    "ModelServerSlow": {"severity": "warning", "track": "canary"},
    "ModelServerEventsLost": {"severity": "warning", "track": "stable", "outcome": "dropped-queue-full"},
    "ModelServerMissing": {"severity": "critical", "track": "stable", "namespace": "models"},
}


@dataclass(frozen=True, kw_only=True)
class Service:
    """Two versions behind a Prometheus whose alerts go to a webhook."""

    redis: real.Server
    stable: Gateway
    canary: Gateway
    prometheus: str
    alerts: list[dict[str, Any]]

    def ask(self) -> None:
        """Ask for rows by value and by key, whatever comes."""
        for gateway in (self.stable, self.canary):
            for _ in range(3):
                gateway.predict([ROW, ROW, ROW])
        self.stable.client.post("/predict", json=BY_KEY)

    def numbers(self, query: str) -> list[float]:
        """Return what a query finds."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", (query, answer)
        return [float(one["value"][1]) for one in answer["data"]["result"]]


def rules() -> list[dict[str, Any]]:
    """Return the chart's alerts, with a latency that every answer exceeds."""
    told = ("--namespace", "models", "--set-json", "metrics.rules.p99Seconds=0.00001")
    (rule,) = of_kind(render("--values", TRAFFIC, *told), "PrometheusRule")
    found: list[dict[str, Any]] = rule["spec"]["groups"][0]["rules"]
    return found


@contextmanager
def gateways(folder: Path, redis: real.Server) -> Iterator[tuple[Gateway, Gateway]]:
    """Run two versions, of which the stable one needs Redis for its features and its events."""
    frame = models.people()
    model = converted(models.classifier(frame), frame[list(ROW)], folder / "model")
    stored: Any = fields_of({"income": 3.5, "city": "Oslo"}, datetime.now(UTC))
    redis.ask().hset(key_of("customer_id", 17), mapping=stored)
    needs = {
        "FEATURE_STORE_URL": redis.url,
        "FEATURE_ENTITIES": '{"customer_id": {"type": "long", "features": ["income", "city"]}}',
        "EVENTS": f"{redis.url}/events",
        "EVENTS_QUEUE": "60",
    }
    with (
        running(model, folder, env=needs, **service_of(model)) as stable,
        running(model, folder, **service_of(model)) as canary,
    ):
        stable.until(200)
        canary.until(200)
        yield stable, canary


def scraped(track: str, gateway: Gateway) -> dict[str, Any]:
    """Return a target, with the labels that the chart's monitor sets."""
    labels = {"namespace": "models", "pod": POD.format(track), "track": track}
    return {"targets": [f"127.0.0.1:{gateway.client.base_url.port}"], "labels": labels}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service, healthy: its tests break it, one after the other."""
    folder = tmp_path_factory.mktemp("alerting")
    # How long something must be wrong is for promtool's tests: nobody waits ten minutes here.
    group = {"name": "chart", "rules": [rule | {"for": "1s"} for rule in rules()]}
    (folder / "rules.json").write_text(json.dumps({"groups": [group]}))
    with (
        real.serving() as redis,
        receiver() as (webhook, alerts),
        gateways(folder, redis) as (stable, canary),
        alertmanager(folder, webhook) as address,
        prometheus(
            folder,
            [scraped("stable", stable), scraped("canary", canary)],
            **{"global": {"evaluation_interval": "1s"}},
            rule_files=["rules.json"],
            alerting={"alertmanagers": [{"static_configs": [{"targets": [address]}]}]},
        ) as server,
    ):
        yield Service(redis=redis, stable=stable, canary=canary, prometheus=server, alerts=alerts)


def measured(rule: Mapping[str, Any]) -> str:
    """Return what an alert's expression compares with a limit: it must find something while all is well."""
    expression = rule["expr"].strip()
    absent = re.fullmatch(r"absent\((.*)\)", expression, re.S)
    return absent[1] if absent else re.sub(r"\s(>|==)\s*[\d.e-]+$", "", expression)


def blind(service: Service, listed: list[dict[str, Any]]) -> list[str]:
    """Return the alerts of which what they compare is not there."""
    found = {rule["alert"]: service.numbers(measured(rule)) for rule in listed}
    return [name for name, numbers in found.items() if not any(math.isfinite(number) for number in numbers)]


def came(service: Service, name: str) -> list[Labels]:
    """Return the labels of an alert's firings that reached the webhook."""
    firing = [one["labels"] for one in service.alerts if one["status"] == "firing"]
    return [labels for labels in firing if labels["alertname"] == name]


def until_called(service: Service, *names: str) -> None:
    """Go on asking until the alerts have reached the webhook with the labels that they must have."""

    def called() -> bool:
        service.ask()
        return all(
            any(EXPECTED[name].items() | {("release", "credit")} <= labels.items() for labels in came(service, name))
            for name in names
        )

    try:
        eventually(called, seconds=60)
    except AssertionError:
        raise AssertionError({name: came(service, name) for name in names}) from None


def test_redis_gone__each_alert_calls(service: Service) -> None:
    """A slow service calls by one alert, one that loses Redis by its own; other rules and versions are quiet."""
    until_called(service, "ModelServerSlow")
    assert {one["labels"]["alertname"] for one in service.alerts} == {"ModelServerSlow"}

    service.redis.kill()

    until_called(service, "ModelServerNotReady", "ModelServerErrors", "ModelServerEventsLost")
    others = [one["labels"] for one in service.alerts if one["labels"]["alertname"] != "ModelServerSlow"]
    assert {labels["track"] for labels in others} == {"stable"}
    assert not came(service, "ModelServerMissing")


def test_rules__find_what_gateways_tell(service: Service) -> None:
    """What each alert compares is there in Prometheus, which evaluates every rule without an error."""
    eventually(lambda: not blind(service, rules()), seconds=60)
    groups = httpx.get(f"{service.prometheus}/api/v1/rules").json()["data"]["groups"]
    assert {rule["name"]: rule["health"] for rule in groups[0]["rules"]} == dict.fromkeys(EXPECTED, "ok")


@pytest.mark.parametrize("alert", EXPECTED)
def test_rules__a_renamed_metric_is_noticed(service: Service, alert: str) -> None:
    """A rule that asks for a metric of another name is found out: the test above can fail."""
    renamed = [
        rule | {"expr": re.sub(r"(cd4ml_[a-z]+)", r"\1_renamed", rule["expr"])} if rule["alert"] == alert else rule
        for rule in rules()
    ]

    assert blind(service, renamed) == [alert]


def test_version_gone__calls(service: Service) -> None:
    """A stable version that is scraped no more calls, with where it was."""
    service.stable.process.terminate()
    service.stable.process.wait(60)

    def called() -> bool:
        return any(EXPECTED["ModelServerMissing"].items() <= one.items() for one in came(service, "ModelServerMissing"))

    assert eventually(called, seconds=60)
