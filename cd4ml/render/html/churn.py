"""Decisions that change against production, as a table; with the slices that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import bounds, listed, mapping, numeric, slice_name
from cd4ml.render.numbers import number

_KINDS: Final = {
    "changed": "Decided differently from production",
    "fixes": "Fixed: production was wrong, the candidate is right",
    "breaks": "Broken: production was right, the candidate is wrong",
}
_MOST_SLICES: Final = 25


def part(found: Mapping[str, Any]) -> Html:
    """Return the rows of each kind, and of each slice; nothing where nothing is compared."""
    if not found:
        return Html()
    rows: list[list[Content]] = [[told, *_cells(mapping(found, kind))] for kind, told in _KINDS.items()]
    whole = table("Decisions of candidate and production on all test rows", _HEADS, rows, numeric=range(1, 4))
    parts = sorted((mapping(one) for one in listed(found.get("slices"))), key=_share_of_breaks, reverse=True)
    of_slices: list[list[Content]] = [
        [slice_name(one), number(numeric(one.get("rows"))), *(_cells(mapping(one, kind))[1] for kind in _KINDS)]
        for one in parts
    ]
    heads = ("Slice", "Rows", "Changed, %", "Fixed, %", "Broken, %")
    slices = table(
        "Decisions that change, by slice", heads, of_slices, numeric=range(1, 5), most=_MOST_SLICES, of="slice"
    )
    return joined([element("h3", "Churn"), whole, slices])


_HEADS: Final = ("Rows", "Number", "Share, %", "Interval of the share, %")


def _cells(kind: Mapping[str, Any]) -> list[Content]:
    """Return count, share and interval of rows of a kind."""
    interval = bounds(mapping(kind, "interval"))
    between = f"{100 * interval.lower:.2f} to {100 * interval.upper:.2f}" if interval else ""
    return [number(numeric(kind.get("rows"))), _percent(kind.get("share")), between]


def _percent(share: object) -> str:
    """Return a share in percent."""
    value = numeric(share)
    return "" if value is None else f"{100 * value:.2f}"


def _share_of_breaks(one: Mapping[str, Any]) -> float:
    """Return the share of a slice's rows that are broken."""
    return float(numeric(mapping(one, "breaks").get("share")) or 0)
