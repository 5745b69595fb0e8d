"""A report as GitHub Markdown for the step summary: the verdict, what blocks and what to do; the rest is folded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

from cd4ml.render.charts import chart
from cd4ml.render.inert import inert
from cd4ml.render.numbers import OF_COLUMNS, interval, number, plural
from cd4ml.render.terminal import beside, counted, place_of
from cd4ml.report import Check, Report, Status

# The platform drops a summary over 1 MiB whole.
LARGEST: Final = 900 * 1024
MARK: Final = {
    Status.PASSED: "✅",
    Status.FAILED: "❌",
    Status.INCONCLUSIVE: "⚠️",
    Status.ERROR: "🛑",
    Status.SKIPPED: "⏭️",
}
_SENTENCE: Final = {
    Status.PASSED: "passed",
    Status.FAILED: "failed: this change is blocked",
    Status.INCONCLUSIVE: "inconclusive: too little data to decide",
    Status.ERROR: "error: no verdict could be reached, so nothing passes",
    Status.SKIPPED: "skipped: this stage is not configured",
}
_MOST_SHOWN: Final = 10
_HEAD: Final = "| | Check | Value | Interval | Limit | Production | n | What it means |\n|-|-|-:|-:|-:|-:|-:|-|\n"
_INTERVALS: Final = (
    "An interval says where the true value lies, as far as these rows can tell; in a comparison it is that of the "
    "difference to production."
)
_CHANCE: Final = (
    "p is the chance of a difference at least as large where there is none, corrected for the number of tests."
)


def markdown(report: Report, *, largest: int = LARGEST, warned: bool = False) -> str:
    """Return the report as Markdown of at most `largest` bytes; what does not fit is counted.

    Args:
        warned: whether a verdict other than `passed` is let through.
    """
    sentence = f"{report.status}, and only warns: this change is not blocked" if warned else _SENTENCE[report.status]
    mark = MARK[Status.INCONCLUSIVE if warned else report.status]
    blocking = [check for check in report.checks if check.status is not Status.PASSED]
    shown, others = blocking[:_MOST_SHOWN], blocking[_MOST_SHOWN:]
    said = beside(report.summary, shown)
    parts = [f"### {mark} {report.stage} {sentence}\n\n"]
    if len(report.checks) > 1 and blocking:
        parts.append(f"{len(blocking):,} of {plural(len(report.checks), 'check')} did not pass.\n\n")
    parts += [_items(shown), f"{inert(said, most=2000)}\n\n" if said else "", chart(report)]
    head = "".join(part for part in parts if part)
    room = largest - len(head.encode()) - 4096
    return head + _folded(report.checks, others, room)


def _folded(checks: Sequence[Check], others: Sequence[Check], room: int) -> str:
    """Return what is folded away: what did not pass and is not shown above, then the numbers, then the rest counted."""
    passed = [check for check in checks if check.status is Status.PASSED]
    remarks = [check for check in passed if check.reason]
    listed = _fitting([*others, *remarks], _item, room)
    measured = [check for check in checks if _is_measured(check)]
    rows = _fitting(measured, _row, room - len(listed.encode()))
    table = f"{_HEAD}{rows}\n" if rows else ""
    plain = counted([check for check in passed if not _is_measured(check) and not check.reason])
    said = [f"Passed: {inert(' · '.join(plain), most=2000)}"] if plain else []
    said += [f"<sub>{' '.join(explained)}</sub>"] if (explained := list(_explained(measured))) else []
    if not (listed or table or said):
        return ""
    title = f"{plural(len(checks), 'check')}" + ("" if len(passed) < len(checks) else " passed")
    listed = f"{listed}\n" if listed else ""
    rest = "<br>".join(said) + "\n" if said else ""
    return f"<details><summary>{title}</summary>\n\n{listed}{table}{rest}</details>\n\n"


def _items(checks: Sequence[Check]) -> str:
    """Return a list of what did not pass; an advice stands after the last of those that it is for."""
    following = [check.advice for check in checks[1:]] + [None]
    lines = [_item(check, advised=check.advice != after) for check, after in zip(checks, following, strict=False)]
    return "\n".join(lines) + "\n\n" if lines else ""


def _item(check: Check, *, advised: bool = True) -> str:
    """Return what a check found, and what to do."""
    place = place_of(check)
    where = f"<code>{inert(place)}</code> " if place else ""
    advice = f"<br>→ {inert(check.advice)}" if check.advice and advised and check.status is not Status.PASSED else ""
    return f"- {MARK[check.status]} {where}{inert(check.message or check.id, most=1000)}{advice}"


def _fitting(checks: Sequence[Check], line: Callable[[Check], str], room: int) -> str:
    """Return a line for each check that fits into so many bytes; the others are counted."""
    lines: list[str] = []
    used = 0
    for index, check in enumerate(checks):
        shown = line(check)
        used += len(shown.encode()) + 1
        if used > room:
            lines.append(f"\n… and {plural(len(checks) - index, 'more check')} in the JSON report.")
            break
        lines.append(shown)
    return "\n".join(lines) + "\n" if lines else ""


def _is_measured(check: Check) -> bool:
    """Whether a check has a number that says more than how often a rule is broken."""
    if check.metric == OF_COLUMNS:
        return False
    return check.interval is not None or check.baseline is not None or isinstance(check.value, float)


def _row(check: Check) -> str:
    """Return the table row of a check; what did not pass has said above what it means."""
    cells = [
        MARK[check.status],
        inert(check.id),
        inert(number(check.value, check.limit, check.baseline)),
        inert(interval(check.interval)),
        inert(number(check.limit, check.value)),
        inert(number(check.baseline, check.value)),
        number(check.n),
        inert(check.message) if check.status is Status.PASSED else "see above",
    ]
    return "| " + " | ".join(cells) + " |"


def _explained(measured: Sequence[Check]) -> Iterator[str]:
    """Yield what is to be known of the numbers of a table, and by which methods they were found."""
    methods = list(dict.fromkeys(check.interval.method for check in measured if check.interval))
    if methods:
        yield f"{_INTERVALS} Methods: {inert(', '.join(methods))}."
    if any(sign in check.message for check, sign in chain.from_iterable([(c, "p = "), (c, "p < ")] for c in measured)):
        yield _CHANCE
    if len(measured) > 1:
        yield "n is the number of rows."
