"""The story as a page: what does not fit first, then topic by topic, the verdicts with every check, and the sources."""

from __future__ import annotations

from typing import Final

from cd4ml.render.html.checks import badge, what_blocks, what_passed
from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.html.frame import generator, whole
from cd4ml.render.html.sources import section, sources
from cd4ml.render.html.tables import table
from cd4ml.render.trace.words import people, sentence, verdict_told
from cd4ml.report.trace import Fact, Topic, Trace, Verdict

GENERATOR: Final = generator("trace")
_HEADINGS: Final = {
    Topic.DELIVERY: "What runs now",
    Topic.IMAGE: "The image",
    Topic.MODEL: "The model",
    Topic.CODE: "The code",
    Topic.DATA: "The data",
    Topic.DEPENDENCIES: "Dependencies",
}


def page(trace: Trace) -> str:
    """Return the whole document."""
    head = element("header", element("h1", f"Where this {trace.kind} comes from"), *_summary(trace))
    parts = [*(_topic(topic, trace) for topic in Topic), _verdicts(trace), _documents(trace), _events(trace)]
    main = element("main", *parts, sources(trace.sources), id="story")
    foot = element("footer", element("p", "Made by cd4ml trace. n is the number of rows that a value rests on."))
    skip = element("a", "Skip to the story", href="#story", class_="skip")
    return whole(f"cd4ml trace: {trace.status}", GENERATOR, element("body", skip, head, main, foot))


def _summary(trace: Trace) -> list[Html]:
    """Return what was asked for, whether everything fits, and what does not."""
    notices = [element("p", said, class_="notice") for said in (*trace.contradictions, *trace.notices)]
    return [
        element("p", element("code", trace.subject)),
        element("p", badge(str(trace.status)), " ", element("strong", sentence(trace))),
        *notices,
    ]


def _topic(topic: Topic, trace: Trace) -> Html:
    """Return what is known of a topic."""
    rows = [row for fact in trace.facts if fact.topic is topic for row in _rows(fact)]
    return section(_HEADINGS[topic], table(_HEADINGS[topic], ("What", "Value", "Who says so"), rows))


def _rows(fact: Fact) -> list[list[Content]]:
    """Return a fact: a row for each value."""
    mark = [" ", badge("failed")] if fact.contradictory else []
    return [
        [joined([fact.name, *mark]), element("code", saying.value), ", ".join(saying.by)] for saying in fact.sayings
    ]


def _verdicts(trace: Trace) -> Html:
    """Return each verdict with all of its checks."""
    return section("Verdicts", *(_verdict(one) for one in trace.verdicts))


def _verdict(verdict: Verdict) -> Html:
    """Return a verdict."""
    report = verdict.published.report
    head = element("h3", report.stage, " ", badge(str(report.status)))
    told = element("p", f"{report.summary} ({verdict.file}, {verdict_told(verdict)})")
    return joined([head, told, what_blocks(report), what_passed(report)])


def _documents(trace: Trace) -> Html:
    """Return what was written about the image."""
    rows: list[list[Content]] = [
        [one.kind, element("code", one.place), one.signature, one.note] for one in trace.documents
    ]
    return section("Documents", table("Documents", ("What", "Where", "Signature", "Note"), rows, of="document"))


def _events(trace: Trace) -> Html:
    """Return who deployed, promoted and took back."""
    rows: list[list[Content]] = [
        [one.time or "unknown", one.kind, element("code", one.commit[:12]), one.title, people(one)]
        for one in trace.events
    ]
    heads = ("When", "What", "Commit", "Message", "Who")
    return section("Who deployed and approved", table("Commits of the GitOps repository", heads, rows, of="commit"))
