"""check-code: what each tool found."""

from __future__ import annotations

from collections.abc import Mapping

from cd4ml.render.html.elements import Content, Html
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import numeric
from cd4ml.render.numbers import measured, number
from cd4ml.report import Published


def section(published: Published) -> Html:
    """Return the numbers of each tool."""
    found = published.report.metrics
    rows: list[list[Content]] = [
        [tool, ", ".join(f"{name.replace('-', ' ')} {_shown(name, value)}" for name, value in said.items())]
        for tool, said in found.items()
        if isinstance(said, Mapping)
    ]
    files = numeric(found.get("files"))
    caption = "Tools" if files is None else f"Tools, on {number(files)} files"
    return table(caption, ("Tool", "What it counted"), rows)


def _shown(name: str, value: object) -> str:
    """Return a count, or a share in percent."""
    found = numeric(value)
    if found is None:
        return "unknown" if value is None else str(value)
    return measured(name, found)
