"""The dashboard: each of its queries finds something in a Prometheus that scrapes gateways and a drift worker."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from cd4ml.feature_store.layout import fields_of, key_of
from tests import models
from tests.charts.rendering import CHART, MINIMAL, of_kind, refused, render
from tests.charts.test_monitoring import TRAFFIC
from tests.commands.test_monitor import last_hour, watching
from tests.prometheus import prometheus
from tests.serving.conftest import Gateway, running
from tests.serving.conversion import converted, service_of
from tests.serving.redis import serving
from tests.serving.telemetry.test_gateway import eventually
from tests.serving.telemetry.test_ranges import RANGES
from tests.worker.stream import append, events, rows, write_profile

DASHBOARD: dict[str, Any] = json.loads((CHART / "dashboards" / "model-server.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {f"{panel['title']} {target['refId']}": target["expr"] for panel in PANELS for target in panel["targets"]}
CHOSEN = {"$namespace": "models", "$pod": ".*", "$track": ".*", "$__rate_interval": "10s"}
ROW = {"age": 40, "income": 3.5, "city": "Oslo"}
COLUMNS = list(ROW)


@contextmanager
def gateways(scratch: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Run a stable classifier with everything that it can depend on, and a canary that predicts numbers."""
    frame = models.people()
    classifier = converted(models.classifier(frame), frame[COLUMNS], scratch / "classifier")
    regressor = converted(models.regressor(frame), frame[COLUMNS], scratch / "regressor")
    (scratch / "ranges.json").write_text(json.dumps({"ranges": RANGES}))
    with serving() as redis:
        key = key_of("customer_id", 17)
        stored: Any = fields_of({"income": 3.5, "city": "Oslo"}, datetime.now(UTC))
        redis.ask().hset(key, mapping=stored)
        env = {
            "CACHE": "prefer",
            "REDIS_URL": redis.url,
            "FEATURE_STORE_URL": redis.url,
            "FEATURE_ENTITIES": '{"customer_id": {"type": "long", "features": ["income", "city"]}}',
            "RANGES_FILE": str(scratch / "ranges.json"),
            "EVENTS": str(scratch / "events.jsonl"),
        }
        with (
            running(classifier, scratch, env=env, **service_of(classifier)) as stable,
            running(regressor, scratch, **service_of(regressor)) as canary,
        ):
            stable.until(200)
            canary.until(200)
            yield stable, canary


def targets(both: tuple[Gateway, Gateway]) -> list[dict[str, Any]]:
    """Return what is scraped, with the labels that the chart's monitors set."""
    return [
        {
            "targets": [f"127.0.0.1:{gateway.client.base_url.port}"],
            "labels": {"namespace": "models", "pod": f"credit-{track}-7d9f-x2x4z", "track": track},
        }
        for track, gateway in zip(("stable", "canary"), both, strict=True)
    ]


@contextmanager
def drift_worker(scratch: Path) -> Iterator[dict[str, Any]]:
    """Run a worker that has judged a window which drifted; yield how it is scraped."""
    write_profile(scratch)
    (scratch / "cd4ml.yaml").write_text("detect-drift: {reference: profile.json}\n")
    append(scratch / "events.jsonl", events(rows(900, seed=2, income=lambda value: value * 1.3), last_hour()))
    with watching(scratch, "--positive-label", "1") as (_, address):
        labels = {"namespace": "models", "pod": "credit-monitor"}
        yield {"targets": [address.removeprefix("http://")], "labels": labels}


def ask(both: tuple[Gateway, Gateway]) -> None:
    """Ask for whatever a panel shows: rows by value and by key, some missing, outside the ranges or refused."""
    stable, canary = both
    for row in (ROW, ROW | {"age": 17}, ROW | {"income": None}):
        assert stable.predict([row]).status_code == canary.predict([row]).status_code == 200
    assert stable.client.post("/predict", json={"entities": [{"customer_id": 17, "age": 40}]}).status_code == 200
    assert stable.predict([{"age": "x"}]).status_code == 422


def empty(address: str) -> list[str]:
    """Return the queries that find nothing, or no number."""
    found = []
    for name, query in QUERIES.items():
        for variable, value in CHOSEN.items():
            query = query.replace(variable, value)
        answer = httpx.get(f"{address}/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", (name, answer)
        values = [float(one["value"][1]) for one in answer["data"]["result"]]
        if not any(math.isfinite(value) for value in values):
            found.append(name)
    return found


def test_queries__find_what_gateways_tell(tmp_path: Path) -> None:
    """Every query of every panel gives numbers, once gateways have answered a few requests and a window has drifted."""
    (watched := tmp_path / "watched").mkdir()
    with (
        gateways(tmp_path) as both,
        drift_worker(watched) as worker,
        prometheus(tmp_path, [*targets(both), worker]) as address,
    ):

        def shown() -> bool:
            ask(both)
            return not empty(address)

        try:
            eventually(shown, seconds=60)
        except AssertionError:
            assert empty(address) == []


def test_panels__can_be_told_apart() -> None:
    """Each panel has its own id, title and place, a unit or names, and asks the chosen data source."""
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]

    assert len(set(ids)) == len(ids) and 0 not in ids
    assert len({panel["title"] for panel in PANELS}) == len(set(places)) == len(PANELS)
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["type"] == "stat" or panel["fieldConfig"]["defaults"]["unit"]
    assert {one["name"] for one in DASHBOARD["templating"]["list"]} == {"datasource", "namespace", "pod", "track"}


def test_chart__ships_it_as_it_is() -> None:
    """The ConfigMap holds the very file, with the label that Grafana's sidecar looks for."""
    maps = of_kind(render("--values", TRAFFIC), "ConfigMap")
    (found,) = (one for one in maps if one["metadata"]["name"] == "credit-dashboard")

    assert json.loads(found["data"]["cd4ml-model-server.json"]) == DASHBOARD
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Models"}


@pytest.mark.parametrize(("value", "message"), [("true", "needs metrics.monitor"), ('"yes"', "boolean")])
def test_refused(value: str, message: str) -> None:
    """A dashboard of which every panel would be empty is refused, and so is a value that is none."""
    assert message in refused("--values", MINIMAL, "--set-json", f"metrics.dashboard.enabled={value}")
