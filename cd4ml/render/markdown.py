"""A report as GitHub Markdown, for the step summary and for comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.render.numbers import OF_COLUMNS, interval, number, plural
from cd4ml.report import Check, Report, Status
from cd4ml.wording import safe

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
_MOST_ADVICE: Final = 3
_FOOT: Final = (
    "\n<sub>An interval says where the true value lies, as far as these rows can tell: other test rows would give "
    "another value inside it. In a comparison it is that of the difference to production; n is the number of rows."
    "</sub>\n"
)
# Everything that Markdown, its GitHub dialect or an HTML renderer could take for markup, a mention or a link.
_MARKUP: Final = str.maketrans({character: f"&#{ord(character)};" for character in "\\`*_{}[]()#+-.!|~@:/<>&\"'"})


def inert(text: str, *, most: int = 500) -> str:
    """Return text from data as one line of Markdown that is nothing but text."""
    shown = safe(text)
    if len(shown) > most:
        shown = shown[: most - 1] + "…"
    return shown.translate(_MARKUP)


def markdown(report: Report, *, largest: int = LARGEST, warned: bool = False) -> str:
    """Return the report as Markdown of at most `largest` bytes; what does not fit is counted.

    Args:
        warned: whether a verdict other than `passed` is let through.
    """
    sentence = f"{report.status}, and only warns: this change is not blocked" if warned else _SENTENCE[report.status]
    mark = MARK[Status.INCONCLUSIVE if warned else report.status]
    head = f"### {mark} {report.stage} {sentence}\n\n"
    if report.summary:
        head += f"{inert(report.summary, most=2000)}\n\n"
    blocking = [check for check in report.checks if check.status is not Status.PASSED]
    passed = [check for check in report.checks if check.status is Status.PASSED]
    head += _what_to_do(blocking, len(report.checks))
    budget = largest - len(head.encode()) - 1024
    first = _table(blocking, budget)
    budget -= len(first.encode())
    rest = _table(passed, budget)
    if rest:
        rest = f"<details><summary>{plural(len(passed), 'check')} passed</summary>\n\n{rest}\n</details>\n"
    foot = _FOOT if any(check.interval for check in report.checks) else ""
    return head + first + rest + foot + "\n"


def _what_to_do(blocking: Sequence[Check], total: int) -> str:
    """Say in words how many checks do not pass, and what to do about the first of them; nothing where all pass."""
    if not blocking or total == 1:
        return ""
    advice = list(dict.fromkeys(check.advice for check in blocking if check.advice))[:_MOST_ADVICE]
    said = [f"- **What happened:** {len(blocking):,} of {plural(total, 'check')} did not pass."]
    return "\n".join([*said, *(f"- **What to do:** {inert(text)}" for text in advice)]) + "\n\n"


def _table(checks: Sequence[Check], budget: int) -> str:
    """Return a table of the checks that fit the budget of bytes."""
    if not checks:
        return ""
    lines = ["| | Check | Value | Interval | Limit | Production | n | What it means |", "|-|-|-:|-:|-:|-:|-:|-|"]
    used = 200
    for index, check in enumerate(checks):
        line = _row(check)
        used += len(line.encode()) + 1
        if used > budget:
            lines.append(f"\n… and {plural(len(checks) - index, 'more check')} in the JSON report.")
            break
        lines.append(line)
    return "\n".join(lines) + "\n\n"


def _row(check: Check) -> str:
    """Return the table row of a check."""
    where = ""
    if check.location:
        line = f":{check.location.line}" if check.location.line else ""
        where = f"<code>{inert(check.location.path + line)}</code> "
    meaning = inert(check.message)
    if check.advice and check.status is not Status.PASSED:
        meaning += f" <b>{inert(check.advice)}</b>"
    plain = check.metric == OF_COLUMNS
    cells = [
        MARK[check.status],
        inert(check.id),
        "" if plain else inert(number(check.value, check.limit, check.baseline)),
        inert(interval(check.interval)),
        "" if plain else inert(number(check.limit, check.value)),
        inert(number(check.baseline, check.value)),
        number(check.n),
        where + meaning,
    ]
    return "| " + " | ".join(cells) + " |"
