"""Vega-Lite specifications of the plots: what is drawn, in the page's colours. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cd4ml.render.html.elements import short
from cd4ml.render.html.values import Bounds

Specification = dict[str, Any]

WIDTH: Final = 360
CANDIDATE, PRODUCTION = "candidate", "production"
_LONGEST_LABEL: Final = 28
_COLOURS: Final = {"candidate": "var(--candidate)", "production": "var(--production)"}
_DASHES: Final = ([1, 0], [5, 3])
_SHAPES: Final = ("circle", "diamond")
# Labels are cut here: the library cuts between the halves of a character beyond the first plane, and then fails.
_AXIS: Final = {
    "labelLimit": 0,
    "labelColor": "var(--quiet)",
    "titleColor": "var(--quiet)",
    "domainColor": "var(--line)",
    "tickColor": "var(--line)",
    "gridColor": "var(--line)",
    "labelFontSize": 11,
    "labelOverlap": "greedy",
    "titleFontSize": 11,
    "titleFontWeight": "normal",
}
_LEGEND: Final = {
    "orient": "top",
    "title": None,
    "labelColor": "var(--ink)",
    "labelFontSize": 11,
    "symbolStrokeWidth": 2,
    "labelLimit": 0,
}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value beside others, with its interval where there is one.

    Attributes:
        row: what it is the value of.
        series: whose it is; each has its own colour and shape.
    """

    row: str
    series: str
    value: float
    interval: Bounds | None = None


def _chart(height: int | Mapping[str, int], **parts: Any) -> Specification:
    """Return a specification of the page's width."""
    return {
        "width": WIDTH,
        "height": height,
        "autosize": {"type": "fit" if isinstance(height, int) else "fit-x", "contains": "padding"},
        "background": "transparent",
        # The reader's font may be wider than the one that the picture was measured with.
        "padding": {"left": 16, "right": 4, "top": 2, "bottom": 2},
        "config": {"font": "sans-serif", "view": {"stroke": None}, "axis": _AXIS, "legend": _LEGEND},
        **parts,
    }


def _by_series(names: Sequence[str], channel: str, looks: Sequence[Any]) -> Specification:
    """Return the encoding of a series by its look, of which colour is never all; one alone has no legend."""
    shown = list(_COLOURS.values()) if channel == "color" else list(looks)
    scale = {"domain": list(names), "range": shown[: len(names)]}
    alone = {"legend": None} if len(names) == 1 else {}
    return {"field": "series", "type": "nominal", "scale": scale, **alone}


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    diagonal: bool = False,
    points: bool = False,
) -> Specification:
    """Return lines in the unit square, one a series.

    Args:
        x, y: titles of the axes.
        diagonal: whether the line of equal values is drawn.
        points: whether each point is marked.
    """
    values = [
        {"x": left, "y": up, "series": name, "order": order}
        for name, line in lines.items()
        for order, (left, up) in enumerate(line)
    ]
    unit = {"scale": {"domain": [0, 1]}, "type": "quantitative"}
    layers: list[Specification] = []
    if diagonal:
        ends = {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]}
        stroke = {"type": "line", "color": "var(--quiet)", "strokeWidth": 1, "strokeDash": [2, 3]}
        layers.append(
            {"data": ends, "mark": stroke, "encoding": {"x": {"field": "x", **unit}, "y": {"field": "y", **unit}}}
        )
    names = list(lines)
    layers.append(
        {
            "data": {"values": values},
            "mark": {
                "type": "line",
                "strokeWidth": 2,
                "clip": False,
                **({"point": {"size": 25, "strokeDash": [1, 0]}} if points else {}),
            },
            "encoding": {
                "x": {"field": "x", "axis": {"title": x, "tickCount": 5}, **unit},
                "y": {"field": "y", "axis": {"title": y, "tickCount": 5}, **unit},
                "order": {"field": "order", "type": "quantitative"},
                "color": _by_series(names, "color", ()),
                "strokeDash": _by_series(names, "strokeDash", _DASHES),
            },
        }
    )
    return _chart(300, layer=layers)


def dependence(grid: Sequence[float], marks: Sequence[Mark], *, x: str, y: str) -> Specification:
    """Return values along a grid, as a line within the band of their intervals.

    Args:
        grid: where each value stands, ascending.
        x, y: titles of the axes.
    """
    values = [
        {
            "x": at,
            "y": mark.value,
            "lower": mark.interval.lower if mark.interval else mark.value,
            "upper": mark.interval.upper if mark.interval else mark.value,
        }
        for at, mark in zip(grid, marks, strict=True)
    ]
    across = {"field": "x", "type": "quantitative", "scale": {"zero": False}, "axis": {"title": x, "tickCount": 5}}
    up: Specification = {"type": "quantitative", "scale": {"zero": False}, "axis": {"title": y, "tickCount": 5}}
    colour = next(iter(_COLOURS.values()))
    band = {
        "mark": {"type": "area", "color": colour, "opacity": 0.2},
        "encoding": {"x": across, "y": {"field": "lower", **up}, "y2": {"field": "upper"}},
    }
    line = {
        "mark": {"type": "line", "color": colour, "strokeWidth": 2, "point": {"size": 25, "color": colour}},
        "encoding": {"x": across, "y": {"field": "y", **up}},
    }
    return _chart(200, data={"values": values}, layer=[band, line])


def forest(marks: Sequence[Mark], *, x: str, line: float | None = None, shares: bool = False) -> Specification:
    """Return values by row with their intervals.

    Args:
        x: title of the axis.
        line: a limit, or the value that means no difference.
        shares: whether the axis goes from 0 to 1.
    """
    names = _labels(mark.row for mark in marks)
    values = [
        {
            "row": names[mark.row],
            "series": mark.series,
            "value": mark.value,
            **({"lower": mark.interval.lower, "upper": mark.interval.upper} if mark.interval else {}),
        }
        for mark in marks
    ]
    series = list(dict.fromkeys(mark.series for mark in marks))
    rows = {
        "field": "row",
        "type": "nominal",
        "sort": None,
        "axis": {"title": None, "labelColor": "var(--ink)"},
    }
    beside = {"yOffset": {"field": "series", "type": "nominal", "sort": series}} if len(series) > 1 else {}
    across = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]} if shares else {"zero": False, "padding": 8},
        "axis": {"title": x, "tickCount": 5},
    }
    colour = _by_series(series, "color", ())
    shared = {"y": rows, **beside, "color": colour}
    layers: list[Specification] = [
        {
            "transform": [{"filter": "isValid(datum.lower)"}],
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {**shared, "x": {"field": "lower", **across}, "x2": {"field": "upper"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {
                **shared,
                "x": {"field": "value", **across},
                "shape": _by_series(series, "shape", _SHAPES),
            },
        },
    ]
    if line is not None:
        layers.append(
            {
                "data": {"values": [{"line": line}]},
                "mark": {"type": "rule", "color": "var(--limit)", "strokeDash": [4, 3]},
                "encoding": {"x": {"field": "line", **across}},
            }
        )
    return _chart({"step": 18 if len(series) > 1 else 24}, data={"values": values}, layer=layers)


def bars(shares: Sequence[Mark], *, x: str, y: str | None = None) -> Specification:
    """Return bars by row, side by side where there are two series.

    Args:
        x: title of the axis of values.
        y: title of the axis of rows.
    """
    names = _labels(mark.row for mark in shares)
    values = [{"row": names[mark.row], "series": mark.series, "value": mark.value} for mark in shares]
    series = list(dict.fromkeys(mark.series for mark in shares))
    looks = _by_series(series, "color", ())
    encoding: Specification = {
        "y": {
            "field": "row",
            "type": "nominal",
            "sort": None,
            "axis": {"title": y, "labelColor": "var(--ink)"},
        },
        "x": {"field": "value", "type": "quantitative", "axis": {"title": x, "tickCount": 4}},
        "color": looks if len(series) > 1 else {"value": "var(--candidate)"},
    }
    if len(series) > 1:
        encoding["yOffset"] = {"field": "series", "type": "nominal", "sort": series}
    return _chart({"step": 12 if len(series) > 1 else 20}, data={"values": values}, mark="bar", encoding=encoding)


def _labels(rows: Iterable[str]) -> dict[str, str]:
    """Return a short label for each row, never the same for two."""
    labels: dict[str, str] = {}
    for row in dict.fromkeys(rows):
        label = short(row, most=_LONGEST_LABEL)
        while label in labels.values():
            label += "'"
        labels[row] = label
    return labels
