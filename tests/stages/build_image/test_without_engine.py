"""build-image end to end on a machine without a container engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import clean_environment, need_program
from tests.containers import Lab
from tests.image.conftest import Project


def test_an_image_is_built_called_scanned_and_pushed_without_an_engine(
    lab: Lab, project: Project, tmp_path: Path
) -> None:
    """Where neither docker, podman nor buildah is on PATH, the same checks pass, and the registry has the image."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bwrap", "git"):
        (programs / name).symlink_to(need_program(name))
    (programs / f"python3.{sys.version_info.minor}").symlink_to(Path(sys.executable).resolve())
    name = f"{lab.registry}/loans:without-engine"
    env = {**clean_environment(), "PATH": str(programs), "RUNNER_TEMP": str(tmp_path / "runner")}
    run = project.build(*lab.arguments(), "--image", name, "--push", env=env)
    assert run.code == 0, run.stdout + run.stderr
    statuses = {check["id"]: check["status"] for check in run.report["checks"]}
    assert set(statuses.values()) == {"passed"} and {"predictions-match", "read-only-root", "pushed"} <= set(statuses)
    details = run.report["details"]
    assert details["engine"] == "oci" and details["simulation"]["offline"] is True
    assert run.report["outputs"]["digest"] == lab.digest(name)
    asked = subprocess.run([need_program("crane"), "config", name], capture_output=True, text=True, check=True)
    settings = json.loads(asked.stdout)["config"]
    assert settings["User"] == "65532:65532" and "Healthcheck" not in settings
    # Nothing but the cache stays.
    assert os.listdir(tmp_path / "runner") == ["cd4ml-cache"]
