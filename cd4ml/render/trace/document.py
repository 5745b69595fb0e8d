"""The story as JSON, for programs."""

from __future__ import annotations

from typing import Any, Final

from cd4ml.published import TRACE_SCHEMA
from cd4ml.report import v1
from cd4ml.report.trace import Trace, Verdict

_VERSION: Final = "1"


def document(trace: Trace, *, version: str) -> dict[str, Any]:
    """Return the JSON document.

    Args:
        version: of the cd4ml that makes it.
    """
    return {
        "$schema": TRACE_SCHEMA,
        "schema_version": _VERSION,
        "tool": {"name": v1.TOOL, "version": version},
        "subject": trace.subject,
        "kind": trace.kind,
        "status": str(trace.status),
        "contradictions": trace.contradictions,
        "facts": [
            {"topic": str(fact.topic), "name": fact.name, "sayings": v1.plain(fact.sayings)} for fact in trace.facts
        ],
        "verdicts": [_verdict(one) for one in trace.verdicts],
        "documents": v1.plain(trace.documents),
        "events": v1.plain(trace.events),
        "notices": list(trace.notices),
        "sources": v1.plain(trace.sources),
    }


def text(trace: Trace, *, version: str) -> str:
    """Return the document as text."""
    return v1.text(document(trace, version=version)) + "\n"


def _verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict with every check."""
    published = verdict.published
    return {
        "stage": published.report.stage,
        "file": verdict.file,
        "status": str(published.report.status),
        "summary": published.report.summary,
        "git_sha": published.source.git_sha,
        "version": published.version,
        "checks": [v1.check(check) for check in published.report.checks],
    }
