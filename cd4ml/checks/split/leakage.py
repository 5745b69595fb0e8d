"""Columns that give the target away -> checks. Pure.

All tests of a run are one family (Holm), so that chance alone blames anything in at most 5 % of the runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cd4ml.checks.split.one_label import one_label_checks
from cd4ml.checks.split.powers import FEATURE, GAPS, IDENTIFIER, PAIR, Limits, power_checks, power_tests
from cd4ml.metrics.split.leakage import Leakage
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.report import Check, Status

# Test rows below which nothing is decided.
MINIMUM_ROWS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What was looked at.

    Attributes:
        train, test: rows with a target that were held.
        of: all rows of both tables.
        left_out: columns that could not be read or compared.
    """

    train: int
    test: int
    of: tuple[int, int]
    left_out: Sequence[str]

    def __str__(self) -> str:
        """Say what was left out; empty if nothing was."""
        sampled = (self.train, self.test) != self.of
        sides = zip((self.train, self.test), self.of, ("training", "test"), strict=True)
        looked = " and ".join(f"{held:,} of {rows:,} {side} rows" for held, rows, side in sides)
        rows = f" Looked at {looked}." if sampled else ""
        return rows + (f" Not looked at: {', '.join(f'`{name}`' for name in self.left_out)}." if self.left_out else "")


def leakage_checks(found: Leakage, target: str, limits: Limits, scope: Scope | None = None) -> list[Check]:
    """Check that no column, no pair of columns and no category gives the target away.

    Args:
        scope: what the first check tells of what was left out.
    """
    first, *others = _checks(found, target, limits)
    return [first if scope is None else replace(first, message=f"{first.message}{scope}"), *others]


def nothing_to_look_at_check(scope: Scope) -> Check:
    """Return the check of tables without a feature that could tell anything."""
    return Check(
        id=FEATURE,
        status=Status.INCONCLUSIVE,
        reason="no-features",
        n=scope.test,
        message="No feature has two different values in both tables: nothing could be looked at that gives the target "
        f"away.{scope}",
        advice="Check how both tables were written: a model learns nothing from features that never change.",
    )


def _checks(found: Leakage, target: str, limits: Limits) -> list[Check]:
    """Return the checks of all rules; those of columns alone come first."""
    if found.n < MINIMUM_ROWS or not any(one.values for one in found.alone):
        return [_undecided(found.n, target)]
    tests = power_tests(found, target, limits)
    # A power that is the better one of two stands for two tests.
    chances = [(place, test.chance) for place, test in enumerate(tests) for _ in range(test.weight)]
    adjusted = holm([*(p_value for _, p_value in chances), *(one.chance for one in found.one_label)])
    of_tests = {place: p_value for (place, _), p_value in zip(chances, adjusted, strict=False)}
    checks: list[Check] = []
    for rule in (FEATURE, GAPS, PAIR, IDENTIFIER):
        own = [(test, of_tests[place]) for place, test in enumerate(tests) if test.rule == rule]
        checks += power_checks(rule, own, len(adjusted), numeric=found.numeric, n=found.n)
    if not found.numeric:
        rest = adjusted[len(chances) :]
        checks += one_label_checks(found.one_label, rest, target, limits.one_label, len(adjusted), found.n)
    return checks


def _undecided(n: int, target: str) -> Check:
    """Return the check of test rows that cannot tell anything."""
    few = n < MINIMUM_ROWS
    return Check(
        id=FEATURE,
        status=Status.INCONCLUSIVE,
        reason="too-few-rows" if few else "one-value",
        n=n,
        message=(
            f"{n:,} test rows with a {target} are too few to tell what gives it away."
            if few
            else f"{target} has one value in all training rows or in all {n:,} test rows: nothing predicts it."
        ),
        advice=f"At least {MINIMUM_ROWS} test rows are needed, and two different values in both tables.",
    )
