"""Running the one step of an action as the platform's runner does, without act."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.actions import runner_oracle

FILES: Final = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
_NETWORK: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")


def read_action(folder: Path) -> Any:
    """Return an action.yml as the runner reads it."""
    return YAML(typ="safe").load((folder / "action.yml").read_text())


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step left behind, as the runner sees it."""

    code: int
    stdout: str
    stderr: str
    files: Mapping[str, str]

    @property
    def outputs(self) -> dict[str, str]:
        """The step's outputs."""
        return runner_oracle.outputs(self.files["GITHUB_OUTPUT"])

    @property
    def commands(self) -> list[runner_oracle.Command]:
        """The workflow commands that the runner carries out; it reads both streams."""
        return runner_oracle.commands(self.stdout) + runner_oracle.commands(self.stderr)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A machine with a workspace."""

    suite: Path
    temp: Path
    workspace: Path
    files: Path

    def run(
        self, action: str, env: Mapping[str, str] | None = None, given: Mapping[str, str] | None = None, **inputs: str
    ) -> Step:
        """Run an action's step with nothing but what the action file declares and the platform provides."""
        folder = self.suite if action == "cd4ml" else self.suite / "actions" / action
        (step,) = read_action(folder)["runs"]["steps"]
        values = {**(given or {}), **{name.replace("_", "-"): value for name, value in inputs.items()}}
        unknown = set(values) - set(read_action(folder)["inputs"])
        assert not unknown, f"{action} has no inputs {unknown}"
        declared = {name: evaluate(value, values) for name, value in step["env"].items()}
        self.files.mkdir(exist_ok=True)
        for name in FILES:
            (self.files / name).write_text("")
        script = self.files / "step.sh"
        script.write_text(step["run"])
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=self.workspace,
            env={**self._platform(folder), **(env or {}), **declared},
            capture_output=True,
            check=False,
        )
        return Step(
            code=result.returncode,
            stdout=result.stdout.decode("utf-8", "replace"),
            stderr=result.stderr.decode("utf-8", "replace"),
            files={name: (self.files / name).read_bytes().decode() for name in FILES},
        )

    def _platform(self, folder: Path) -> dict[str, str]:
        """Return the environment of a job."""
        network = {name: os.environ[name] for name in _NETWORK if name in os.environ}
        return {
            **network,
            "PATH": os.environ["PATH"],
            "HOME": str(Path.home()),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(folder),
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(self.temp),
            **{name: str(self.files / name) for name in FILES},
        }


def evaluate(value: str, inputs: Mapping[str, str]) -> str:
    """Evaluate the one expression that action files may hold: an input, as it is or empty."""
    found = re.fullmatch(r"\$\{\{ inputs\.([a-z0-9-]+) \}\}", value)
    assert found, f"{value} is not a plain input"
    return inputs.get(found[1], "")
