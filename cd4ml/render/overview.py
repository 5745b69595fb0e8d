"""The verdicts of all stages of one run, as text and as GitHub Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.render.markdown import MARK, inert
from cd4ml.render.numbers import duration
from cd4ml.report import Status

NOT_RUN: Final = "not-run"
_LONGEST: Final = 300


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one stage.

    Attributes:
        status: a report's status, or `not-run` for a stage that others kept from running.
        summary: what the stage found, "" if it did not run.
    """

    stage: str
    status: str
    seconds: float
    summary: str = ""


def text(rows: Sequence[Row]) -> str:
    """Return a table for a terminal."""
    width = max(len(row.stage) for row in rows)
    lines = [f"  {row.stage:<{width}}  {row.status:<12}  {_time(row)}".rstrip() for row in rows]
    return "\n".join(["", "stages:", *lines])


def markdown(rows: Sequence[Row], status: Status) -> str:
    """Return a table for the step summary, to stand above what the stages say themselves."""
    lines = [f"## {MARK[status]} cd4ml: {status}", "", "| | Stage | Verdict | Time | What it found |", "|-|-|-|-:|-|"]
    for row in rows:
        mark = MARK[Status(row.status)] if row.status != NOT_RUN else "⏸️"
        found = "stages before it did not pass" if row.status == NOT_RUN else row.summary
        lines.append(f"| {mark} | {row.stage} | {row.status} | {_time(row)} | {inert(found, most=_LONGEST)} |")
    return "\n".join(lines) + "\n\n"


def _time(row: Row) -> str:
    """Return how long a stage took, "" if it did not run."""
    return duration(row.seconds) if row.seconds else ""
