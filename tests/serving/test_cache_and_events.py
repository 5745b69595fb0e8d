"""A gateway with a cache and events, as a process of its own: what it answers, and what is left when it ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cd4ml.serving.cache.setup import prediction_cache
from cd4ml.serving.events.setup import publisher
from cd4ml.serving.settings import Settings, SettingsError
from tests.serving.conftest import running
from tests.serving.events.exchanges import MODEL, files, read
from tests.serving.redis import serving

ROWS = [{"age": 40, "income": 3.5, "city": "Oslo"}, {"age": 30, "income": None, "city": "Bergen"}]


def test_cache_and_events__in_a_gateway(loan_model: Path, tmp_path: Path) -> None:
    """Rows that were answered before come from Redis, answered alike, and every request has its events at the end."""
    path = tmp_path / "events.jsonl"
    with serving() as server:
        env = {
            **{"CACHE": "require", "REDIS_URL": server.url, "CACHE_SECRET": "s" * 16, "CACHE_SLOW_MS": "1000"},
            **{"EVENTS": str(path), "EVENTS_OMIT": "income", "EVENTS_HASH": "city", "EVENTS_HASH_KEY": "k" * 16},
            **{"TRACK": "canary", "COHORT_HEADER": "x-cohort", "CACHE_BUDGET_MS": "1000"},
        }
        with running(loan_model, tmp_path, env=env) as gateway:
            gateway.until(200)
            first = gateway.predict(ROWS[:1]).json()
            end = time.monotonic() + 20
            while (again := gateway.predict(ROWS[:1]).json())["cached"] == 0 and time.monotonic() < end:
                time.sleep(0.05)
            both = gateway.client.post("/predict", json={"rows": ROWS}, headers={"X-Cohort": "b"}).json()
            refused = gateway.predict([{"age": "old"}])
            server.kill()
            ready = gateway.until(503)
            shown = gateway.client.get("/metrics").text
            gone = gateway.predict(ROWS)
            os.kill(gateway.process.pid, signal.SIGTERM)
            gateway.process.wait(30)

    assert (first["cached"], again["cached"], both["cached"]) == (0, 1, 1)
    assert first["predictions"] == again["predictions"] == both["predictions"][:1]
    assert ready.json()["reason"].startswith("the cache is not usable") and "\ncd4ml_model_ready 0.0\n" in shown
    assert (refused.status_code, gone.status_code) == (422, 200)
    assert gone.json()["predictions"] == both["predictions"] and gone.json()["cached"] == 0
    found = read(files(path))
    check(found, both["predictions"])


def check(found: list[dict[str, Any]], predictions: list[dict[str, Any]]) -> None:
    """Compare the events of the last requests with what was answered."""
    one, two, refused, *gone = found[-5:]
    assert [one["prediction"], two["prediction"]] == predictions
    assert ([one["cached"], two["cached"]], one["cohort"], one["track"]) == ([True, False], "b", "canary")
    assert one["features"].keys() == {"age", "city"} and one["features"]["city"] not in ("Oslo", None)
    assert (refused["status"], refused["error"]) == (422, "rows-do-not-fit") and "features" not in refused
    assert [event["cached"] for event in gone] == [False, False] and gone[0]["cohort"] is None


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"CACHE": "prefer"}, "CACHE=prefer needs REDIS_URL"),
        ({"CACHE": "on"}, "CACHE must be one of off, prefer, require, not 'on'"),
        ({"CACHE": "prefer", "REDIS_URL": "redis://x", "CACHE_SECRET": "short"}, "CACHE_SECRET must have at least 16"),
        ({"EVENTS": "ftp://x"}, "EVENTS must be a path, stdout, redis://"),
        ({"EVENTS": "events", "EVENTS_HASH": "age"}, "EVENTS_HASH needs EVENTS_HASH_KEY"),
        ({"EVENTS": "events", "EVENTS_SAMPLE": "0"}, "EVENTS_SAMPLE must be a number above 0 and up to 1"),
        ({"EVENTS": "events", "EVENTS_SAMPLE": "nan"}, "EVENTS_SAMPLE must be a number above 0 and up to 1"),
        ({"EVENTS": "/proc/nowhere/events"}, "EVENTS: /proc/nowhere/events cannot be written"),
    ],
)
def test_settings__refused_at_the_start(tmp_path: Path, env: dict[str, str], problem: str) -> None:
    """A setting that cannot work is said before the gateway serves anything."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SettingsError) as error:
        patch.chdir(tmp_path)
        settings = Settings.read(env)
        if settings.events:
            publisher(settings, MODEL)
        else:
            prediction_cache(settings, "a" * 64)

    assert problem in str(error.value)


def test_misspelt_column__gateway_does_not_become_ready(loan_model: Path, tmp_path: Path) -> None:
    """A column to be left out that the model does not have ends in a gateway that fails, not in a leak."""
    env = {"EVENTS": str(tmp_path / "events.jsonl"), "EVENTS_OMIT": "incomes"}
    with running(loan_model, tmp_path, env=env) as gateway:
        gateway.until(503, "/health/liveness")
        os.kill(gateway.process.pid, signal.SIGTERM)
        _, said = gateway.process.communicate(timeout=30)

    assert "EVENTS_OMIT names an unknown column: 'incomes'" in said
