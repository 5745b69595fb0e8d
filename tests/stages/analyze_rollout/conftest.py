"""Two versions' events, and analyze-rollout on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.test_outputs import VERDICTS
from tests.conftest import Run
from tests.events import write
from tests.generated.test_generated import problems

Rollout = Callable[..., Run]


def by_id(run: Run) -> dict[str, dict[str, Any]]:
    """Return the checks of a report by their ids."""
    return {check["id"]: check for check in run.report["checks"]}


def not_passed(run: Run) -> dict[str, tuple[str, str]]:
    """Return status and reason of the checks that did not pass."""
    return {
        check["id"]: (check["status"], check["reason"]) for check in run.report["checks"] if check["status"] != "passed"
    }


@pytest.fixture
def rollout(cd4ml: Callable[..., Run], tmp_path: Path) -> Rollout:
    """Run analyze-rollout on events; every report must meet the schema, and say as its verdict what its checks do."""

    def run(events: list[dict[str, Any]], *arguments: str) -> Run:
        write(tmp_path / "events.jsonl", events)
        found = cd4ml("analyze-rollout", "--stable", "events.jsonl", *arguments)
        assert problems("report.v1.schema.json", found.report) == []
        if verdict := found.report["outputs"].get("verdict"):
            assert verdict == VERDICTS["analyze-rollout"]["verdict"](found.report["checks"])
        return found

    return run
