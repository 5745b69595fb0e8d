"""The lines of .gitignore that keep results out of the repository."""

from __future__ import annotations

from typing import Final

from cd4ml.project.findings import Project

_HEAD: Final = "# Results of cd4ml"


def added(project: Project, text: str) -> str:
    """Return the lines that a .gitignore lacks; empty if it lacks none."""
    wanted = ["reports/", *(["predictions.parquet"] if project.scored else [])]
    there = {line.strip().removeprefix("/").rstrip("/") for line in text.splitlines()}
    lacking = [line for line in wanted if line.rstrip("/") not in there]
    if not lacking:
        return ""
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    return "\n".join([f"{gap}{_HEAD}", *lacking, ""])
