"""check-split: what share of the test rows each finding is about, and what the strongest columns tell of the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.render.html.elements import Html, details, element, joined
from cd4ml.render.html.pictures import picture, side_by_side
from cd4ml.render.html.plots import CANDIDATE, Mark, bars, forest
from cd4ml.render.html.sections import general
from cd4ml.render.html.values import Bounds, numeric
from cd4ml.report import Check, Published
from cd4ml.report.ids import parts_of

_MOST_PLOTTED: Final = 25
_POWERS: Final = ("feature-power", "missing-value-power", "pair-power", "identifier-power")
_OF_ROWS: Final = (
    *("overlap", "near-overlap", "all-but-one-overlap", "duplicates", "duplicate-keys", "key-overlap"),
    *("group-overlap", "time-overlap", "late-feature", "unseen-categories", "unseen-class"),
)


def section(published: Published) -> Html:
    """Return the shares of rows, the powers against their limit and, folded, the numbers of the report."""
    checks = published.report.checks
    pictures = [*_shares(checks), *_powers(checks)]
    drawn = joined([element("h3", "Test rows and columns"), side_by_side(pictures)]) if pictures else Html()
    return joined([drawn, details("Numbers", general.section(published))])


def _shares(checks: Sequence[Check]) -> list[Html]:
    """Return the share of the test rows that each finding is about, beyond chance where chance explains some."""
    marks = [_mark(check) for check in checks if check.kind in _OF_ROWS and numeric(check.value) is not None]
    if not any(mark.value for mark in marks):
        return []
    note = "Of overlaps and duplicates, what chance does not explain."
    return [picture("Share of the test rows", note, bars(marks[:_MOST_PLOTTED], x="share"))]


def _powers(checks: Sequence[Check]) -> list[Html]:
    """Return what columns tell of the target, the most telling first: a picture for each limit, drawn as a line."""
    found = [check for check in checks if check.kind in _POWERS and numeric(check.value) is not None]
    order = sorted(found, key=lambda check: -float(numeric(check.value) or 0.0))
    by_limit: dict[float | None, list[Mark]] = {}
    for check in order[:_MOST_PLOTTED]:
        by_limit.setdefault(numeric(check.limit), []).append(_mark(check))
    return [_power(marks, limit) for limit, marks in by_limit.items()]


def _power(marks: Sequence[Mark], limit: float | None) -> Html:
    """Return a picture of the powers that are held to a limit."""
    note = "AUC, for a target of numbers R²." + (f" The dashed line is the limit, {limit:g}." if limit else "")
    return picture("What a column tells of the target alone", note, forest(marks, x="power", line=limit))


def _mark(check: Check) -> Mark:
    """Return a check's value with its interval, under the name of what it is about."""
    spread = Bounds(lower=check.interval.lower, upper=check.interval.upper) if check.interval else None
    name = ": ".join([check.kind, *parts_of(check.id)])
    return Mark(row=name, series=CANDIDATE, value=float(numeric(check.value) or 0.0), interval=spread)
