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
        warned: whether a verdict other than `passed` was let through.
    """

    stage: str
    status: str
    seconds: float
    summary: str = ""
    warned: bool = False

    @property
    def verdict(self) -> str:
        """The status, and whether it only warns."""
        return f"{self.status} (warning)" if self.warned else self.status


def text(rows: Sequence[Row]) -> str:
    """Return a table for a terminal."""
    width = max(len(row.stage) for row in rows)
    lines = [f"  {row.stage:<{width}}  {row.verdict:<12}  {_time(row)}".rstrip() for row in rows]
    return "\n".join(["", "stages:", *lines])


def markdown(rows: Sequence[Row], status: Status, *, warned: bool = False) -> str:
    """Return a table for the step summary, to stand above what the stages say themselves."""
    head = (
        f"{MARK[Status.INCONCLUSIVE]} cd4ml: {status}, and only warns" if warned else f"{MARK[status]} cd4ml: {status}"
    )
    lines = [f"## {head}", "", "| | Stage | Verdict | Time | What it found |", "|-|-|-|-:|-|"]
    for row in rows:
        mark = MARK[Status.INCONCLUSIVE if row.warned else Status(row.status)] if row.status != NOT_RUN else "⏸️"
        found = "stages before it did not pass" if row.status == NOT_RUN else row.summary
        lines.append(f"| {mark} | {row.stage} | {row.verdict} | {_time(row)} | {inert(found, most=_LONGEST)} |")
    return "\n".join(lines) + "\n\n"


def _time(row: Row) -> str:
    """Return how long a stage took, "" if it did not run."""
    return duration(row.seconds) if row.seconds else ""
