"""Whole published reports for tests: readers refuse one that leaves anything out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cd4ml.report import Check, Published, Report, Source, Status, v1

FINE = {"id": "x", "status": "passed", "message": "Fine."}


def document(stage: str, /, **changes: Any) -> dict[str, Any]:
    """Return the document of a report that passed its one check; keyword arguments replace parts of it."""
    report = Report(stage=stage, checks=(Check(id="x", status=Status.PASSED, message="Fine."),))
    return v1.document(Published(report=report, source=Source(git_sha=None, modified=()))) | changes


def write(folder: Path, stage: str, /, **changes: Any) -> Path:
    """Write such a report where its stage would, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.json"
    path.write_text(json.dumps(document(stage, **changes)))
    return path
