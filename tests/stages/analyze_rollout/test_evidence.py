"""What the verdict rests on: each event once, in its window, of the model that is meant; else nothing passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.events import CANARY, CANARY_MODEL, STABLE, STABLE_MODEL, events
from tests.stages.analyze_rollout.conftest import Rollout, by_id, not_passed

ERRORS = ("--judge", "errors")


def test_delivered_twice__counts_once(rollout: Rollout) -> None:
    """Events that came twice, or were all replayed, count once; the report says how many were left out."""
    found = events(STABLE, CANARY, rows=2_000)

    once, again = rollout(found, *ERRORS), rollout([*found, *reversed(found)], *ERRORS)

    assert again.report["metrics"] == once.report["metrics"]
    assert again.report["details"]["left_out"]["seen before"] == 2_000


def test_other_window__does_not_count(rollout: Rollout) -> None:
    """Events before `since`, and those that claim to come from tomorrow, do not count."""
    now = datetime.now(UTC)
    old = events(STABLE, CANARY, rows=500, end=now - timedelta(hours=3), seed=2)
    future = events(STABLE, CANARY, rows=300, end=now + timedelta(days=1), seed=3)

    run = rollout([*old, *future, *events(STABLE, CANARY, rows=1_000)], *ERRORS, "--since", "2h")

    assert run.report["details"]["left_out"] == {"before the window": 500, "later than now": 300}
    assert sum(run.report["metrics"]["requests"].values()) == 1_000


def test_window__ends_when_the_analysis_begins(rollout: Rollout) -> None:
    """Without `until`, sources that are read one after the other reach equally far: what comes meanwhile waits."""
    run = rollout(events(STABLE, CANARY, rows=1_000, minutes=8, end=datetime.now(UTC) + timedelta(minutes=4)), *ERRORS)

    assert 400 < run.report["details"]["left_out"]["after the window"] < 600


def test_other_model__refused(rollout: Rollout) -> None:
    """Events of another model than the stated one are left out; if they are many, nothing passes."""
    stated = ("--canary-model", CANARY_MODEL)
    foreign = replace(CANARY, model="c" * 64)

    mixed = rollout(events(STABLE, CANARY, foreign, rows=3_000), *ERRORS, *stated)
    alone = rollout(events(STABLE, foreign, rows=3_000), *ERRORS, *stated)

    assert mixed.report["details"]["left_out"]["of another model"] > 300
    assert not_passed(mixed)["model:canary"] == ("inconclusive", "foreign-model")
    assert not_passed(alone)["model:canary"] == ("inconclusive", "foreign-model")


def test_two_models__inconclusive(rollout: Rollout) -> None:
    """Two models under one track are not judged as one."""
    run = rollout(events(STABLE, CANARY, replace(CANARY, model="c" * 64), rows=2_000), *ERRORS)

    assert not_passed(run)["model:canary"] == ("inconclusive", "mixed-models")


def test_poison__beyond_its_limit(rollout: Rollout) -> None:
    """Where too many events cannot be read the verdict does not pass, and says where the first of them are."""
    found = events(STABLE, CANARY, rows=20_000)

    run = rollout([*found, *({"id": f"odd-{number}"} for number in range(500))])

    assert (run.code, not_passed(run)) == (4, {"poisoned-events": ("inconclusive", "poisoned-events")})
    assert "events.jsonl:20001 has no time, track" in by_id(run)["poisoned-events"]["message"]


def test_other_times__inconclusive(rollout: Rollout) -> None:
    """A canary that had its requests when the stable version had none is compared with nothing."""
    now = datetime.now(UTC)
    before = events(STABLE, rows=2_000, end=now - timedelta(hours=1))

    run = rollout([*before, *events(CANARY, rows=2_000, seed=2)], *ERRORS)

    assert run.code == 4
    assert not_passed(run)["error-increase:failed"][0] == "inconclusive"


def test_no_status__is_no_success(rollout: Rollout) -> None:
    """Events that do not say their status prove no share of errors."""
    found = [{key: value for key, value in event.items() if key != "status"} for event in events(STABLE, CANARY)]

    run = rollout([event for event in found if "prediction" in event], *ERRORS)

    assert not_passed(run)["error-increase:failed"] == ("inconclusive", "no-data")


def test_failures_without_model__count(rollout: Rollout) -> None:
    """A failed request that names no model is its track's, also where the model is stated."""
    found = events(STABLE, replace(CANARY, failed=0.3), rows=4_000)
    for event in found:
        if event["track"] == "canary" and event["status"] == 500:
            del event["model"]

    run = rollout(found, *ERRORS, "--canary-model", CANARY_MODEL)

    assert run.code == 1
    assert not_passed(run)["error-increase:failed"] == ("failed", "more-errors")


def test_untold_failures_in_one_track__inconclusive(rollout: Rollout) -> None:
    """Where both versions share a track, events without a model are nobody's, and too many decide nothing."""
    found = [event | {"track": "stable"} for event in events(STABLE, CANARY, rows=4_000)]
    for event in found[::20]:
        event.pop("model")
    models = ("--stable-model", STABLE_MODEL, "--canary-model", CANARY_MODEL, "--canary-track", "stable")

    assert not_passed(rollout(found, *ERRORS, *models))["untold-model"] == ("inconclusive", "untold-model")


@pytest.mark.parametrize(
    "features",
    [
        "[" * 100_000,
        '{"a":' + "[" * 100_000,
        '{"a":' + "1" * 400 + "}",
        '{"a":NaN}',
        '{"a":1e999}',
        "{bad",
        '{"a": bad}',
        "5",
        "",
    ],
)
def test_odd_features__poison(rollout: Rollout, features: str) -> None:
    """Features that are no object of finite numbers make an event unreadable, and end no run."""
    found = events(STABLE, CANARY, rows=500)
    found[3]["features"] = features

    run = rollout(found)

    assert run.code == 4, run.report["summary"]
    assert "events.jsonl:4" in by_id(run)["poisoned-events"]["message"]
