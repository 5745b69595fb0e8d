"""Where a run comes from and where its results go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from cd4ml.render.terminal import safe


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where a run's results go: the streams and the platform's files.

    Attributes:
        annotations: how many of each type were written; the platform's limit is one for all stages of a step.
    """

    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    annotations: Counter[str] = field(default_factory=Counter)

    def file(self, name: str) -> Path | None:
        """Return the platform's file of that name, if this run has one."""
        value = self.environ.get(name)
        return Path(value) if value else None

    def progress(self, message: str) -> None:
        """Show one line of progress, on standard error so that `--json` stays clean."""
        print(safe(message), file=self.stderr, flush=True)
