"""What the workflows read from an event: nothing that one of the events does not carry."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from tests.actions.act import commit
from tests.actions.test_lint import WORKFLOWS, load
from tests.conftest import ROOT, need_program

REPOSITORY: Final = {"repository": {"default_branch": "main"}}
PROBE: Final = """\
on: [push, pull_request, merge_group, schedule, workflow_dispatch, repository_dispatch]
jobs:
  probe:
    runs-on: ubuntu-latest
    steps:
      - run: echo "[deliver=$DELIVER refused=$REFUSED]"
        env:
          DELIVER: DELIVERED
          REFUSED: UNKNOWN
"""


def expressions() -> tuple[str, str]:
    """Return the pipeline's expressions that say whether it delivers, and whether it refuses to guess."""
    plan = load(ROOT / ".github" / "workflows" / "pipeline.yml")["jobs"]["plan"]
    (refusal,) = (step["if"] for step in plan["steps"] if step.get("name") == "Refuse to guess the default branch")
    return plan["outputs"]["deliver"], refusal


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose workflow prints what the pipeline's expressions are."""
    folder = tmp_path_factory.mktemp("probe")
    deliver, refusal = (
        text.replace("inputs.deliver", "true").replace("inputs.candidate", "github.event.candidate")
        for text in expressions()
    )
    path = folder / ".github" / "workflows" / "probe.yml"
    path.parent.mkdir(parents=True)
    path.write_text(PROBE.replace("DELIVERED", deliver).replace("UNKNOWN", refusal))
    return commit(folder)


@pytest.mark.parametrize(
    ("event", "payload", "expected"),
    [
        ("schedule", {"schedule": "17 5 * * *"}, "deliver=true refused=false"),
        ("push", {"ref": "refs/heads/main", **REPOSITORY}, "deliver=true refused=false"),
        ("workflow_dispatch", {"ref": "refs/heads/main", **REPOSITORY}, "deliver=true refused=false"),
        ("push", {"ref": "refs/heads/other", **REPOSITORY}, "deliver=false refused=false"),
        ("workflow_dispatch", {"ref": "refs/heads/other", **REPOSITORY}, "deliver=false refused=false"),
        ("push", {"ref": "refs/heads/main"}, "deliver=false refused=true"),
        ("workflow_dispatch", {"ref": "refs/heads/main", "repository": {}}, "deliver=false refused=true"),
        ("pull_request", {"pull_request": {"number": 1}, **REPOSITORY}, "deliver=false refused=false"),
        ("merge_group", REPOSITORY, "deliver=false refused=false"),
        ("repository_dispatch", {**REPOSITORY, "candidate": ""}, "deliver=false refused=false"),
        ("repository_dispatch", {**REPOSITORY, "candidate": "models:/credit/7"}, "deliver=true refused=false"),
        ("pull_request", {**REPOSITORY, "candidate": "models:/credit/7"}, "deliver=false refused=false"),
    ],
)
def test_delivery__by_event(probe: Path, tmp_path: Path, event: str, payload: dict[str, Any], expected: str) -> None:
    """A schedule delivers though its payload names no repository; other events deliver from the default branch alone,
    and are red where they do not say which one that is. What a repository_dispatch starts is delivered only with a
    candidate."""
    (tmp_path / "event.json").write_text(json.dumps(payload))
    command = [need_program("act"), event, "-P", "ubuntu-latest=-self-hosted", "-e", str(tmp_path / "event.json")]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)}

    log = subprocess.run(command, cwd=probe, env=env, capture_output=True, text=True, check=False).stdout

    assert re.findall(r"\[(deliver=\w+ refused=\w+)\]", log) == [expected], log


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_payload__has_a_second_choice(path: Path) -> None:
    """Whatever a workflow reads from an event's payload stands beside what holds where the event lacks it."""
    for expression in re.findall(r"\$\{\{(.*?)\}\}", path.read_text(), re.S):
        for key in re.findall(r"github\.event\.([\w.]+)", expression):
            other = f"github.event.{key} ||" in expression or f"!github.event.{key}" in expression
            only = key.startswith("workflow_run.") and "github.event_name == 'workflow_run' &&" in expression
            assert other or only or "github.event_name == 'schedule' ||" in expression, expression
