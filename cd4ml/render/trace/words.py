"""What text and page say alike: a story in a sentence, the numbers of a check, who made a commit."""

from __future__ import annotations

from typing import Final

from cd4ml.render.numbers import OF_COLUMNS, interval, limit, measured, number, plural
from cd4ml.report import Bound, Check, Status
from cd4ml.report.trace import Event, Looked, Source, Trace, Verdict

_SIGNS: Final = {
    Bound.AT_LEAST: "≥",
    Bound.AT_MOST: "≤",
    Bound.BELOW: "<",
    Bound.EQUAL: "=",
    Bound.MAGNITUDE: "± at most",
    Bound.DECREASE: "decrease at most",
    Bound.INCREASE: "increase at most",
    Bound.CHANGE: "relative change at most",
}
LOOKED: Final = {
    Looked.READ: "read",
    Looked.SILENT: "read, nothing found",
    Looked.NOT_ASKED: "not looked at",
    Looked.UNREACHABLE: "could not be read",
}
STATUSES: Final = {
    Looked.READ: Status.PASSED,
    Looked.SILENT: Status.SKIPPED,
    Looked.NOT_ASKED: Status.SKIPPED,
    Looked.UNREACHABLE: Status.ERROR,
}


def sentence(trace: Trace) -> str:
    """Say whether what is known fits together."""
    read = sum(source.looked is Looked.READ for source in trace.sources)
    if trace.status is Status.FAILED:
        return f"{plural(len(trace.contradictions), 'contradiction')} in what {plural(read, 'source')} say."
    if trace.status is Status.INCONCLUSIVE:
        return "No source says anything of it."
    lost = [source.name for source in trace.sources if source.looked is Looked.UNREACHABLE]
    if lost:
        return f"Not every source could be read ({', '.join(lost)}), so contradictions may be hidden."
    others = sum(one.published.report.status not in (Status.PASSED, Status.SKIPPED) for one in trace.verdicts)
    verdicts = f"; {others} of {plural(len(trace.verdicts), 'verdict')} did not pass" if others else ""
    return f"What {plural(read, 'source')} say{'s' if read == 1 else ''} fits together{verdicts}."


def source_told(source: Source) -> str:
    """Say what became of a source."""
    return f"{LOOKED[source.looked]}{': ' if source.message else ''}{source.message}"


def numbered(check: Check) -> bool:
    """Whether a check has a number of its own."""
    value = check.value
    return isinstance(value, int | float) and not isinstance(value, bool) and check.metric != OF_COLUMNS


def numbers(check: Check) -> str:
    """Return a check's numbers in a line: value, limit, what it is compared with, interval and rows."""
    parts = [measured(check.metric, check.value, check.limit, check.baseline)]
    if check.limit is not None:
        sign = _SIGNS[check.bound] if check.bound else "limit"
        parts.append(f"{sign} {limit(check.metric, check.limit, check.value)}")
    if check.baseline is not None:
        parts.append(f"against {measured(check.metric, check.baseline, check.value)}")
    if check.interval:
        parts.append(f"[{interval(check.interval)}, {check.interval.confidence:g}]")
    if check.n is not None:
        parts.append(f"n {number(check.n)}")
    return "  ".join(parts)


def verdict_told(verdict: Verdict) -> str:
    """Say how many checks a verdict rests on."""
    checks = verdict.published.report.checks
    blocking = sum(check.status is not Status.PASSED for check in checks)
    return f"{blocking:,} of {plural(len(checks), 'check')} did not pass" if blocking else plural(len(checks), "check")


def people(event: Event) -> str:
    """Say who made a commit."""
    if event.author is None:
        return f"by an unknown author: {event.signature}"
    by = f"by {event.author}"
    if event.committer and event.committer != event.author:
        by += f", committed by {event.committer}"
    return f"{by}; {event.signature}"
