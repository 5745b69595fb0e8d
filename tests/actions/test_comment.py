"""The action that comments, run as the platform runs it, against a stand-in of the platform's API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import reports
from tests.actions.step import Runner, Step
from tests.platform import HEAD, REPOSITORY, Platform, pull, serve

FORK = "stranger/model"
ENDED = {
    "id": 50,
    "run_attempt": 1,
    "workflow_id": 3,
    "event": "pull_request",
    "conclusion": "success",
    "head_sha": HEAD,
    "head_branch": "change",
    "head_repository": {"full_name": FORK},
    "pull_requests": [],
}


def comment(runner: Runner, platform: Platform, event_name: str, event: Any, **inputs: str) -> Step:
    """Run the action's step for an event."""
    path = runner.workspace.parent / "event.json"
    path.write_text(json.dumps(event))
    with serve(platform) as address:
        environ = {
            "GITHUB_API_URL": address,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_EVENT_NAME": event_name,
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_RUN_ID": "60",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/ci.yml@refs/heads/main",
            "CD4ML_GITHUB_TOKEN": "t0ken",
        }
        return runner.run("comment", environ, inputs)


def test_story__fork_then_the_second_workflow(runner: Runner) -> None:
    """A fork's own run posts nothing and stays green; the workflow after it comments, and again in the same place."""
    platform = Platform(pulls=[pull(7, source=FORK)])
    reports.write(runner.workspace / "reports", "check-code")
    platform.leave(50, {"check-code": reports.document("check-code")})

    first = comment(runner, platform, "pull_request", {"pull_request": pull(7, source=FORK)})
    assert first.code == 0 and "comes from a fork" in first.stdout and platform.calls == []

    second = comment(runner, platform, "workflow_run", {"workflow_run": ENDED})
    again = comment(runner, platform, "workflow_run", {"workflow_run": {**ENDED, "run_attempt": 2}})

    (posted,) = platform.comments[7]
    assert (second.code, again.code) == (0, 0), second.stderr + again.stderr
    assert second.outputs["address"] == again.outputs["address"] == posted["html_url"]
    assert "✅ cd4ml passed" in posted["body"] and "run=50.2" in posted["body"]
    assert "t0ken" not in second.stdout + second.stderr + posted["body"]


@pytest.mark.parametrize("field", ["name", "planned", "post", "working-directory"])
def test_inputs__never_run(runner: Runner, tmp_path: Path, field: str) -> None:
    """No input is run by a shell or sent anywhere."""
    marker, platform = tmp_path / "marker", Platform()

    step = comment(
        runner, platform, "pull_request", {"pull_request": pull(7)}, **{field: f'";touch {marker};#$(touch {marker})'}
    )

    assert step.code == 2 and not marker.exists() and platform.calls == []
