"""detect-drift: how far each feature moved, and the distributions of those that moved most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import Mark, bars
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import listed, mapping, numbers, numeric
from cd4ml.render.numbers import number
from cd4ml.report import Published, percent

_MOST_PLOTTED: Final = 25
_MOST_DISTRIBUTIONS: Final = 12
_MOST_ROWS: Final = 200


def section(published: Published) -> Html:
    """Return every feature's drift, the largest first, and its distributions where the report holds them."""
    found = {name: mapping(value) for name, value in mapping(published.report.metrics, "features").items()}
    if not found:
        return Html()
    order = sorted(found, key=lambda name: -_index(found[name]))
    marks = [Mark(row=name, series="index", value=_index(found[name])) for name in order[:_MOST_PLOTTED]]
    note = f"The {len(marks)} largest of {len(order)}." if len(order) > len(marks) else "Less what chance explains."
    pictures = [picture("Population stability index", note, bars(marks, x="index"))]
    spread = mapping(published.report.details, "distributions")
    pictures += [_distribution(name, mapping(spread, name)) for name in order if name in spread][:_MOST_DISTRIBUTIONS]
    rows = [_row(name, found[name]) for name in order]
    shown = table("Features, the most changed first", _HEADS, rows, most=_MOST_ROWS, numeric=range(2, 8), of="feature")
    return joined([element("h3", "Features"), side_by_side(pictures), shown])


_NOTES: Final = {
    "quantiles": "Bins hold about equally many rows of the reference, from the lowest values to the highest.",
    "categories": "The most frequent categories of the reference come first.",
}
_HEADS: Final = (
    *("Feature", "Verdict", "Index", "KS distance", "Missing before", "Missing now", "Rows before", "Rows now"),
)


def _row(name: str, found: Mapping[str, Any]) -> list[Content]:
    """Return a feature's numbers."""
    distance = mapping(found, "ks").get("statistic")
    shares = [numeric(found.get(key)) for key in ("missing_reference", "missing_current")]
    return [
        name,
        str(found.get("band") or "not compared"),
        number(_index(found)),
        number(numeric(distance)),
        *("" if share is None else percent(share) for share in shares),
        number(numeric(found.get("n_reference"))),
        number(numeric(found.get("n_current"))),
    ]


def _index(found: Mapping[str, Any]) -> float:
    """Return the index less what chance explains, 0 where there is none."""
    return float(numeric(found.get("corrected_psi")) or 0.0)


def _distribution(name: str, found: Mapping[str, Any]) -> Html:
    """Return how the values of a feature are spread now and in the reference."""
    sides = [("current", numbers(found.get("current"))), ("reference", numbers(found.get("reference")))]
    labels = [str(label) for label in listed(found.get("labels"))]
    marks = [
        Mark(row=label, series=side, value=share)
        for place, label in enumerate(labels)
        for side, shares in sides
        if shares and len(shares) == len(labels)
        for share in (shares[place],)
    ]
    if not marks:
        return Html()
    kind = str(found.get("kind"))
    return picture(f"Distribution of {name}", _NOTES.get(kind, ""), bars(marks, x="share of rows"))
