"""From deploy-model's commit to all of the traffic, or back: a report decides at every step, and nothing else."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.reports import document
from tests.rig.conftest import Rig, say
from tests.rig.release import Release
from tests.rig.verdicts import DEGRADED, HEALTHY, Judge, Watch, analyzed

STABLE, CANDIDATE = "sha256:" + "a" * 64, "sha256:" + "b" * 64
STEPS = [1, 5, 10, 50]
ON_STABLE = {"stable": 100, "canary": 0}
Watched = Callable[[Judge], Watch]


@pytest.fixture
def release(rig: Rig, request: pytest.FixtureRequest) -> Release:
    """Return a release that runs its first image."""
    found = rig.release(re.sub("[^a-z]+", "-", request.node.name.partition("__")[2]).strip("-"))
    began = time.monotonic()
    found.install(STABLE, rig.chart)
    say(f"{found.name}: installed in {time.monotonic() - began:.0f} s")
    assert (found.images(), found.weights()) == ({STABLE}, ON_STABLE)
    return found


@pytest.fixture
def watched(rig: Rig, release: Release) -> Iterator[Watched]:
    """Return what deploys a candidate and watches what becomes of it, until the test ends."""
    started: list[Watch] = []

    def deploy(judge: Judge) -> Watch:
        started.append(Watch(release, rig.verdicts, CANDIDATE, judge))
        started[-1].start()
        deployed = release.deploy(CANDIDATE)
        assert deployed.code == 0, deployed.stderr
        return started[-1]

    yield deploy
    for watch in started:
        watch.stop()


def test_judged__healthy(release: Release, watched: Watched) -> None:
    """A healthy candidate gets 1, 5, 10, 50 and all, each step after a report on it, whatever else is committed.

    Promoting it changes nothing, and the route still takes what is committed about it.
    """
    began = time.monotonic()
    watch = watched(partial(beside_another_commit, release))
    release.wait("Argo CD has applied the commit", lambda: release.state()[0] == "Synced")
    say(f"{release.name}: applied {time.monotonic() - began:.0f} s after the start of deploy-model")
    release.wait_until_synced("Healthy", seconds=300)
    say(f"{release.name}: all of the traffic {time.monotonic() - began:.0f} s after it")

    release.wait("the route is as before", lambda: release.weights() == ON_STABLE)
    # At 100 % the stable Service takes over the candidate's pods, and the weight goes back: sooner than anyone may see.
    assert [share for share in watch.stop() if share != 100] == [0, *STEPS, 0]
    assert release.analyses() == [(CANDIDATE, "Successful")] * len(STEPS)
    release.wait("only the candidate runs", lambda: release.images() == {CANDIDATE})
    running = release.rollout()["status"]["currentPodHash"]
    assert release.promote().code == 0
    release.wait_until_synced("Healthy")
    assert release.rollout()["status"]["currentPodHash"] == running
    assert (release.images(), len(release.analyses())) == ({CANDIDATE}, len(STEPS))

    release.change("httpRoute: {path: /credit}")
    release.wait_until_synced("Healthy")
    assert (release.path(), release.weights()) == ("/credit", ON_STABLE)


def test_judged__degraded(release: Release, watched: Watched) -> None:
    """A candidate that degrades at 5 % is aborted within five minutes of its commit; rolled back, all is as before."""
    began = time.monotonic()
    watch = watched(lambda share: analyzed(release.folder, HEALTHY if share < 5 else DEGRADED))
    release.wait("Argo Rollouts aborts", lambda: release.phase() == "Degraded", seconds=300)
    release.wait("all traffic is on the stable version", lambda: release.weights() == ON_STABLE)
    seconds = time.monotonic() - began
    say(f"{release.name}: aborted {seconds:.0f} s after the start of deploy-model")

    assert watch.stop() == [0, 1, 5, 0]
    assert seconds <= 300
    assert release.analyses() == [(CANDIDATE, "Successful"), (CANDIDATE, "Failed")]
    release.wait_until_synced("Degraded")
    rolled_back(release)


@pytest.mark.parametrize("why", ["few requests", "an old report"])
def test_judged__undecided(rig: Rig, release: Release, watched: Watched, why: str) -> None:
    """A report that cannot decide, or is of an earlier time, stops the rollout where it is: a person decides."""
    old = document("analyze-rollout", run={"started_at": "2026-01-01T00:00:00Z"})
    few = partial(analyzed, release.folder, HEALTHY, rows=60)
    watch = watched(lambda _: old if why == "an old report" else few())
    release.wait("Argo Rollouts pauses", lambda: paused(release) == ["InconclusiveAnalysisRun"], seconds=300)
    rig.verdicts.publish(CANDIDATE, analyzed(release.folder, HEALTHY))
    time.sleep(15)  # longer than a step: nothing asks again

    assert paused(release) == ["InconclusiveAnalysisRun"]
    assert (watch.stop(), release.weights()) == ([0, 1], {"stable": 99, "canary": 1})
    assert release.analyses() == [(CANDIDATE, "Inconclusive")]
    release.wait_until_synced("Suspended")
    rolled_back(release)


def test_judged__nothing_said(rig: Rig, release: Release, watched: Watched) -> None:
    """Without a report about its own image a candidate gets no further, whatever is said about another one."""
    rig.verdicts.publish(STABLE, analyzed(release.folder, HEALTHY))
    watch = watched(lambda _: None)
    release.wait("Argo Rollouts aborts", lambda: release.phase() == "Degraded", seconds=300)
    release.wait("all traffic is on the stable version", lambda: release.weights() == ON_STABLE)

    assert watch.stop() == [0, 1, 0]
    assert release.analyses() == [(CANDIDATE, "Error")]
    rolled_back(release)


def beside_another_commit(release: Release, share: int) -> Any:
    """Return a report on a healthy candidate; at one of the steps somebody else commits something of the release."""
    if share == 5:
        release.change("serviceAccount: {annotations: {example.com/team: credit}}")
    return analyzed(release.folder, HEALTHY)


def rolled_back(release: Release) -> None:
    """The roll-back's commit lands, and Argo CD is healthy on the image before."""
    began = time.monotonic()
    assert release.promote(rollback=True).code == 0
    release.wait_until_synced("Healthy")
    say(f"{release.name}: healthy on the image before, {time.monotonic() - began:.0f} s after the roll-back")
    release.wait("only the stable version runs", lambda: release.images() == {STABLE})
    assert release.weights() == ON_STABLE


def paused(release: Release) -> list[str]:
    """Return why the Rollout waits."""
    return [item["reason"] for item in release.rollout().get("status", {}).get("pauseConditions", [])]
