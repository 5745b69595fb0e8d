"""The story as text: what does not fit first, then topic by topic, and in the end where it was looked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from cd4ml.render.columns import columns
from cd4ml.render.look import PLAIN, Look
from cd4ml.render.numbers import plural
from cd4ml.render.trace.words import STATUSES, numbered, numbers, people, sentence, source_told, verdict_told
from cd4ml.report import Check, Status
from cd4ml.report.trace import Event, Trace, Verdict
from cd4ml.wording import safe

_MOST_CHECKS: Final = 8
_MOST_EVENTS: Final = 20
_LONGEST: Final = 500
Row = tuple[str, str]


def text(trace: Trace, *, look: Look = PLAIN) -> str:
    """Return the whole story."""
    head = f"{look.mark(trace.status)} {look.bold(safe(f'{trace.kind} {trace.subject}'))}  {sentence(trace)}"
    parts = [
        _listed("does not fit together", trace.contradictions, look),
        *(_table(topic, list(rows), look) for topic, rows in groupby(_facts(trace), key=lambda one: one[0])),
        _block("verdicts", [line for one in trace.verdicts for line in _verdict(one, look)], look),
        _table(
            "documents",
            [("", one.kind, f"{one.place}  {_beside(one.signature, one.note)}") for one in trace.documents],
            look,
        ),
        _block("who", [line for one in trace.events[:_MOST_EVENTS] for line in _event(one, look)], look),
        _listed("worth knowing", trace.notices, look),
        _block("sources", _sources(trace, look), look),
    ]
    return "\n".join([look.spelled(head), *(line for part in parts for line in part)]) + "\n"


def _facts(trace: Trace) -> Iterator[tuple[str, str, str]]:
    """Yield topic, name and value of each fact, the latter with who says it."""
    for fact in trace.facts:
        if fact.name.endswith(", rows"):
            continue
        for number, saying in enumerate(fact.sayings):
            rows = next(
                (f" ({one.sayings[0].value} rows)" for one in trace.facts if one.name == f"{fact.name}, rows"), ""
            )
            yield str(fact.topic), fact.name if not number else "", f"{saying.value}{rows}  ({_by(saying.by)})"


def _by(by: Sequence[str]) -> str:
    """Return who says something; of many the first."""
    most = 3
    return ", ".join(by[:most]) + (f" and {len(by) - most} more" if len(by) > most else "")


def _beside(*words: str) -> str:
    """Return what there is of some words."""
    return "; ".join(word for word in words if word)


def _table(title: str, rows: Sequence[tuple[str, str, str]], look: Look) -> list[str]:
    """Return rows of name and value below a title."""
    named = [(_short(name), _short(value)) for _, name, value in rows]
    width = max((columns(name) for name, _ in named), default=0)
    lines = []
    for name, value in named:
        first = f"  {name}{' ' * (width - columns(name))}  "
        lines += look.lines(value, indent=" " * (width + 4), first=first)
    return _block(title, lines, look)


def _verdict(verdict: Verdict, look: Look) -> Iterator[str]:
    """Yield a verdict with its numbers."""
    report = verdict.published.report
    shown = [check for check in report.checks if numbered(check) or check.status is not Status.PASSED]
    name = report.stage if verdict.file == f"{report.stage}.json" else f"{report.stage} ({verdict.file})"
    yield look.spelled(f"  {look.mark(report.status)} {safe(name)}  {report.status}  {verdict_told(verdict)}")
    most = len(shown) if look.verbose else _MOST_CHECKS
    first = sorted(shown, key=lambda check: check.status is Status.PASSED)[:most]
    width = max((columns(_short(check.id)) for check in first), default=0)
    for check in first:
        yield from _check(check, width, look)
    if len(shown) > most:
        yield look.spelled(f"      … and {plural(len(shown) - most, 'more check')} with numbers (--verbose)")


def _check(check: Check, width: int, look: Look) -> list[str]:
    """Return a check with its numbers, or with what it found where it has none."""
    name = _short(check.id)
    told = _short(numbers(check) if numbered(check) else check.message)
    first = f"    {look.mark(check.status)} {name}{' ' * (width - columns(name))}  "
    return look.lines(told, indent=" " * (width + 8), first=first)


def _event(event: Event, look: Look) -> Iterator[str]:
    """Yield what was done, and who did it."""
    when = event.time or "at an unknown time"
    told = f"{when}  {event.kind}  {event.commit[:12]}  {event.title}"
    yield from look.lines(_short(told), indent="      ", first="  ")
    yield from look.lines(_short(people(event)), indent="      ", first="      ")


def _sources(trace: Trace, look: Look) -> list[str]:
    """Return every source, and what became of it."""
    width = max((len(source.name) for source in trace.sources), default=0)
    lines = []
    for source in trace.sources:
        told = f"{source.place}  {source_told(source)}" if source.place else source_told(source)
        first = f"  {look.mark(STATUSES[source.looked])} {source.name}{' ' * (width - len(source.name))}  "
        lines += look.lines(_short(told), indent=" " * (width + 6), first=first)
    return lines


def _listed(title: str, sentences: Sequence[str], look: Look) -> list[str]:
    """Return sentences below a title."""
    mark = look.mark(Status.FAILED) if title.startswith("does not") else look.spelled("·")
    lines = [line for one in sentences for line in look.lines(_short(one), indent="    ", first=f"  {mark} ")]
    return _block(title, lines, look)


def _block(title: str, lines: Sequence[str], look: Look) -> list[str]:
    """Return lines below a title, nothing if there are none."""
    return ["", look.bold(title), *lines] if lines else []


def _short(text: str) -> str:
    """Return a text from outside as a terminal may show it."""
    shown = safe(text[:_LONGEST])
    return f"{shown}…" if len(text) > _LONGEST else shown
