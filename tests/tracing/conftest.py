"""A model that was judged, built, deployed by deploy-model and promoted by a person, with all that this leaves."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cd4ml.digests import file_sha256
from tests.conftest import Run, run_cd4ml
from tests.gitops.conftest import IMAGE, MODEL, GitOps, git
from tests.reports import FINE
from tests.reports import write as write_report

DIGEST = IMAGE.partition("@")[2]
LOCK, BASE = "d" * 64, "e" * 64
ACCURACY = {
    "id": "minimum:accuracy",
    "status": "passed",
    "message": "accuracy is 0.9158.",
    "metric": "accuracy",
    "value": 0.9158,
    "limit": 0.88,
    "bound": "at-least",
    "n": 796,
    "interval": {"lower": 0.8945, "upper": 0.9332, "confidence": 0.95, "method": "Wilson", "of": "value"},
}


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What a delivery has left, and the command that tells its story.

    Attributes:
        folder: of the project, with its reports.
        commit: of the code.
        trace: runs `cd4ml trace`.
    """

    folder: Path
    gitops: GitOps
    commit: str
    command: Callable[..., Run]

    @property
    def place(self) -> tuple[str, ...]:
        """Options that name the GitOps repository."""
        return ("--repository", str(self.gitops.bare), "--manifest", "credit/values.yaml")

    def trace(self, subject: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Return the story as JSON; fail unless it ends with the exit code."""
        run = self.command("trace", subject, *self.place, "--json", *arguments)
        assert run.code == code, run.stdout + run.stderr
        found: dict[str, Any] = json.loads(run.stdout)
        return found

    def report(self, stage: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a report as somebody might who can write the file."""
        path = self.folder / "reports" / f"{stage}.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))


def values(story: Mapping[str, Any], topic: str, name: str) -> list[str]:
    """Return every value that sources say of something."""
    facts = [fact for fact in story["facts"] if (fact["topic"], fact["name"]) == (topic, name)]
    return [saying["value"] for fact in facts for saying in fact["sayings"]]


def looked(story: Mapping[str, Any], source: str) -> str:
    """Return what became of a source."""
    (found,) = [one["looked"] for one in story["sources"] if one["name"] == source]
    return str(found)


def labels(commit: str) -> dict[str, str]:
    """Return an image's labels as build-image writes them."""
    return {
        "io.cd4ml.model.sha256": MODEL,
        "io.cd4ml.model.name": "credit",
        "io.cd4ml.model.version": "1",
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.base.digest": f"sha256:{BASE}",
    }


def store(path: Path, tags: Mapping[str, str], alias: str = "champion") -> str:
    """Write the tables that MLflow keeps of versions, with one version, and return the registry's address.

    tests/registry reads a store that MLflow itself has made in the same way.
    """
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE model_versions (name, version, current_stage)")
        connection.execute("CREATE TABLE model_version_tags (name, version, key, value)")
        connection.execute("CREATE TABLE registered_model_aliases (name, version, alias)")
        connection.execute("INSERT INTO model_versions VALUES ('credit', 1, 'None')")
        connection.execute("INSERT INTO registered_model_aliases VALUES ('credit', 1, ?)", (alias,))
        rows = [("credit", 1, key, value) for key, value in tags.items()]
        connection.executemany("INSERT INTO model_version_tags VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def reports(folder: Path, commit: str) -> None:
    """Write the reports of a run that passed every gate."""
    about = {
        "source": {"git_sha": commit, "modified": []},
        "candidate": {"uri": "models:/credit/1", "sha256": MODEL, "name": "credit", "version": "1"},
    }
    for stage in ("check-code", "validate-data"):
        write_report(folder, stage, source=about["source"])
    write_report(folder, "evaluate-model", checks=[ACCURACY], **about)
    details = {"labels": labels(commit), "lock_sha256": LOCK}
    checks = [FINE | {"id": "model-code"}]
    write_report(folder, "build-image", checks=checks, outputs={"image": IMAGE}, details=details, **about)


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the delivery once: a project, its GitOps repository in `remote`, and what deploy-model committed."""
    folder = tmp_path_factory.mktemp("delivery")
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("*\n")
    git(folder, "add", "--force", ".gitignore")
    git(folder, "commit", "--quiet", "--message", "Source")
    commit = git(folder, "rev-parse", "HEAD").strip()
    (folder / "remote").mkdir()
    gitops = GitOps(folder / "remote")
    reports(folder / "reports", commit)
    stages = "check-code,validate-data,evaluate-model,build-image"
    target = ("--repository", str(gitops.bare), "--manifest", "credit/values.yaml", "--required-stages", stages)
    run = run_cd4ml(folder, "deploy-model", *target, "--canary-weight", "10")
    assert run.code == 0, run.stdout + run.stderr
    table = folder / "data" / "test.csv"
    table.parent.mkdir()
    table.write_text("age,approved\n30,1\n")
    inputs = [{"name": "test-data", "path": "data/test.csv", "sha256": file_sha256(table), "rows": 796}]
    built = json.loads((folder / "reports" / "build-image.json").read_text())
    about = {"source": built["source"], "candidate": built["candidate"]}
    write_report(folder / "reports", "score-model", inputs=inputs, details={"locks": {"candidate": LOCK}}, **about)
    return folder


@pytest.fixture
def delivered(
    tmp_path: Path, cd4ml: Callable[..., Run], delivery: Path, capsys: pytest.CaptureFixture[str]
) -> Delivered:
    """Return a copy of the delivery."""
    shutil.copytree(delivery, tmp_path, dirs_exist_ok=True)
    gitops = GitOps.__new__(GitOps)
    gitops.bare, gitops.work = tmp_path / "remote" / "gitops.git", tmp_path / "remote" / "work"
    git(gitops.work, "remote", "set-url", "origin", str(gitops.bare))
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    return Delivered(folder=tmp_path, gitops=gitops, commit=commit, command=partial(cd4ml, capsys=capsys))
