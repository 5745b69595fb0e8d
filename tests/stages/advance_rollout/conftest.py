"""A canary in a GitOps repository, and reports of analyze-rollout on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from cd4ml.gitops.image import image
from cd4ml.gitops.manifest import Manifest
from cd4ml.stages import ANALYSIS
from tests.conftest import Run
from tests.gitops.conftest import GitOps, git, gitops
from tests.reports import FINE, write

__all__ = ["gitops"]

NEW: Final = image("ghcr.io/owner/credit@sha256:" + "b" * 64)
MODEL: Final = "c" * 64
_REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "passed": {},
    "failed": {"reason": "above-maximum", "message": "4.1 % of the canary's requests failed, 1.0 % of the others."},
    "inconclusive": {"reason": "too-few-rows", "message": "312 more requests are needed."},
}


class Rollout:
    """A canary on its way: what people and analyses do to it, and the stage that answers."""

    def __init__(self, gitops: GitOps, folder: Path, cd4ml: Callable[..., Run]) -> None:
        """Start without a canary."""
        self.gitops, self.folder, self._cd4ml = gitops, folder, cd4ml
        self._number = 0

    def deploy(self, weight: int = 1, *, ago: float = 3600, model: str = MODEL, more: str = "") -> None:
        """Commit a canary as deploy-model does, seconds ago."""
        trailers = f"Cd4ml-Image: {NEW}\nCd4ml-Canary-Weight: {weight}\nCd4ml-Model: sha256:{model}\n{more}"
        text = Manifest(self.gitops.read()).with_canary(NEW, weight)
        self.commit(f"Deploy\n\n{trailers}", text, ago=ago)

    def commit(self, message: str, text: str, *, ago: float = 0) -> None:
        """Commit a manifest as somebody else does, seconds ago."""
        when = str(int(time.time() - ago))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GIT_COMMITTER_DATE", when)
            self.gitops.commit(message, {"credit/values.yaml": text})

    def analyze(self, status: str = "passed", *, ago: float = 0, model: str | None = MODEL, **changes: Any) -> Path:
        """Write a new report of analyze-rollout, made seconds ago."""
        self._number += 1
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago))
        check = {**FINE, **_REASONS.get(status, {}), "status": status}
        given = {
            "status": status,
            "checks": [check],
            "summary": check["message"],
            "candidate": {"uri": "events", "sha256": model} if model else None,
            "seed": self._number,
            "run": {"started_at": made, "seconds": 1.0},
            "details": {"window": {"since": made, "first": made, "last": made}},
        }
        return write(self.folder / "reports", ANALYSIS, **given | changes)

    def advance(self, *arguments: str) -> Run:
        """Run advance-rollout, without a least time for each step unless it is given."""
        target = ["--repository", str(self.gitops.bare), "--manifest", "credit/values.yaml"]
        return self._cd4ml("advance-rollout", *target, "--minimum-minutes", "0", *arguments)

    @property
    def weight(self) -> int:
        """The canary's weight now."""
        return Manifest(self.gitops.read()).state.weight

    @property
    def stable(self) -> str | None:
        """The stable image's digest now."""
        return Manifest(self.gitops.read()).state.stable

    @property
    def said(self) -> str:
        """The newest commit's message."""
        return git(self.gitops.bare, "log", "-1", "--format=%B", "main")


@pytest.fixture
def rollout(gitops: GitOps, tmp_path: Path, cd4ml: Callable[..., Run]) -> Rollout:
    """Return a rollout before its canary."""
    return Rollout(gitops, tmp_path, cd4ml)
