"""What became of each check since main: rows of a table, and the groups and slices that got worse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cd4ml.render.comment.text import bounds, figure, moved, quiet, signed
from cd4ml.render.markdown import MARK
from cd4ml.render.numbers import limit, number
from cd4ml.report import Bound, Check, Status, worst
from cd4ml.report.ids import parts_of, table_of

HEAD: Final = "| metric | main | this pull request | change | limit | verdict |\n|---|--:|--:|--:|--:|---|\n"
_RISE: Final = frozenset({Bound.AT_LEAST, Bound.DECREASE})  # a greater value is a better one
_FALL: Final = frozenset({Bound.AT_MOST, Bound.BELOW, Bound.INCREASE, Bound.MAGNITUDE})
_AGAINST_BASELINE: Final = frozenset({Bound.DECREASE, Bound.INCREASE})
_SIGNS: Final = {
    Bound.AT_LEAST: "≥&nbsp;",
    Bound.AT_MOST: "≤&nbsp;",
    Bound.BELOW: "&lt;&nbsp;",
    Bound.EQUAL: "",
    Bound.MAGNITUDE: "±&nbsp;",
    Bound.DECREASE: "loss&nbsp;≤&nbsp;",
    Bound.INCREASE: "loss&nbsp;≤&nbsp;",
    Bound.CHANGE: "change&nbsp;≤&nbsp;",
}
# Rules, with which ids begin, that are about one and the same number.
_OF_A_METRIC: Final = frozenset({"minimum", "maximum", "regression"})
# What a rule of a schema counts: hundreds of zeros say nothing in a comment.
_COUNTS: Final = frozenset({"failing-rows", "failing-columns", "rows-with-value"})
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, kw_only=True)
class Change:
    """A check of this pull request beside the same check on main.

    Attributes:
        main: None if main's run does not have it.
        warned: whether the check only warns.
    """

    stage: str
    check: Check
    main: Check | None
    warned: bool

    @property
    def blocks(self) -> bool:
        """Whether it did not pass."""
        return self.check.status is not Status.PASSED

    @property
    def changed(self) -> bool:
        """Whether main says something else."""
        if self.main is None:
            return False
        value, before = _number(self.check.value), _number(self.main.value)
        if value is None or before is None:
            return self.check.status is not self.main.status or self.check.value != self.main.value
        return self.check.status is not self.main.status or abs(value - before) > _ROUNDING

    @property
    def telling(self) -> bool:
        """Whether people want to see it though it passed: it changed, or is a measurement that main does not have."""
        return self.changed or (self.main is None and self.check.interval is not None)

    @property
    def numbered(self) -> bool:
        """Whether it has a number, or one that it should have reached."""
        return any(one is not None for one in (self.check.value, self.check.limit, self.main and self.main.value))

    @property
    def counts(self) -> bool:
        """Whether its value is worth a row: not one of hundreds of counts that are 0, as they must be."""
        value = self.check.value
        return value is not None and self.check.metric not in _COUNTS and (value, self.check.limit) != (0, 0)

    @property
    def worsening(self) -> float:
        """By how much a group or slice got worse than on main, or, if main has no value, than in production; else 0."""
        value = _number(self.check.value)
        before = _number(self.main.value if self.main else self.check.baseline)
        if not self.check.slice or value is None or before is None:
            return 0.0
        bound = self.check.bound
        if bound is Bound.MAGNITUDE:
            value, before = abs(value), abs(before)
        by = before - value if bound in _RISE else value - before if bound in _FALL else 0.0
        return by if by > _ROUNDING else 0.0


def compared(stage: str, checks: Sequence[Check], main: Mapping[str, Check], warned: frozenset[Status]) -> list[Change]:
    """Return a stage's checks beside those of main, by id."""
    return [
        Change(stage=stage, check=check, main=main.get(check.id), warned=check.status in warned) for check in checks
    ]


def together(changes: Sequence[Change]) -> list[list[Change]]:
    """Return what a row each is about: one number, with its own limit and that against production."""
    found: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        check = change.check
        about = check.id.partition(":")[2] if check.rule in _OF_A_METRIC else check.id
        found.setdefault((change.stage, about), []).append(change)
    return [sorted(one, key=lambda change: change.check.bound in _AGAINST_BASELINE) for one in found.values()]


def row(changes: Sequence[Change]) -> str:
    """Return the row of checks that are about one number."""
    first = changes[0]
    check, before = first.check, first.main.value if first.main else None
    value = "–" if check.value is None else figure(check.metric, check.value, before, check.limit)
    blocks = any(one.blocks for one in changes)
    value = f"**{value}**" if blocks and check.value is not None else value
    if check.interval and check.interval.of == "value":
        value += f"<br><sub>{bounds(check.interval)}</sub>"
    cells = [
        f"{_worst_mark(changes)}&nbsp;**{_name(check)}**" if blocks else _name(check),
        "–" if before is None else figure(check.metric, before, check.value),
        value,
        _difference(changes),
        "<br>".join(filter(None, (_limit(one.check) for one in changes))),
        "<br>".join(dict.fromkeys(map(_verdict, changes))),
    ]
    return f"| {' | '.join(cells)} |"


def _worst_mark(changes: Sequence[Change]) -> str:
    """Return the mark of the worst of several verdicts; a narrow screen shows the last column only to who scrolls."""
    worst_of = worst(Status.INCONCLUSIVE if one.warned else one.check.status for one in changes)
    return MARK[worst_of]


def _verdict(change: Change) -> str:
    """Return the verdict on one check."""
    warned = " (only warns)" if change.warned else ""
    return f"{_worst_mark([change])}&nbsp;{change.check.status}{warned}"


def worse(change: Change) -> str:
    """Say in a line how much worse a group or slice got."""
    check = change.check
    before, whose = (change.main.value, "main") if change.main else (check.baseline, "production")
    below = "below" if check.bound in _RISE else "further from 0 than" if check.bound is Bound.MAGNITUDE else "above"
    rows = f" ({check.n:,} rows)" if check.n is not None else ""
    value, was = figure(check.metric, check.value, before), figure(check.metric, before, check.value)
    shown = f"{value}, {number(change.worsening)} {below} {whose}'s {was}"
    return f"- **{group(check)}**{rows}: {quiet(check.metric or check.id)} {shown}"


def group(check: Check) -> str:
    """Return the group or slice that a check is about."""
    return quiet(", ".join(f"{name}={value}" for name, value in (check.slice or {}).items()))


def _name(check: Check) -> str:
    """Return what a check is about, in words."""
    parts, table = ":".join(parts_of(check.id)), table_of(check.id)
    about = "@".join(part for part in (parts, table) if part)
    if check.rule in _OF_A_METRIC and about:
        return quiet(about, most=120)
    if check.rule == "gap" and about:
        return quiet(f"{about}, training against test", most=120)
    return quiet(", ".join(part for part in (check.rule.replace("-", " "), about) if part), most=120)


def _difference(changes: Sequence[Change]) -> str:
    """Return the change to main, and, where that was measured on the same rows, to production with its interval."""
    first = changes[0]
    value, before = _number(first.check.value), _number(first.main.value) if first.main else None
    found = [] if value is None or before is None else [moved(first.check.metric, value - before)]
    for change in changes:
        check, baseline = change.check, _number(change.check.baseline)
        if check.interval and check.interval.of == "difference" and value is not None and baseline is not None:
            to = f"vs&nbsp;production&nbsp;{signed(value - baseline)}"
            found.append(f"<sub>{to}<br>({bounds(check.interval)})</sub>")
    return "<br>".join(found) or "–"


def _limit(check: Check) -> str:
    """Return the limit and on which side of it the value must lie."""
    if check.limit is None:
        return ""
    if isinstance(check.limit, str):
        return quiet(check.limit)
    return (_SIGNS[check.bound] if check.bound else "") + limit(check.metric, check.limit, check.value)


def _number(value: object) -> float | None:
    """Return a value that one can subtract."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
