"""A canary that is as good goes on, one that is worse is rolled back, and one of which too little is known waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.events import CANARY, STABLE, STABLE_MODEL, events
from tests.stages.analyze_rollout.conftest import Rollout, by_id, not_passed


def test_equal_versions__go_on(rollout: Rollout) -> None:
    """A canary like the stable version passes every check, with exit code 0 and the verdict `go-on`."""
    run = rollout(events(STABLE, CANARY, rows=20_000))

    assert (run.code, run.report["outputs"]["verdict"]) == (0, "go-on"), not_passed(run)
    assert run.report["candidate"]["sha256"] == "b" * 64
    assert {check["id"] for check in run.report["checks"]} >= {
        "error-increase:failed",
        "error-increase:refused",
        "latency-increase:p95",
        "prediction-change:score",
        "prediction-change:entropy",
        "unseen-predictions",
        "canary-bias:age",
        "canary-bias:city",
    }


@pytest.mark.parametrize(
    ("canary", "check", "reason"),
    [
        (replace(CANARY, failed=0.06), "error-increase:failed", "more-errors"),
        (replace(CANARY, refused=0.06), "error-increase:refused", "more-errors"),
        (replace(CANARY, latency=9.0), "latency-increase:p95", "slower"),
        (replace(CANARY, score=0.7), "prediction-change:prediction", "other-predictions"),
        (replace(CANARY, more={"prediction": {"y_pred": 2}}), "unseen-predictions", "unseen-predictions"),
    ],
    ids=["errors", "refusals", "latency", "predictions", "unseen"],
)
def test_worse_canary__rolled_back(rollout: Rollout, canary: object, check: str, reason: str) -> None:
    """Each way in which a canary can be worse fails its check, with exit code 1 and the verdict `roll-back`."""
    run = rollout(events(STABLE, canary, rows=6_000))  # type: ignore[arg-type]

    assert (run.code, run.report["outputs"]["verdict"]) == (1, "roll-back")
    assert not_passed(run)[check] == ("failed", reason)


def test_absolute_error_rate__blocks(rollout: Rollout) -> None:
    """Errors that the stable version has too are still too many."""
    bad = [replace(one, failed=0.08) for one in (STABLE, CANARY)]

    run = rollout(events(*bad, rows=6_000), "--maximum-error-rate", "0.02")

    assert run.code == 1
    assert not_passed(run)["error-rate"] == ("failed", "too-many-errors")
    assert by_id(run)["error-increase:failed"]["status"] != "failed"


def test_biased_canary__inconclusive(rollout: Rollout) -> None:
    """A canary whose users are not like all users is neither healthy nor rolled back."""
    run = rollout(events(STABLE, replace(CANARY, young=0.95), rows=20_000))

    assert (run.code, run.report["outputs"]["verdict"]) == (4, "wait")
    assert not_passed(run)["canary-bias:age"] == ("inconclusive", "canary-unlike")


def test_few_rows__wait(rollout: Rollout) -> None:
    """Of too few rows it is said how many more are needed, and for how many minutes."""
    run = rollout(events(STABLE, CANARY, rows=400))

    assert (run.code, run.report["outputs"]["verdict"]) == (4, "wait")
    assert by_id(run)["error-increase:failed"]["reason"] == "too-few-rows"
    assert int(run.report["outputs"]["rows-needed"]) > 100
    assert int(run.report["outputs"]["minutes-needed"]) > 10


def test_no_canary__inconclusive(rollout: Rollout) -> None:
    """Without a request of the canary nothing passes."""
    run = rollout(events(STABLE, rows=500))

    assert run.code == 4
    assert not_passed(run)["same-time"] == ("inconclusive", "no-data")
    assert not_passed(run)["error-increase:failed"] == ("inconclusive", "no-data")


def test_silent_canary__inconclusive(rollout: Rollout) -> None:
    """A canary that was fine and then had no more requests, while the stable version had, does not pass."""
    found = events(STABLE, CANARY, rows=20_000)
    half = found[len(found) // 2]["time"]

    run = rollout([event for event in found if event["track"] == "stable" or event["time"] < half])

    assert run.code == 4
    assert not_passed(run)["silence"] == ("inconclusive", "canary-silent")


def test_same_model__inconclusive(rollout: Rollout) -> None:
    """A canary that is the stable model proves nothing, unless that is what was stated."""
    found = events(STABLE, replace(CANARY, model=STABLE_MODEL), rows=20_000)

    assert not_passed(rollout(found)) == {"same-model": ("inconclusive", "same-model")}
    assert rollout(found, "--canary-model", STABLE_MODEL).code == 0


def test_bad_options__refused(rollout: Rollout) -> None:
    """What decides nothing is refused before anything is read, all of it at once."""
    run = rollout([], "--judge", "erors", "--false-alarms", "0", "--maximum-bias", "1", "--since", "yesterday")

    assert run.code == 2
    for text in ("did you mean `errors`", "false-alarms must be", "maximum-bias must be"):
        assert text in run.report["checks"][0]["message"]
    assert "since must be a time with a zone" in rollout([], "--since", "yesterday").report["summary"]
