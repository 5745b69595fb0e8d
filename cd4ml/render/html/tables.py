"""Tables: with a caption, headers that name their columns and rows, and a frame that scrolls by keyboard too."""

from __future__ import annotations

from collections.abc import Sequence

from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.numbers import plural

Row = Sequence[Content]


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Row],
    *,
    most: int = 100,
    numeric: Sequence[int] = (),
    of: str = "row",
) -> Html:
    """Return a table whose first column names its rows; nothing for no rows, and a count of those beyond `most`.

    Args:
        numeric: positions of columns that hold numbers.
        of: what a row is, for the count.
    """
    if not rows:
        return Html()
    aligned = ["number" if position in numeric else None for position in range(len(heads))]
    head = element(
        "tr", *(element("th", name, scope="col", class_=kind) for name, kind in zip(heads, aligned, strict=True))
    )
    body = [
        element("tr", element("th", row[0], scope="row", class_=aligned[0]), *_cells(row[1:], aligned[1:]))
        for row in rows[:most]
    ]
    whole = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    # A frame that scrolls must be reachable by keyboard, and one that is reachable needs a name.
    frame = element("div", whole, class_="scroll", role="group", tabindex="0", aria_label=caption)
    return joined([frame, more(len(rows) - most, of)])


def _cells(cells: Sequence[Content], aligned: Sequence[str | None]) -> list[Html]:
    """Return the cells of a row after its head."""
    return [element("td", cell, class_=kind) for cell, kind in zip(cells, aligned, strict=True)]


def more(count: int, of: str) -> Html:
    """Say how much is left out, and where it is; nothing if nothing is."""
    return (
        element("p", f"… and {plural(count, f'more {of}')} in the JSON report.", class_="note") if count > 0 else Html()
    )


def facts(pairs: Sequence[tuple[str, Content]]) -> Html:
    """Return names and what they are; those without a value are left out."""
    kept = [(name, value) for name, value in pairs if value not in (None, "")]
    if not kept:
        return Html()
    return element("dl", *(joined([element("dt", name), element("dd", value)]) for name, value in kept))
