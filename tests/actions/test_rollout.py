"""`rollout.yml` under act: a failed canary is rolled back, one of which too little is known waits, and without events
nothing is done and the run is red."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from tests import events
from tests.actions.act import commit, git, run_act
from tests.actions.test_act import VALUES, public
from tests.actions.test_story import results
from tests.evidence.keys import Key, key_of, pem

pytestmark = pytest.mark.timeout(900)
NEW: Final = image("localhost:1/credit@sha256:" + "b" * 64)
CALLS: Final = ("failing", "forged", "waiting", "silent", "idle")
# Where only a signed report counts; the workflow of the second is given no key.
SIGNED: Final = ("failing", "forged")
EVENTS: Final = {
    "failing.events": events.events(events.STABLE, replace(events.CANARY, failed=0.4), rows=2_000),
    "forged.jsonl": events.events(events.STABLE, replace(events.CANARY, failed=0.4), rows=2_000),
    "waiting.jsonl": events.events(events.STABLE, events.CANARY, rows=200),
}


def gitops(folder: Path) -> Path:
    """Make a bare GitOps repository with a manifest for each call, and a canary in all of them but the last."""
    work = folder / "work"
    work.mkdir(parents=True)
    for name in CALLS:
        (work / f"{name}.yaml").write_text(VALUES)
    commit(work)
    for name in CALLS[:-1]:
        (work / f"{name}.yaml").write_text(Manifest(VALUES).with_canary(NEW, 1))
        said = f"Cd4ml-Image: {NEW}\nCd4ml-Canary-Weight: 1\nCd4ml-Model: sha256:{events.CANARY_MODEL}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_COMMITTER_DATE", str(int(time.time()) - 3600))
            git(work, "commit", "--quiet", "--all", "--message", f"Deploy\n\n{said}\nCd4ml-Manifest: {name}.yaml")
    git(folder, "clone", "--quiet", "--bare", "work", "gitops.git")
    return folder / "gitops.git"


def consumer(folder: Path, repository: Path, key: Key) -> Path:
    """Make a repository that calls the workflow for each of the manifests."""
    (folder / ".github" / "workflows").mkdir(parents=True)
    text = (Path(__file__).parent / "workflows" / "rollout.yml").read_text()
    (folder / ".github" / "workflows" / "rollout.yml").write_text(text)
    for name in CALLS:
        signed = ", public-key: key.pub" if name in SIGNED else ""
        (folder / f"{name}.yaml").write_text(
            f"advance-rollout: {{repository: {repository}, manifest: {name}.yaml{signed}}}\n"
            f"analyze-rollout: {{stable: {name}.jsonl, judge: [errors]}}\n"
        )
    (folder / "key.pub").write_text(public(key))
    for name, found in EVENTS.items():
        events.write(folder / name, found)
    return commit(folder)


def test_rollout__failed_forged_waiting_silent_and_idle(suite: Path, tmp_path: Path) -> None:
    """A failed canary is rolled back by a commit that says why, on a signed report where one is demanded; nothing else
    is committed. Waiting is green, having no events is red, and where no canary runs nothing is analyzed."""
    repository = gitops(tmp_path / "gitops")
    before = git(repository, "rev-list", "--count", "main")
    key = key_of("ecdsa")
    folder = consumer(tmp_path / "credit", repository, key)
    secret = ["--secret", f"SIGNING_KEY={pem(key).decode()}"]

    run = run_act(suite, folder, "rollout.yml", scratch=tmp_path / "act", event="workflow_dispatch", more=secret)

    assert {name: results(run, name) for name in CALLS} == {
        "failing": {"look": "success", "analyze": "failure", "advance": "success"},
        "forged": {"look": "success", "analyze": "failure", "advance": "failure"},
        "waiting": {"look": "success", "analyze": "success", "advance": "success"},
        "silent": {"look": "success", "analyze": "failure", "advance": "failure"},
        "idle": {"look": "success"},
    }, run.text[-6000:]
    assert int(git(repository, "rev-list", "--count", "main")) == int(before) + 1
    weights = {name: Manifest(git(repository, "show", f"main:{name}.yaml")).state.weight for name in CALLS}
    assert weights == {"failing": 0, "forged": 1, "waiting": 1, "silent": 1, "idle": 0}
    said = git(repository, "log", "-1", "--format=%B", "main")
    assert said.startswith(f"Roll back canary {'b' * 12}\n\nThe analysis failed at 1 %")
    report = run.artifact("waiting-report-advance-rollout", "advance-rollout.json")
    assert (report["status"], report["outputs"]["action"]) == ("inconclusive", "waits")
