"""How sure a comparison with production is -> a check. Pure.

In no rule is a shown failure called too little data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from cd4ml.checks.performance import threshold
from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.metrics.performance.comparison import Comparison
from cd4ml.report import Bound, Check, Status, chance, fixed
from cd4ml.report.ids import check_id

LEVEL: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Support:
    """What the rows can carry.

    Attributes:
        smaller_class: rows of the rarer class of a binary task, else None.
        minimum_rows, class_floor: rows below which nothing, or no test, is decided.
        design_effect: so many rows count as one.
    """

    n: int
    smaller_class: int | None
    minimum_rows: int
    class_floor: int
    design_effect: float = 1.0

    def lacking(self, rule: Rule | None = None) -> str:
        """Say what the rows lack for a rule (None: for a fixed limit); empty if nothing."""
        if self.n / self.design_effect < self.minimum_rows:
            return (
                f"There are {self.n:,} rows{self._counted(self.n)}; at least {self.minimum_rows:,} are needed to decide"
            )
        if rule is not None and rule.tests and self.few_of_a_class:
            few = f"The rarer class has {self.smaller_class:,} rows{self._counted(self.smaller_class or 0)}"
            return f"{few}; a test needs {self.class_floor:,}"
        return ""

    @property
    def few_of_a_class(self) -> bool:
        """Whether a class has too few rows for a test."""
        return self.smaller_class is not None and self.smaller_class / self.design_effect < self.class_floor

    def _counted(self, rows: int) -> str:
        """Say as how many different rows some count, "" if each is one."""
        return f", which count as {rows / self.design_effect:,.0f}" if self.design_effect > 1 else ""

    def rows_needed(self, rule: Rule | None = None) -> int | None:
        """Return the rows that would do, with the same class frequencies; None if that cannot be said."""
        needed = ceil(self.minimum_rows * self.design_effect)
        if rule is not None and rule.tests and self.smaller_class is not None and self.few_of_a_class:
            if self.smaller_class == 0:
                return None
            needed = max(needed, ceil(self.n * self.class_floor * self.design_effect / self.smaller_class))
        return needed


def shown_worse(rule: Rule, comparison: Comparison, p_value: float) -> bool:
    """Whether the rows show a failure: worse with 95 % confidence and, where a loss is allowed, by more than that."""
    beyond = not threshold.at_most(-comparison.gain, rule.tolerance, comparison.candidate, comparison.production)
    return p_value < LEVEL and (beyond or rule.decision is Decision.NOT_SIGNIFICANTLY_WORSE)


def comparison_check(
    rule: Rule,
    comparison: Comparison,
    support: Support,
    *,
    p_value: float | None = None,
    tests: int = 1,
    slice: Mapping[str, str] | None = None,
) -> Check:
    """Decide on one comparison.

    Args:
        p_value: adjusted for the family of tests that this one belongs to; its own if None.
        tests: size of that family.
        slice: values by column, if the rows are a slice.
    """
    rule = rule.against(comparison.production)
    p = comparison.p_worse if p_value is None else p_value
    lacking = support.lacking(rule) or _unsure(rule, comparison)
    if lacking and not shown_worse(rule, comparison, p):
        found = _too_few(rule, comparison, support, lacking)
    elif rule.decision is Decision.POINT:
        found = _point(rule, comparison)
    elif rule.decision is Decision.NO_WORSE_THAN:
        found = _no_worse_than(rule, comparison, p)
    else:
        found = _not_significantly_worse(rule, comparison, p, tests)
    seen = comparison.detectable
    sight = " How small a loss these rows can show is unknown."
    if seen is not None:
        sight = f" With {comparison.n:,} rows, a loss of {seen:.2g} or more would be detected 4 times in 5."
    return replace(found, message=found.message + sight, slice=slice or None)


def _unsure(rule: Rule, comparison: Comparison) -> str:
    """Say that a rule that needs to know how sure the difference is cannot."""
    return "" if comparison.certain or not rule.tests else "The rows do not say how certain the difference is"


# Which option says what a metric may lose.
_OPTION: Final = {
    Decision.POINT: "maximum-regression",
    Decision.NO_WORSE_THAN: "no-worse-than",
    Decision.NOT_SIGNIFICANTLY_WORSE: "not-significantly-worse",
}


def _check(
    rule: Rule,
    comparison: Comparison,
    status: Status,
    message: str,
    reason: str | None = None,
    advice: str | None = None,
) -> Check:
    """Return the check of a comparison."""
    tested = rule.decision is Decision.NOT_SIGNIFICANTLY_WORSE
    name = comparison.metric.name
    found = threshold.changed(
        name,
        comparison.candidate,
        comparison.production,
        rule.tolerance,
        greater_is_better=comparison.metric.greater_is_better,
    )
    allowed = "" if tested else f" ({rule.allowed})"
    return Check(
        id=check_id("regression", name),
        status=status,
        reason=reason,
        metric=name,
        value=comparison.candidate,
        interval=comparison.interval if comparison.certain else None,
        baseline=comparison.production,
        limit="not significantly worse" if tested else rule.tolerance,
        option=(_OPTION[rule.decision] if rule.share is None else "maximum-relative-regression", name),
        bound=Bound.DECREASE if comparison.metric.greater_is_better else Bound.INCREASE,
        n=comparison.n,
        message=f"{found}{allowed} on the same {comparison.n:,} rows.{_sentence(message)}{_sure(comparison)}",
        advice=advice,
    )


def _sure(comparison: Comparison) -> str:
    """Say how sure the difference is."""
    if not comparison.certain:
        return ""
    found = comparison.interval
    low, high = fixed(found.lower, found.upper), fixed(found.upper, found.lower)
    return f" {found.confidence * 100:g} % interval of the difference: {low} to {high}."


def _sentence(words: str) -> str:
    """Return words as a sentence that follows another, "" for none."""
    return f" {words}." if words else ""


_FIND_ROWS: Final = "Find the rows that the candidate gets wrong and production does not."


def _point(rule: Rule, comparison: Comparison) -> Check:
    """Take the difference at its face."""
    passed = threshold.at_most(-comparison.gain, rule.tolerance, comparison.candidate, comparison.production)
    if passed:
        return _check(rule, comparison, Status.PASSED, "")
    return _check(rule, comparison, Status.FAILED, "", "regression", _FIND_ROWS)


def _no_worse_than(rule: Rule, comparison: Comparison, p: float) -> Check:
    """Pass what is shown to lose less than the margin."""
    largest = max(0.0, -comparison.least_gain)
    if comparison.least_gain > -rule.tolerance:
        message = f"With 95 % confidence the true loss is at most {largest:.2g}"
        return _check(rule, comparison, Status.PASSED, message)
    if shown_worse(rule, comparison, p):
        return _check(
            rule,
            comparison,
            Status.FAILED,
            f"Chance does not explain the loss ({chance(p)})",
            "regression",
            _FIND_ROWS,
        )
    message = f"The true loss may be {largest:.2g}: too few rows to tell"
    return _check(rule, comparison, Status.INCONCLUSIVE, message, "too-few-rows", _more(comparison, rule.tolerance))


def _more(comparison: Comparison, margin: float) -> str:
    """Say how many rows would settle it."""
    needed = comparison.rows_needed(margin)
    if needed is None:
        return "The loss is exactly at the margin: more rows would not settle it. Improve the model or allow more."
    return f"About {needed:,} rows would settle it if the difference stays as it is; there are {comparison.n:,}."


def _not_significantly_worse(rule: Rule, comparison: Comparison, p: float, tests: int) -> Check:
    """Block what is shown to be worse."""
    family = f"; {tests:,} tests" if tests > 1 else ""
    if p < LEVEL:
        message = f"Significantly worse: chance does not explain the loss ({chance(p)}{family})"
        return _check(rule, comparison, Status.FAILED, message, "significantly-worse", _FIND_ROWS)
    return _check(rule, comparison, Status.PASSED, f"Not significantly worse ({chance(p)}{family})")


def _too_few(rule: Rule, comparison: Comparison, support: Support, lacking: str) -> Check:
    """Decide nothing on too few rows."""
    return _check(rule, comparison, Status.INCONCLUSIVE, lacking, "too-few-rows", rows_advice(support, rule))


def rows_advice(support: Support, rule: Rule | None = None) -> str:
    """Say how many rows are needed."""
    needed = support.rows_needed(rule)
    if needed is None:
        return f"Add rows of the class that has none, until there are {support.class_floor}."
    return f"About {needed:,} rows are needed, with the same class frequencies; there are {support.n:,}."
