"""The verdicts of all stages of one run, as text and as GitHub Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.render.look import NOT_RUN, PLAIN, Look
from cd4ml.render.inert import inert
from cd4ml.render.markdown import MARK
from cd4ml.render.numbers import duration, plural
from cd4ml.render.terminal import verdict
from cd4ml.report import Status

_LONGEST: Final = 300


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one stage.

    Attributes:
        status: a report's status, or `not-run` for a stage that others kept from running.
        told: in numbers, what its verdict rests on; of one that did not run, why.
        warned: whether a verdict other than `passed` was let through.
    """

    stage: str
    status: str
    seconds: float
    told: Sequence[str] = ()
    warned: bool = False

    @property
    def verdict(self) -> str:
        """The status, and whether it only warns."""
        return f"{self.status} (warning)" if self.warned else self.status


def text(
    rows: Sequence[Row], status: Status, *, look: Look = PLAIN, warned: bool = False, total_only: bool = False
) -> str:
    """Return a line a stage for a terminal, those that are not configured in one, and the verdict on all of them.

    Args:
        total_only: whether the lines of the stages that ran stand there already.
    """
    width = max(len(row.stage) for row in rows)
    lines = [
        verdict(row.stage, row.status, row.told, row.seconds or None, look=look, warned=row.warned, width=width)
        for row in rows
        if row.status == NOT_RUN or (row.status != Status.SKIPPED and not total_only)
    ]
    skipped = [row.stage for row in rows if row.status == Status.SKIPPED]
    if skipped and not total_only:
        lines.append(f"{look.mark(Status.SKIPPED)} skipped: {', '.join(skipped)}\n")
    ran = [row for row in rows if row.seconds]
    told, seconds = [plural(len(ran), "stage")], sum(row.seconds for row in ran)
    total = verdict("cd4ml", status, told, seconds, look=look, warned=warned, width=width)
    return "".join(["" if total_only else "\n", *lines, total])


def markdown(rows: Sequence[Row], status: Status, *, warned: bool = False) -> str:
    """Return a table for the step summary, to stand above what the stages say themselves."""
    head = (
        f"{MARK[Status.INCONCLUSIVE]} cd4ml: {status}, and only warns" if warned else f"{MARK[status]} cd4ml: {status}"
    )
    lines = [f"## {head}", "", "| | Stage | Verdict | Time | |", "|-|-|-|-:|-|"]
    for row in rows:
        mark = MARK[Status.INCONCLUSIVE if row.warned else Status(row.status)] if row.status != NOT_RUN else "⏸️"
        told = inert(" · ".join(row.told), most=_LONGEST)
        lines.append(f"| {mark} | {row.stage} | {row.verdict} | {_time(row)} | {told} |")
    return "\n".join(lines) + "\n\n"


def _time(row: Row) -> str:
    """Return how long a stage took, "" if it did not run."""
    return duration(row.seconds) if row.seconds else ""
