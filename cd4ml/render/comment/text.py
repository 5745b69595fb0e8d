"""Text of a comment: what comes from data mentions nobody, refers to nothing and links nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from cd4ml.render.inert import BREAK, inert
from cd4ml.render.numbers import in_percent, interval, measured, number
from cd4ml.report import Interval

_COMMIT: Final = re.compile(r"(?i)[0-9a-f]{6}(?=[0-9a-f])")
_STAGE: Final = re.compile(r"[a-z]{1,20}-[a-z-]{1,20}", re.ASCII)

T = TypeVar("T")
_MINUS: Final = re.compile(r"(?<![\w.])-")
_SMALLEST: Final = 0.00005  # that four decimals show
_SMALLEST_POINTS: Final = 0.05  # that one decimal shows


def quiet(text: str, *, most: int = 500) -> str:
    """Return text from data as one line of Markdown that is nothing but text: in a comment no commit's name either."""
    return _COMMIT.sub(rf"\g<0>{BREAK}", inert(text, most=most))


def named(name: str) -> str:
    """Return the name of a stage as it is; one that a file or a report gives itself is text from data."""
    return name if _STAGE.fullmatch(name) else quiet(name, most=120)


def figure(metric: str | None, value: object, *beside: object) -> str:
    """Return a value of a metric as people read it, beside those that it is compared with."""
    shown = measured(metric, value, *beside)
    return quiet(shown) if isinstance(value, str) else shown


def signed(value: float) -> str:
    """Return a difference with its sign."""
    shown = f"{abs(value):,.4f}" if abs(value) >= _SMALLEST else number(abs(value))
    return (
        "±0" if value == 0 else f"{'+' if value > 0 else '−'}{number(abs(value)) if isinstance(value, int) else shown}"
    )


def moved(metric: str | None, by: float) -> str:
    """Return by how much a value of a metric moved; a percentage moves by points."""
    if not in_percent(metric, by):
        return signed(by)
    shown = f"{abs(by):.1f}" if abs(by) >= _SMALLEST_POINTS else number(abs(by))
    return "±0" if by == 0 else f"{'+' if by > 0 else '−'}{shown} points"


def bounds(found: Interval) -> str:
    """Return the bounds of an interval."""
    return _MINUS.sub("−", interval(found).removeprefix("difference ")).replace(" ", "&nbsp;")


def length(text: str) -> int:
    """Return how long the platform holds a text to be: it counts in UTF-16."""
    return len(text.encode("utf-16-le")) // 2


def fitting(items: Sequence[T], line: Callable[[T], str], room: int, *, noun: str, most: int, head: str = "") -> str:
    """Return as many lines as fit, and how many there are more; "" if not even one fits.

    Args:
        items: what the lines are about.
        noun: what an item is called.
        head: of the table that the lines are rows of.
    """
    lines: list[str] = []
    used = length(head) + 80
    for item in items[:most]:
        shown = line(item)
        used += length(shown) + 1
        if used > room:
            break
        lines.append(shown)
    hidden = len(items) - len(lines)
    more = f"\n… and {hidden:,} more {noun}{'s' if hidden > 1 else ''} in the report.\n" if hidden else ""
    return head + "\n".join(lines) + "\n" + more if lines else ""
