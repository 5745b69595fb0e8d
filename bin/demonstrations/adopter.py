"""The repository that uses cd4ml in a demonstration, its environment, and the GitOps repository beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from demonstrations.lab import DEMO, ROOT, settings

UV: Final = ROOT / ".venv" / "bin" / "uv"
CD4ML: Final = ROOT / ".venv" / "bin" / "cd4ml"
# Both demonstrations have the same environment and keep it.
ENVIRONMENT: Final = DEMO / "venv"
VALUES: Final = """\
# The model server of loan-approval: edited by the pipeline, reviewed like code.
image:
  repository: {repository}
  digest: "{digest}"
canary:
  enabled: false
  image:
    digest: ""
  weight: 0
"""


@dataclass(frozen=True, kw_only=True)
class Adopter:
    """A repository that uses cd4ml.

    Attributes:
        folder: in which the repository and the GitOps repository lie.
    """

    folder: Path

    @property
    def project(self) -> Path:
        """The working tree."""
        return self.folder / "loan-approval"

    @property
    def gitops(self) -> Path:
        """The bare repository."""
        return self.folder / "gitops.git"

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment of its programs: its Python, its registry."""
        path = f"{ENVIRONMENT / 'bin'}{os.pathsep}{os.environ['PATH']}"
        # What one run compiles serves the next: these programs start half a dozen times.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **kept,
            "PATH": path,
            "VIRTUAL_ENV": str(ENVIRONMENT),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.project / 'mlflow.db'}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONWARNINGS": "ignore",
        }

    def call(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run a command that must succeed, in the working tree unless it says otherwise, and return what it printed."""
        result = subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.project,
            env=dict(env or os.environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            sys.exit(f"demo: {' '.join(map(str, command))} failed:\n{result.stdout}{result.stderr}")
        return result.stdout

    def commit(self, folder: Path, message: str) -> None:
        """Commit everything in a folder's repository."""
        identity = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
        self.call("git", "add", "--all", cwd=folder)
        self.call("git", *identity, "commit", "--quiet", "--message", message, cwd=folder)

    def make(self, lab: Mapping[str, str], changes: Mapping[str, str] | None = None) -> None:
        """Make the repository, its environment and its data afresh; environments and downloads are kept.

        Args:
            changes: text in cd4ml.yaml -> what stands there instead.
        """
        for folder in (self.project, self.gitops, self.folder / "gitops"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "examples" / "loan-approval", self.project)
        config = self.project / "cd4ml.yaml"
        text = config.read_text().replace("127.0.0.1:5055", lab.get("REGISTRY", "127.0.0.1:5055"))
        for old, new in (changes or {}).items():
            text = text.replace(old, new)
        config.write_text(text)
        self.call("git", "init", "--quiet", "--initial-branch", "main")
        self.commit(self.project, "Approve loans by model")
        if not ENVIRONMENT.exists():
            self.call(UV, "venv", "--quiet", "--python", sys.executable, ENVIRONMENT)
        python = ENVIRONMENT / "bin" / "python"
        self.call(UV, "pip", "sync", "--quiet", "--require-hashes", "--python", python, "requirements.txt")
        print(self.call(python, "prepare.py", env=self.surroundings).strip())

    def make_gitops(self, stable: str) -> None:
        """Make the GitOps repository: a bare one, whose values file has an image in production."""
        self.call("git", "init", "--quiet", "--bare", "--initial-branch", "main", self.gitops)
        work = self.folder / "gitops"
        self.call("git", "clone", "--quiet", self.gitops, work)
        values = work / "loan-approval" / "values.yaml"
        values.parent.mkdir()
        values.write_text(VALUES.format(repository=stable.partition("@")[0], digest=stable.partition("@")[2]))
        self.commit(work, "Serve loan-approval")
        self.call("git", "push", "--quiet", "origin", "HEAD:main", cwd=work)
        shutil.rmtree(work)

    def train(self, *models: str) -> None:
        """Train and register models as the repository does it."""
        printed = self.call(ENVIRONMENT / "bin" / "python", "train.py", *models, env=self.surroundings)
        print("\n".join(line for line in printed.splitlines() if line.startswith("loan-approval")))

    def release(self, lab: Mapping[str, str]) -> str:
        """Build and push the image of the model that is in production, and return its reference by digest.

        It went live before there were gates, so nothing is compared here; it is scanned all the same.
        """
        if not lab:
            return f"registry.example/loan-approval@sha256:{'0' * 64}"
        report = self.project / "reports" / "scorecard" / "build-image.json"
        options = ["--model", "models:/loan-approval@champion", "--simulate", "false", "--push"]
        options += ["--config", "none.yaml", "--image", f"{lab['REGISTRY']}/loan-approval:champion"]
        (self.project / "none.yaml").write_text("")
        self.call(CD4ML, "build-image", *options, "--report", report, env={**self.surroundings, **settings(lab)})
        (self.project / "none.yaml").unlink()
        return str(document(report)["outputs"]["image"])

    def gate(self, reports: Path, stages: Sequence[str], lab: Mapping[str, str]) -> int:
        """Send the challenger through the stages and return the exit code."""
        command = [str(CD4ML), "run", "--reports", str(reports), "--stages", ",".join(stages)]
        return subprocess.run(
            command, cwd=self.project, env={**self.surroundings, **settings(lab)}, check=False
        ).returncode


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def document(path: Path) -> dict[str, Any]:
    """Return a report."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found
