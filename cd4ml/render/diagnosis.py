"""What was looked at and what was found, a line each with what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cd4ml.render.look import PLAIN, Look
from cd4ml.report import Status
from cd4ml.wording import safe


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that was looked at.

    Attributes:
        status: `passed`, `failed` for what has to be fixed, `inconclusive` for what may be no mistake, `skipped` for
            what was not looked at.
    """

    topic: str
    status: Status
    message: str
    advice: str = ""


def text(lines: Sequence[Line], *, look: Look = PLAIN) -> str:
    """Return the lines for a terminal, their topics below each other."""
    width = max((len(line.topic) for line in lines), default=0)
    shown = [row for line in lines for row in _rows(line, width, look)]
    return "".join(f"{row}\n" for row in shown)


def _rows(line: Line, width: int, look: Look) -> list[str]:
    """Return a line, and below it what to do."""
    indent = " " * (width + 4)
    first = f"{look.mark(line.status)} {look.bold(safe(line.topic))}{' ' * (width - len(line.topic) + 2)}"
    rows = look.lines(safe(line.message), indent=indent, first=first)
    if line.advice:
        rows += look.lines(safe(line.advice), indent=f"{indent}  ", first=f"{indent}{look.spelled('→')} ")
    return rows
