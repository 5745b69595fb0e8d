"""Checks of a report: what blocks and what to do about it, then the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.render.html.elements import Content, Html, details, element, joined
from cd4ml.render.html.tables import table
from cd4ml.render.look import SIGNS
from cd4ml.render.numbers import OF_COLUMNS, interval, limit, measured, number, plural
from cd4ml.report import Check, Report, Status

_MOST_CARDS: Final = 20
_MOST_ROWS: Final = 100
_MOST_OTHERS: Final = 300
_HEADS: Final = ("Check", "Verdict", "Value", "Interval", "Limit", "Compared with", "n", "What was found")
_NUMBERS: Final = (2, 3, 4, 5, 6)
_MARKS: Final = {**SIGNS, "missing": SIGNS[Status.ERROR], "unreadable": SIGNS[Status.ERROR]}


def badge(status: str, *, warned: bool = False) -> Html:
    """Return a verdict in a word beside its mark."""
    said = f"{status.replace('-', ' ')}, only warns" if warned else status.replace("-", " ")
    mark = element("span", _MARKS.get(status, ""), aria_hidden="true")
    return element("span", mark, f" {said}", class_=f"badge {status}")


def blocking(report: Report) -> Sequence[Check]:
    """Return the checks that did not pass, errors before failures before the rest."""
    order = (Status.ERROR, Status.FAILED, Status.INCONCLUSIVE, Status.SKIPPED)
    return sorted(
        (c for c in report.checks if c.status is not Status.PASSED), key=lambda check: order.index(check.status)
    )


def what_blocks(report: Report) -> Html:
    """Return each check that did not pass with what to do; beyond a number of them, in a table."""
    found = blocking(report)
    if not found:
        return Html()
    cards = element("ul", *(_card(check) for check in found[:_MOST_CARDS]), class_="blocking")
    rest = found[_MOST_CARDS:]
    others = table(
        "Other checks that did not pass",
        _HEADS,
        [_row(c) for c in rest],
        most=_MOST_OTHERS,
        numeric=_NUMBERS,
        of="check",
    )
    folded = details(f"{plural(len(rest), 'more check')} did not pass", others)
    return joined([element("h3", "What did not pass, and what to do"), cards, folded])


def what_passed(report: Report) -> Html:
    """Return the checks that passed, folded."""
    passed = [check for check in report.checks if check.status is Status.PASSED]
    rows = [_row(check) for check in passed]
    shown = table("Checks that passed", _HEADS, rows, most=_MOST_ROWS, numeric=_NUMBERS, of="check")
    return details(f"{plural(len(passed), 'check')} passed", shown)


def _card(check: Check) -> Html:
    """Return a check that did not pass."""
    where = None
    if check.location:
        line = f":{check.location.line}" if check.location.line else ""
        where = element("p", element("code", check.location.path + line))
    advice = element("p", element("strong", "What to do: "), check.advice) if check.advice else None
    head = element("h4", element("code", check.id), " ", badge(check.status))
    return element("li", head, where, element("p", check.message), _measured(check), advice, class_=str(check.status))


def _measured(check: Check) -> Html | None:
    """Return a check's numbers in a line, None if it has none."""
    if check.metric == OF_COLUMNS:
        return None
    found = zip(_HEADS[2:7], _numbers(check), strict=True)
    said = ", ".join(f"{name.lower()} {shown}" for name, shown in found if shown)
    return element("p", said, class_="note") if said else None


def _numbers(check: Check) -> list[str]:
    """Return value, interval, limit, what it is compared with, and rows."""
    return [
        measured(check.metric, check.value, check.limit, check.baseline),
        interval(check.interval),
        limit(check.metric, check.limit, check.value),
        measured(check.metric, check.baseline, check.value),
        number(check.n),
    ]


def _row(check: Check) -> list[Content]:
    """Return a check as a row of a table."""
    # A number of columns says less than the words.
    shown = ["", "", "", "", number(check.n)] if check.metric == OF_COLUMNS else _numbers(check)
    return [element("code", check.id), badge(check.status), *shown, check.message]
