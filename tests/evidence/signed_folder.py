"""A folder of signed reports as a pipeline leaves it, and what a forger makes of it."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cd4ml.digests import file_sha256
from cd4ml.evidence.bundles import bundle_path
from cd4ml.evidence.result import CONFIG, result_statement
from cd4ml.evidence.statement import Resource, Statement
from cd4ml.report.reading import read_file
from cd4ml.stages import about
from tests.gitops.conftest import IMAGE, MODEL, REQUIRED, git
from tests.reports import FINE, write

Sign = Callable[[Statement], bytes]
STAGES: Final = (*REQUIRED, "score-model")
TABLE: Final = "7" * 64


@dataclass(frozen=True, kw_only=True)
class SignedFolder:
    """Reports of one commit and one model, and who signs them."""

    root: Path
    commit: str
    sign: Sign

    @property
    def folder(self) -> Path:
        """Where the reports are."""
        return self.root / "reports"

    def report(self, stage: str) -> Path:
        """Return a report's file."""
        return self.folder / f"{stage}.json"

    def bundle(self, stage: str) -> Path:
        """Return a bundle's file."""
        return bundle_path(self.report(stage))

    def write(self, stage: str, **changes: Any) -> None:
        """Write a report as its stage would, and sign it."""
        tables = {"evaluate-model", "audit-fairness"}
        predictions = {"name": "predictions", "path": "predictions.parquet", "sha256": TABLE, "rows": 9}
        document: dict[str, Any] = {
            "source": {"git_sha": self.commit, "modified": []},
            "candidate": {"uri": "models:/credit/1", "sha256": MODEL} if stage not in REQUIRED[:2] else None,
            "checks": [FINE | {"id": "model-code" if stage == "build-image" else "x"}],
            "inputs": [predictions] if stage in tables else [],
        }
        outputs = {"build-image": {"image": IMAGE}, "score-model": {"predictions-sha256": TABLE}}
        write(self.folder, stage, **{**document, "outputs": outputs.get(stage, {}), **changes})
        self.signed(stage)

    def signed(
        self,
        stage: str,
        *,
        by: Sign | None = None,
        at: datetime.timedelta = datetime.timedelta(0),
        config: str | None = "c",
        change: Callable[[Statement], Statement] = lambda one: one,
    ) -> None:
        """Sign the report that is there."""
        published = read_file(self.report(stage), stage)
        statement = result_statement(
            published,
            of=about(stage),
            at=datetime.datetime.now(datetime.UTC) + at,
            report=file_sha256(self.report(stage)),
            config=Resource(name=CONFIG, digest={"sha256": config * 64}) if config else None,
        )
        self.bundle(stage).write_bytes((by or self.sign)(change(statement)))

    def edit(self, path: Path, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a JSON file by hand."""
        document = json.loads(path.read_bytes())
        change(document)
        path.write_text(json.dumps(document))


def make(root: Path, sign: Callable[[str], Sign]) -> SignedFolder:
    """Make a committed project whose stages have all passed.

    Args:
        sign: returns who signs for a commit.
    """
    git(root, "init", "--quiet")
    (root / ".gitignore").write_text("*\n")
    git(root, "add", "--force", ".gitignore")
    git(root, "commit", "--quiet", "--message", "Source")
    commit = git(root, "rev-parse", "HEAD").strip()
    made = SignedFolder(root=root, commit=commit, sign=sign(commit))
    for stage in STAGES:
        made.write(stage)
    return made


def predicate(**changes: Any) -> Callable[[Statement], Statement]:
    """Return a change of a statement's predicate."""

    def change(statement: Statement) -> Statement:
        merged: Mapping[str, Any] = {**statement.predicate, **changes}
        return replace(statement, predicate=merged)

    return change
