"""A report for a terminal or a job log: its verdict in a line, what did not pass, and how much did."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from cd4ml.render.look import NOT_RUN, PLAIN, Look
from cd4ml.render.numbers import duration, plural
from cd4ml.report import Check, Report, Status
from cd4ml.wording import safe

_MOST_BLOCKING: Final = 50
_MOST_KINDS: Final = 12
_MOST_NOTES: Final = 12
_MORE: Final = re.compile(r" ?And \d[\d,]* more\.")
_INDENT: Final = "    "


def terminal(report: Report, *, seconds: float | None = None, look: Look = PLAIN, warned: bool = False) -> str:
    """Return the verdict, then what did not pass, then how much did.

    Args:
        seconds: how long it took, None if that is unknown.
        warned: whether a verdict other than `passed` is let through.
    """
    head = verdict(report.stage, report.status, facts(report), seconds, look=look, warned=warned)
    return head + found(report, look=look) + passed(report, look=look)


def verdict(
    stage: str,
    status: str,
    told: Sequence[str],
    seconds: float | None = None,
    *,
    look: Look = PLAIN,
    warned: bool = False,
    width: int = 0,
) -> str:
    """Return one line: mark, stage, verdict, and what it rests on.

    Args:
        status: of a report, or `not-run`.
        told: what else is said, part by part.
        width: columns of the stage's name and of the verdict, where lines stand below each other; 0 for one alone.
    """
    word = "not run" if status == NOT_RUN else f"{status} (only warns)" if warned else str(status)
    parts = [safe(part) for part in told] + ([duration(seconds)] if seconds is not None else [])
    padding = " " * (max(width - len(stage), 0) + 2)
    after = " " * ((max(len(Status.INCONCLUSIVE) - len(word), 0) if width else 0) + 2)
    mark, shown = look.mark(status, warned=warned), look.word(status, word, warned=warned)
    line = f"{mark} {look.bold(stage)}{padding}{shown}{after}{look.joined(parts)}"
    return f"{line.rstrip()}\n"


def facts(report: Report) -> list[str]:
    """Return in numbers what a verdict rests on: its checks, and the files and rows that were read."""
    blocking = sum(check.status is not Status.PASSED for check in report.checks)
    checks = plural(len(report.checks), "check")
    rows = report.metrics.get("rows")
    files = report.metrics.get("files")
    counted = [n for n in (rows.values() if isinstance(rows, Mapping) else [rows]) if isinstance(n, int)]
    if isinstance(rows, Mapping):
        files = len(counted)
    alone = report.status is Status.ERROR and len(report.checks) == 1  # it says why nothing was checked
    return [
        *([] if alone or not report.checks else [f"{blocking:,} of {checks}" if blocking else checks]),
        *([plural(files, "file")] if isinstance(files, int) and files > 1 else []),
        *([plural(sum(counted), "row")] if counted else []),
    ]


def found(report: Report, *, look: Look = PLAIN) -> str:
    """Return what was found, in words: what did not pass by kind, each sentence once, and what the summary adds."""
    blocking = [check for check in report.checks if check.status is not Status.PASSED]
    shown = blocking[:_MOST_BLOCKING]
    lines: list[str] = []
    for kind, checks in groupby(_by_kind(shown), key=lambda check: check.kind):
        lines.extend(_group(kind, list(checks), report, look))
    if len(blocking) > len(shown):
        lines += look.lines(f"… and {plural(len(blocking) - len(shown), 'more check')} in the report", indent="  ")
    other = look.lines(safe(rest), indent="  ") if (rest := beside(report.summary, shown)) else []
    first = not any(check.message and report.summary.startswith(check.message) for check in shown)
    lines = other + lines if first else lines + other
    return "".join(f"{line}\n" for line in lines)


def passed(report: Report, *, look: Look = PLAIN) -> str:
    """Return how many checks of each kind passed, and what is to be known of some; each of them where all is told."""
    checks = [check for check in report.checks if check.status is Status.PASSED]
    if look.verbose:
        lines = [line for check in checks for line in _passed(check, look)]
        return "".join(f"{line}\n" for line in lines)
    notes = [check for check in checks if check.reason and check.message not in report.summary]
    lines = [line for check in notes[:_MOST_NOTES] for line in _told(check, look)]
    kinds = [safe(kind) for kind in counted(checks)]
    if kinds and len(report.checks) > 1:
        first = f"  {look.mark(Status.PASSED)} "
        lines += look.lines(f"passed: {' · '.join(kinds)}", indent=_INDENT, first=first)
    return "".join(f"{line}\n" for line in lines)


def counted(checks: Sequence[Check]) -> list[str]:
    """Return how many checks there are of each kind, the most frequent first."""
    counts = Counter(check.kind for check in checks)
    kinds = [f"{kind} {n:,}" if n > 1 else kind for kind, n in counts.most_common(_MOST_KINDS)]
    return kinds + ([plural(len(counts) - _MOST_KINDS, "more kind")] if len(counts) > _MOST_KINDS else [])


def place_of(check: Check) -> str:
    """Return where in the caller's source a check points, "" if nowhere."""
    if not check.location:
        return ""
    return check.location.path + (f":{check.location.line}" if check.location.line else "")


def _by_kind(checks: Sequence[Check]) -> list[Check]:
    """Return the checks with those of a kind together, in the order in which the kinds come."""
    order = {kind: place for place, kind in enumerate(dict.fromkeys((check.kind for check in checks)))}
    return sorted(checks, key=lambda check: order[check.kind])


def _group(kind: str, checks: Sequence[Check], report: Report, look: Look) -> Iterator[str]:
    """Yield what did not pass of a kind: how much of it, each message, and an advice after the last that it is for."""
    total = sum(check.kind == kind for check in report.checks)
    if total > 1:
        blocking = [one for one in report.checks if one.kind == kind and one.status is not Status.PASSED]
        yield f"  {look.bold(safe(kind))}: {_tally(blocking, total)}"
    for check, after in zip(checks, [*checks[1:], None], strict=True):
        yield from _told(check, look)
        if check.advice and (after is None or after.advice != check.advice):
            arrow = f"{_INDENT}{look.spelled('→')} "
            yield from look.lines(safe(check.advice), indent=" " * len(arrow), first=arrow)


def _tally(blocking: Sequence[Check], total: int) -> str:
    """Say how many checks of a kind ended in which way."""
    counts = Counter("undecided" if check.status is Status.ERROR else str(check.status) for check in blocking)
    (word, n), *others = counts.items()
    if not others:
        return f"{n:,} of {total:,} {word}"
    return f"{', '.join(f'{n:,} {word}' for word, n in counts.items())}, of {total:,}"


def _told(check: Check, look: Look) -> list[str]:
    """Return a check's message after its place."""
    place = place_of(check)
    text = safe(f"{place}: {check.message}" if place else check.message or check.id)
    return look.lines(text, indent=_INDENT, first=f"  {look.mark(check.status)} ")


def _passed(check: Check, look: Look) -> list[str]:
    """Return a check that passed, with its id and what its message says beside the name that the id ends with."""
    name = check.id.partition(":")[2] or check.id
    begins = (start for start in (f"{name}: ", f"{name} ", f"`{name}` ") if check.message.startswith(start))
    told = check.message.removeprefix(next(begins, ""))
    text = f"{check.id}: {told}" if told else check.id
    return look.lines(safe(text), indent=_INDENT, first=f"  {look.mark(check.status)} ")


def beside(summary: str, shown: Sequence[Check]) -> str:
    """Return what a summary says beside the messages of the checks that are shown."""
    for message in sorted({check.message for check in shown if check.message}, key=len, reverse=True):
        summary = summary.replace(message, "")
    return " ".join((_MORE.sub("", summary) if shown else summary).split())
