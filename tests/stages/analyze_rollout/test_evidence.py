"""What the verdict rests on: each event once, in its window, of the model that is meant; else nothing passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.events import CANARY, CANARY_MODEL, STABLE, events
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


def test_other_model__refused(rollout: Rollout) -> None:
    """Events of another model than the stated one are left out; if no others are there, nothing is judged."""
    stated = ("--canary-model", CANARY_MODEL)
    foreign = replace(CANARY, model="c" * 64)

    mixed = rollout(events(STABLE, CANARY, foreign, rows=3_000), *ERRORS, *stated)
    alone = rollout(events(STABLE, foreign, rows=3_000), *ERRORS, *stated)

    assert mixed.report["details"]["left_out"]["of another model"] > 300
    assert by_id(mixed)["model:canary"]["status"] == "passed"
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
