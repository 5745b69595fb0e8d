"""A diagnosis as a page: each incident with its evidence and what to change, and the sources."""

from __future__ import annotations

from typing import Final

from cd4ml.render.html.checks import badge
from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.html.frame import generator, whole
from cd4ml.render.html.sources import section, sources
from cd4ml.render.html.tables import table
from cd4ml.render.incidents import ANSWERS, NAMES, sentence, share
from cd4ml.report.diagnosis import Diagnosis, Evidence, Judged

GENERATOR: Final = generator("diagnose")


def page(diagnosis: Diagnosis) -> str:
    """Return the whole document."""
    said = element("p", badge(str(diagnosis.status)), " ", element("strong", sentence(diagnosis)))
    head = element("header", element("h1", "Which incident is it?"), said)
    main = element("main", *map(_judged, diagnosis.judged), sources(diagnosis.sources), id="incidents")
    foot = element("footer", element("p", "Made by cd4ml diagnose."))
    skip = element("a", "Skip to the incidents", href="#incidents", class_="skip")
    return whole(f"cd4ml diagnose: {diagnosis.status}", GENERATOR, element("body", skip, head, main, foot))


def _judged(one: Judged) -> Html:
    """Return an incident: the answer, what to change, by what evidence, and what is lacking."""
    word, status = ANSWERS[one.answer]
    name = NAMES[one.incident]
    changes: list[list[Content]] = [
        [element("code", change.place), element("code", change.key) if change.key else "", change.now, change.to]
        for change in one.changes
    ]
    lacking = [element("li", f"lacking: {told}") for told in one.lacking]
    return section(
        f"{name[:1].upper()}{name[1:]}",
        element("p", badge(str(status)), " ", element("strong", word.lower()), f": {one.told}"),
        table(f"What to change: {name}", ("Where", "Value", "Now", "What to do"), changes, of="change"),
        table(f"Evidence: {name}", ("What was found", "Share", "Source"), [_row(each) for each in one.evidence]),
        element("ul", *lacking) if lacking else None,
    )


def _row(evidence: Evidence) -> list[Content]:
    """Return a number or a fact; what speaks against the answer says so."""
    against = [element("strong", "but "), evidence.says] if evidence.contradicts else [evidence.says]
    return [joined(against), share(evidence), element("code", evidence.source)]
