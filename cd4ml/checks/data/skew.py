"""Training against serving data: which checks of the same schema hold on one and not on the other, column by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cd4ml.report import Bound, Check, Status
from cd4ml.report.ids import check_id, parts_of, rule_of

_TABLE: Final = "(table)"
# Facts about one table alone.
_OWN: Final = ("minimum-rows", "row-change", "columns", "fresh")


@dataclass(frozen=True, kw_only=True)
class Skew:
    """Checks of one column, by where they hold."""

    both_alike: list[str] = field(default_factory=list)
    training_only: list[str] = field(default_factory=list)
    serving_only: list[str] = field(default_factory=list)


def compared(training: Sequence[Check], serving: Sequence[Check]) -> dict[str, Skew]:
    """Return, for each column, which checks hold on training data only, on serving data only, or alike.

    Args:
        training: of one or more tables; a check holds if it holds on all of them.
        serving: of one table. Checks that only one side has are about columns that the other lacks; `present` says so.
    """
    here, there = _holding(training), _holding(serving)
    found: dict[str, Skew] = {}
    for name in (name for name in here if name in there):
        rule, of = rule_of(name), parts_of(name)
        if rule in _OWN:
            continue
        skew = found.setdefault(of[0] if of else _TABLE, Skew())
        alike = here[name] == there[name]
        (skew.both_alike if alike else skew.training_only if here[name] else skew.serving_only).append(rule)
    return found


def _holding(checks: Sequence[Check]) -> dict[str, bool]:
    """Return whether each check holds, by its id."""
    found: dict[str, bool] = {}
    for check in checks:
        found[check.id] = found.get(check.id, True) and check.status is Status.PASSED
    return found


def skew_checks(found: Mapping[str, Skew], training: str, serving: str) -> list[Check]:
    """Return one check for each column: that the same checks hold on training and on serving data."""
    return [_check(column, skew, training, serving) for column, skew in found.items()]


def _check(column: str, skew: Skew, training: str, serving: str) -> Check:
    """Return the check of a column."""
    sides = ((skew.training_only, training, serving), (skew.serving_only, serving, training))
    told = [f"on {here} but not on {there}: {', '.join(rules)}" for rules, here, there in sides if rules]
    same = f"{len(skew.both_alike):,} checks have the same outcome on {training} and {serving}"
    return Check(
        id=check_id("skew", column),
        status=Status.FAILED if told else Status.PASSED,
        reason="training-serving-skew" if told else None,
        metric="differing-checks",
        value=len(skew.training_only) + len(skew.serving_only),
        limit=0,
        bound=Bound.AT_MOST,
        message=f"{column}: {'these checks hold ' + '; '.join(told) if told else same}.",
        advice="Bring serving data into the form that the model was trained on, or retrain it." if told else None,
    )
