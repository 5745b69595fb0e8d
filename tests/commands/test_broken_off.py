"""What a stage knows stays in its report, however the run ends."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cd4ml.commands import stage
from cd4ml.commands.door import Door
from cd4ml.context import Context
from cd4ml.errors import Interrupted, OptionsError
from cd4ml.report import Check, Report, Status
from tests.conftest import clean_environment

IMAGE = {"image": "a.io/x@sha256:1", "digest": "sha256:1"}
DONE = Check(id="pushed", status=Status.PASSED, message="It is pushed.")
OPEN = Check(id="unfinished", status=Status.ERROR, reason="unfinished", message="The run did not finish.")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OptionsError("no file"), "bad-input"),
        (Interrupted(signal.SIGTERM), "unavailable"),
        (OSError(28, "No space left on device"), "unavailable"),
        (ZeroDivisionError("a defect"), "error"),
    ],
)
def test_what_was_saved_stays(error: BaseException, reason: str, tmp_path: Path, monkeypatch: Any) -> None:
    """An error, a signal or a defect after a push leaves the pushed image and the checks in report and outputs."""

    def run(_: Any, context: Context) -> Report:
        context.save(Report(stage="build-image", checks=(DONE, OPEN), plan=("push",), outputs=IMAGE))
        raise error

    monkeypatch.setattr(stage, "load", lambda name: SimpleNamespace(run=run))
    monkeypatch.chdir(tmp_path)
    outputs = tmp_path / "outputs"
    door = Door(
        environ={**clean_environment(), "GITHUB_OUTPUT": str(outputs)}, stdout=io.StringIO(), stderr=io.StringIO()
    )
    try:
        stage.run_stage("build-image", ["--model", "m", "--image", "a.io/x"], door)
    except Interrupted:
        pass
    report = json.loads((tmp_path / "reports" / "build-image.json").read_text())
    assert report["status"] == "error" and report["plan"] == ["push"] and report["outputs"] == IMAGE
    assert [check["id"] for check in report["checks"]] == ["pushed", report["checks"][1]["reason"]]
    assert reason in report["checks"][1]["reason"] and IMAGE["image"] in outputs.read_text()
