"""What must neither pass nor be called a fault: other times, rare classes, few numbers, scores that are not there."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cd4ml.checks.rollout.judge import Limits
from cd4ml.checks.rollout.verdict import Verdict, decide
from cd4ml.metrics.rollout.buckets import latencies
from cd4ml.metrics.rollout.counting import Counting, Counts, Wanted
from cd4ml.metrics.rollout.matching import matched
from cd4ml.observe.events.lines import decoded

NOW = datetime(2027, 1, 15, 20, tzinfo=UTC)
TRACKS = ("stable", "canary")


def event(track: str, number: int, minute: int, y_pred: str, y_score: float | None = None, **more: Any) -> bytes:
    """Return a line of an event."""
    found = {"id": f"{track}-{number}", "track": track, "status": 200, "latency_ms": 10.0, **more}
    found["time"] = (NOW - timedelta(minutes=200 - minute)).isoformat()
    return json.dumps(found | {"prediction": {"y_pred": y_pred, "y_score": y_score}}).encode()


def verdict(lines: list[bytes], *findings: str) -> Verdict:
    """Decide on events."""
    counting = Counting(Wanted(tracks={track: track for track in TRACKS}, now=NOW))
    counting.add(decoded(lines, str).events)
    return decide(counting.finish(), Limits(findings=findings), forecast=False)


def statuses(found: Verdict) -> dict[str, str]:
    """Return the status of each check."""
    return {check.id: check.status.value for check in found.checks}


@pytest.mark.parametrize("later", TRACKS)
def test_other_times__never_pass(later: str) -> None:
    """Of two tracks of which one begins where the other ends, neither errors nor the evidence passes."""
    lines = [event(track, one, one % 60 + 60 * (track == later), "0") for track in TRACKS for one in range(3_000)]

    found = statuses(verdict(lines, "errors"))

    assert "inconclusive" in (found["same-time"], found["silence"])
    assert found["error-increase:failed"] == "inconclusive"


def test_other_times__few_rows_of_one_track() -> None:
    """A block that waits hours for the other track's rows compares only what came within minutes of them."""
    canary = {minute: {"x": 10.0} for minute in range(120)}

    assert matched(canary, {119: {"x": 500.0}}).alone == 10 * 114
    assert matched(canary, canary).alone == 0


@pytest.mark.parametrize(
    "answer",
    [
        lambda rng: f"class {rng.randrange(50)}",
        lambda rng: f"class {rng.randrange(800)}",
        lambda rng: str(rng.gauss(100, 10)),
    ],
    ids=["50 classes", "800 classes", "numbers"],
)
@pytest.mark.parametrize("rows", [20, 40, 100, 800])
def test_equal_predictions__no_alarm(answer: Callable[[random.Random], str], rows: int) -> None:
    """Of equal versions with many classes, or with numbers, few rows are no fault of the canary's."""
    rng = random.Random(3)
    lines = [event(track, one, one % 5, answer(rng)) for track in TRACKS for one in range(rows)]

    assert "failed" not in statuses(verdict(lines, "predictions")).values()


def test_missing_scores__a_change() -> None:
    """A canary that leaves half of its scores out answers differently."""
    rng = random.Random(3)
    left_out = {"stable": 0.0, "canary": 0.5}
    scores = {
        track: [None if rng.random() < left_out[track] else rng.random() for _ in range(2_000)] for track in TRACKS
    }
    lines = [event(track, one, one % 60, "0", scores[track][one]) for track in TRACKS for one in range(2_000)]

    assert statuses(verdict(lines, "predictions"))["prediction-change:score"] == "failed"


def test_scores_that_are_no_probabilities__a_change() -> None:
    """Scores beyond 1 are compared as numbers are."""
    rng = random.Random(3)
    lines = [
        event(track, one, one % 60, "0", rng.random() * 1.01 + (track == "canary") * 0.4)
        for track in TRACKS
        for one in range(2_000)
    ]

    assert statuses(verdict(lines, "predictions"))["prediction-change:score"] == "failed"


def test_tiny_numbers__are_categories() -> None:
    """Numbers that are written in several ways are the categories that they are counted by; odd rows say nothing."""
    rng = random.Random(3)
    lines = [
        event(track, one, one % 60, "0", features={"tiny": rng.choice([1e-7, 2e-7]) if track == "stable" else 1e-7})
        for track in TRACKS
        for one in range(2_000)
    ]
    odd = [event("stable", -1, 0, "0", features=text) for text in ('{"tiny": 1e999}', "[" * 5_000)]

    reasons = {check.id: check.reason for check in verdict([*odd, *lines], "bias").checks}

    assert reasons["canary-bias:tiny"] == "canary-unlike"


@pytest.mark.parametrize(
    ("stable", "canary", "status"), [(0.25, 0.25, "inconclusive"), (0.1, 0.5, "failed"), (0.5, 0.1, "passed")]
)
def test_buckets__decide_by_their_borders(stable: float, canary: float, status: str) -> None:
    """Requests of one bucket may be 2.5 times as slow; those of buckets apart are told apart."""
    borders = (0.1, 0.25, 0.5, float("inf"))
    cells = {
        track: {minute: latencies(borders, {repr(border): 200.0}) for minute in range(60)}
        for track, border in zip(TRACKS, (stable, canary), strict=True)
    }

    found = decide(Counts(cells={"latency": cells}), Limits(findings=("latency",)), forecast=False)

    assert statuses(found)["latency-increase:p95"] == status
