"""Running workflows of a consumer's repository with act, on this machine, against a copy of this working tree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conftest import ROOT, need_program

REF: Final = "v1"
_STANDINS: Final = {
    "actions/upload-artifact": "upload-artifact",
    "actions/download-artifact": "download-artifact",
    "actions/setup-python": "nothing",
    "actions/checkout": "nothing",  # of another commit: act copies the consumer's own in its place
    "actions/create-github-app-token": "nothing",
    "docker/login-action": "nothing",
    "github/codeql-action": "codeql-action",
}
_NEEDED: Final = (
    "action.yml",
    "actions/",
    "cd4ml/",
    "requirements/",
    "templates/",
    ".github/workflows/",
    "tests/actions/standins/",
)
_PAYLOAD: Final = {"repository": {"default_branch": "main"}, "pull_request": {"number": 1}}
_IDENTITY: Final = ("-c", "user.name=test", "-c", "user.email=test@localhost")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed."""
    command = ["git", *_IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> Path:
    """Make a folder a repository with everything in it committed."""
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "state")
    return folder


def copy_suite(folder: Path) -> Path:
    """Copy what the actions need of this working tree: act copies the whole of it for every step.

    `$/`, which act does not know, becomes the owner, name and tag that it stands for.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith(_NEEDED) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    for path in (folder / ".github" / "workflows").glob("*.yml"):
        path.write_text(re.sub(r"uses: \$/(\S+)", rf"uses: OWNER/cd4ml/\1@{REF}", path.read_text()))
    commit(folder)
    git(folder, "tag", REF)
    return folder


@dataclass(frozen=True, kw_only=True)
class ActRun:
    """What a run of a workflow left behind.

    Attributes:
        jobs: result by job id: success or failure; a job that was skipped is not there.
        lines: act's log as objects.
    """

    code: int
    jobs: Mapping[str, str]
    lines: Sequence[Mapping[str, Any]]
    artifacts: Path

    @property
    def text(self) -> str:
        """The whole log as text."""
        return "\n".join(str(line.get("msg", "")) for line in self.lines)

    @property
    def summaries(self) -> str:
        """All step summaries."""
        return "\n".join(str(line.get("content", "")) for line in self.lines if line.get("command") == "summary")

    def artifact(self, name: str, file: str) -> Any:
        """Return a JSON file of an artifact."""
        return json.loads((self.artifacts / name / file).read_text())


def run_act(
    suite: Path,
    consumer: Path,
    workflow: str,
    *,
    scratch: Path,
    event: str = "pull_request",
    payload: Mapping[str, Any] = _PAYLOAD,
    more: Sequence[str] = (),
) -> ActRun:
    """Run a workflow of a consumer's repository; `more` are further arguments of act.

    What already lies in the folder `artifacts` of `scratch` is there from the start.
    """
    artifacts = scratch / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    described = scratch / "event.json"
    described.write_text(json.dumps(payload))
    command = [need_program("act"), event, "--workflows", f".github/workflows/{workflow}", "--json"]
    command += ["-P", "ubuntu-latest=-self-hosted", "--eventpath", str(described), "--no-cache-server"]
    command += ["--env", f"ARTIFACTS={artifacts}", "--concurrent-jobs", "2", "--actor", "tester"]
    command += ["--local-repository", f"OWNER/cd4ml@{REF}={suite}", *more]
    for name, reference in pins(suite).items():
        if name in _STANDINS:
            standin = suite / "tests" / "actions" / "standins" / _STANDINS[name]
            command += ["--local-repository", f"{name}@{reference}={standin}"]
    result = subprocess.run(
        command, cwd=consumer, env=_environment(scratch), capture_output=True, text=True, check=False
    )
    lines = [_line(line) for line in result.stdout.splitlines()]
    jobs = {str(line["jobID"]): str(line["jobResult"]) for line in lines if "jobResult" in line}
    return ActRun(code=result.returncode, jobs=jobs, lines=[*lines, {"msg": result.stderr}], artifacts=artifacts)


def pins(suite: Path) -> dict[str, str]:
    """Return the commit of every action of others that the workflows use."""
    texts = [path.read_text() for path in (suite / ".github" / "workflows").glob("*.yml")]
    return dict(re.findall(r"uses: ([\w.-]+/[\w.-]+)(?:/[\w.-]+)?@([0-9a-f]{40})", "\n".join(texts)))


def _environment(scratch: Path) -> dict[str, str]:
    """Return an environment with programs, a home, and the way to packages: nothing else of this machine."""
    kept = (
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "PIP_CERT",
        "PIP_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "UV_INDEX_URL",
        "UV_CACHE_DIR",
    )
    home = scratch / "home"
    home.mkdir()
    own = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]),
        "HOME": str(home),
        # Downloads are shared between runs; nothing else is.
        "UV_CACHE_DIR": str(Path.home() / ".cache" / "uv"),
        "UV_LINK_MODE": "copy" if os.environ.get("UV_LINK_MODE") == "copy" else "hardlink",
    }
    return {**own, **{name: os.environ[name] for name in kept if name in os.environ}}


def _line(text: str) -> Mapping[str, Any]:
    """Return a line of act's log."""
    try:
        found = json.loads(text)
    except ValueError:
        return {"msg": text}
    return found if isinstance(found, dict) else {"msg": text}
