"""A diagnosis as text for people, and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from cd4ml.published import DIAGNOSIS_SCHEMA
from cd4ml.render.look import PLAIN, Look
from cd4ml.render.numbers import interval, number
from cd4ml.render.trace.words import STATUSES, source_told
from cd4ml.report import Status, v1
from cd4ml.report.diagnosis import Answer, Change, Diagnosis, Evidence, Incident, Judged
from cd4ml.report.trace import Looked
from cd4ml.wording import safe

_VERSION: Final = "1"
_LONGEST: Final = 600
NAMES: Final = {
    Incident.LATENCY: "latency grows with the input",
    Incident.UPSTREAM: "predictions changed with an upstream change",
    Incident.MEMORY: "pods run out of memory",
}
ANSWERS: Final = {
    Answer.FOUND: ("FOUND", Status.FAILED),
    Answer.NOT_THIS: ("not this", Status.PASSED),
    Answer.CANNOT_TELL: ("cannot tell", Status.INCONCLUSIVE),
}


def sentence(diagnosis: Diagnosis) -> str:
    """Say which incident it is."""
    if diagnosis.found:
        open_ = [NAMES[one.incident] for one in diagnosis.judged if one.answer is Answer.CANNOT_TELL]
        also = f" Cannot tell: {'; '.join(open_)}." if open_ else ""
        return f"{' · '.join(NAMES[one.incident] for one in diagnosis.found)}.{also}"
    if diagnosis.status is Status.PASSED:
        return "None of these."
    if diagnosis.status is Status.ERROR:
        lost = [source.name for source in diagnosis.sources if source.looked is Looked.UNREACHABLE]
        return f"Cannot tell: not every source could be read ({', '.join(lost)})."
    return "Cannot tell: something was not given, or is too little."


def text(diagnosis: Diagnosis, *, look: Look = PLAIN) -> str:
    """Return the diagnosis for a terminal."""
    head = f"{look.mark(diagnosis.status)} {look.bold(look.spelled(sentence(diagnosis)))}"
    lines = [head, *(line for one in diagnosis.judged for line in _judged(one, look)), "", look.bold("sources")]
    width = max(len(source.name) for source in diagnosis.sources)
    for source in diagnosis.sources:
        told = f"{source.place}  {source_told(source)}" if source.place else source_told(source)
        first = f"  {look.mark(STATUSES[source.looked])} {source.name:<{width}}  "
        lines += look.lines(_short(told), indent=" " * (width + 6), first=first)
    return "\n".join(lines) + "\n"


def _judged(one: Judged, look: Look) -> Iterator[str]:
    """Yield an incident with the answer, the evidence, what is lacking, and what to change."""
    word, status = ANSWERS[one.answer]
    yield ""
    yield look.spelled(f"{look.mark(status)} {look.bold(NAMES[one.incident])}: {word}")
    yield from look.lines(_short(one.told), indent="  ", first="  ")
    for evidence in one.evidence:
        first = "  ! but " if evidence.contradicts else "  · "
        yield from look.lines(_short(_evidence(evidence)), indent="    ", first=look.spelled(first))
    for lacking in one.lacking:
        yield from look.lines(_short(f"lacking: {lacking}"), indent="    ", first="  ? ")
    for change in one.changes:
        yield from look.lines(_short(_change(change)), indent="    ", first=look.spelled("  → "))


def _evidence(evidence: Evidence) -> str:
    """Return evidence in a line, with where it comes from."""
    sure = share(evidence)
    return f"{evidence.says}{f'; {sure}' if sure else ''}  ({evidence.source})"


def share(evidence: Evidence) -> str:
    """Return the share that evidence rests on, with its interval; nothing if there is none."""
    found = evidence.interval
    return f"share {number(evidence.value)} [{interval(found)}, {found.confidence:g}]" if found else ""


def _change(change: Change) -> str:
    """Return a change in a line."""
    now = f" (now {change.now})" if change.now else ""
    return f"{change.place}: {change.key}{now}: {change.to}" if change.key else f"{change.place}: {change.to}"


def _short(told: str) -> str:
    """Return a text from outside as a terminal may show it."""
    shown = safe(told[:_LONGEST])
    return f"{shown}…" if len(told) > _LONGEST else shown


def document(diagnosis: Diagnosis, *, version: str) -> str:
    """Return the diagnosis as JSON.

    Args:
        version: of the cd4ml that makes it.
    """
    found = {
        "$schema": DIAGNOSIS_SCHEMA,
        "schema_version": _VERSION,
        "tool": {"name": v1.TOOL, "version": version},
        "status": str(diagnosis.status),
        "summary": sentence(diagnosis),
        "incidents": [_incident(one) for one in diagnosis.judged],
        "sources": v1.plain(diagnosis.sources),
    }
    return v1.text(found) + "\n"


def _incident(one: Judged) -> dict[str, Any]:
    """Return an incident for JSON."""
    return {
        "incident": str(one.incident),
        "answer": str(one.answer),
        "told": one.told,
        "evidence": v1.plain(one.evidence),
        "changes": v1.plain(one.changes),
        "lacking": list(one.lacking),
    }
