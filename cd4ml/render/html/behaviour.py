"""Behaviour tests: the share of changed rows that are answered otherwise, and the score along a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import Mark, dependence
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import Bounds, bounds, listed, mapping, numbers, numeric
from cd4ml.render.numbers import number
from cd4ml.report.ids import parts_of, rule_of

_MOST_CURVES: Final = 6
# Few columns: the table stands on a narrow screen as well.
_HEADS: Final = ("Test", "Rows found", "Production")
_NOTE: Final = "Mean score over the sampled rows with its interval, everything else as it is."


def part(found: Mapping[str, Any]) -> Html:
    """Return what each test found, and a curve for each direction; nothing where nothing was tested."""
    tests = {id: mapping(one) for id, one in mapping(found, "tests").items()}
    if not tests:
        return Html()
    rates = {id: one for id, one in tests.items() if "rate" in one}
    rows: list[list[Content]] = [[_name(id), *_cells(one)] for id, one in rates.items()]
    caption = f"Behaviour on {number(numeric(found.get('rows')))} of {number(numeric(found.get('of')))} test rows"
    shown = table(caption, _HEADS, rows, numeric=(2,)) if rows else Html()
    drawn = [curve for one in tests.values() if (curve := _curve(one))]
    return joined([element("h3", "Behaviour"), side_by_side(drawn[:_MOST_CURVES]), shown])


def _name(id: str) -> str:
    """Return what a test is called."""
    return f"{rule_of(id)}: {', '.join(parts_of(id))}"


def _cells(one: Mapping[str, Any]) -> list[Content]:
    """Return a test's counts and shares."""
    interval = bounds(mapping(one, "interval"))
    between = f" ({100 * interval.lower:.2f} to {100 * interval.upper:.2f} %)" if interval else ""
    count, n = (number(numeric(one.get(name))) for name in ("count", "n"))
    return [f"{count} of {n}: {_percent(one.get('rate'))}{between}", _percent(one.get("production"))]


def _percent(share: object) -> str:
    """Return a share in percent, empty if there is none."""
    value = numeric(share)
    return "" if value is None else f"{100 * value:.2f} %"


def _curve(one: Mapping[str, Any]) -> Html | None:
    """Return the partial dependence of a direction test; None of another one."""
    grid, mean = numbers(one.get("grid")), numbers(one.get("partial_dependence"))
    if not grid or not mean or len(grid) != len(mean):
        return None
    ends = [numbers(one.get(name)) or [] for name in ("lower", "upper")]
    known = all(len(listed(end)) == len(mean) for end in ends)
    marks = [
        Mark(
            row=str(at),
            series="",
            value=value,
            interval=Bounds(lower=ends[0][place], upper=ends[1][place]) if known else None,
        )
        for place, (at, value) in enumerate(zip(grid, mean, strict=True))
    ]
    column = str(one.get("column", ""))
    return picture(f"Score along {column}", _NOTE, dependence(grid, marks, x=column, y="mean score"))
