"""Where a command looked, and what became of each source."""

from __future__ import annotations

from collections.abc import Sequence

from cd4ml.render.html.checks import badge
from cd4ml.render.html.elements import Content, Html, element
from cd4ml.render.html.tables import table
from cd4ml.render.trace.words import STATUSES, source_told
from cd4ml.report.trace import Source


def sources(found: Sequence[Source]) -> Html:
    """Return every source, those that were not looked at too."""
    rows: list[list[Content]] = [
        [one.name, badge(str(STATUSES[one.looked])), element("code", one.place), source_told(one)] for one in found
    ]
    return section("Where it was looked", table("Sources", ("Source", "", "Place", "What became of it"), rows))


def section(title: str, *parts: Content) -> Html:
    """Return a section, nothing if nothing is in it."""
    held: Sequence[Content] = [part for part in parts if part]
    return element("section", element("h2", title), *held, class_="stage") if held else Html()
