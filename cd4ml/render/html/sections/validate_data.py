"""validate-data: which rules the tables break, in how many rows, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cd4ml.render.html.elements import Content, Html, details, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import Mark, bars
from cd4ml.render.html.tables import table
from cd4ml.render.html.values import listed, mapping, numeric
from cd4ml.render.numbers import number
from cd4ml.report import Check, Published, Status
from cd4ml.report.ids import table_of

_MOST_PLOTTED: Final = 20
_MOST_SAMPLES: Final = 10
_LEAST_PLOTTED: Final = 2
_OF_ROWS: Final = ("failing-rows", "rows-with-value")


def section(published: Published) -> Html:
    """Return the tables, what they break and the first rows that break it."""
    report = published.report
    rows: list[list[Content]] = [
        [element("code", path), number(numeric(n)), *_counted(path, published)]
        for path, n in mapping(report.metrics, "rows").items()
    ]
    tables = table("Rows and checks by table", ("Table", "Rows", "Checks", "Not passed"), rows, numeric=(1, 2, 3))
    return joined([element("h3", "Tables"), tables, _failures(published), _samples(report.details)])


def _counted(path: str, published: Published) -> list[str]:
    """Return how many checks a table had, and how many did not pass; where it is the only one, all are its own."""
    checks = published.report.checks
    several = len(mapping(published.report.metrics, "rows")) > 1
    own = [check for check in checks if table_of(check.id) == path] if several else list(checks)
    return [number(len(own)), number(sum(check.status is not Status.PASSED for check in own))]


def _failures(published: Published) -> Html:
    """Return the shares of rows that break a rule, where several rules are broken."""
    marks = [mark for check in published.report.checks if check.status is not Status.PASSED if (mark := _mark(check))]
    if len(marks) < _LEAST_PLOTTED:
        return Html()
    marks.sort(key=lambda mark: -mark.value)
    note = f"The {_MOST_PLOTTED} largest of {len(marks)}." if len(marks) > _MOST_PLOTTED else ""
    return side_by_side([picture("Rows that break a rule", note, bars(marks[:_MOST_PLOTTED], x="share of rows"))])


def _mark(check: Check) -> Mark | None:
    """Return the share of rows that break a rule."""
    failing = numeric(check.value)
    if check.metric not in _OF_ROWS or failing is None or not check.n:
        return None
    return Mark(row=check.id, series="share", value=failing / check.n)


def _samples(more: Mapping[str, Any]) -> Html:
    """Return the first rows that break each rule."""
    rows: list[list[Content]] = []
    for path in more:
        for rule, found in mapping(more, path, "samples").items():
            shown = ", ".join(_sample(mapping(item)) for item in listed(found)[:_MOST_SAMPLES])
            rows.append([element("code", rule), element("code", path), shown])
    found = table("First rows that break a rule, counted from 0", ("Rule", "Table", "Rows"), rows, of="rule")
    return details("First rows that break a rule", found)


def _sample(item: Mapping[str, Any]) -> str:
    """Return a row's number, and its value where the report may show it."""
    row = number(numeric(item.get("row")))
    return f"{row}: {item['value']}" if "value" in item else row
