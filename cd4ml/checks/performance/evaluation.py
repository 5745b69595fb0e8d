"""Metrics of all rows and of slices, and what they are held to -> checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cd4ml.checks.performance import comparison as compared
from cd4ml.checks.performance import threshold
from cd4ml.checks.performance.comparison import Support
from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.metrics.performance.evaluation import Evaluation, Gap, Result
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.report import Check, Status
from cd4ml.report.ids import check_id, slice_id


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What metrics are held to, by name.

    Attributes:
        rules: how the comparison with production is decided; metrics without one are not compared.
        primary: the metric that is tested alone; the tests of the others share one level.
    """

    minimum: Mapping[str, float]
    maximum: Mapping[str, float]
    rules: Mapping[str, Rule]
    primary: str | None
    minimum_rows: int
    class_floor: int

    def support(self, evaluation: Evaluation) -> Support:
        """Return what an evaluation's rows can carry."""
        return Support(
            n=evaluation.n,
            smaller_class=evaluation.smaller_class,
            minimum_rows=self.minimum_rows,
            class_floor=self.class_floor,
            design_effect=evaluation.design_effect,
        )


def metric_checks(evaluation: Evaluation, limits: Limits) -> Iterator[Check]:
    """Check fixed limits, then the comparison with production."""
    yield from _fixed(evaluation, limits)
    family = _families(evaluation, limits)
    for name, result in evaluation.results.items():
        if result.production is not None:
            yield _comparison(result, limits.rules[name], evaluation, limits, family.get(name, (None, 1)))


def slice_checks(evaluations: Sequence[Evaluation], limits: Limits) -> Iterator[Check]:
    """Check the same limits on every slice. All tests on slices are one family: a slice more costs no level."""
    tested = [
        (index, name)
        for index, evaluation in enumerate(evaluations)
        for name, result in evaluation.results.items()
        if result.comparison is not None and limits.rules[name].tests
    ]
    p_values = [_p_worse(evaluations[index].results[name]) for index, name in tested]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    for index, evaluation in enumerate(evaluations):
        checks = list(_fixed(evaluation, limits))
        for name, result in evaluation.results.items():
            if result.production is not None:
                p_value = adjusted.get((index, name))
                checks.append(_comparison(result, limits.rules[name], evaluation, limits, (p_value, len(tested))))
        yield from (_named(check, evaluation) for check in checks)


def gap_check(gap: Gap, limit: float, n: int) -> Check:
    """Check a gap between training and test rows."""
    name, better = gap.metric.name, gap.metric.greater_is_better
    if gap.train.value is None or gap.test.value is None:
        return threshold.undefined_check(check_id("gap", name), name, gap.problem, n)
    interval = gap.interval
    if interval is not None and not better:
        interval = replace(interval, lower=-interval.upper, upper=-interval.lower)
    return threshold.gap_check(
        name, gap.train.value, gap.test.value, limit, n, greater_is_better=better, interval=interval
    )


def _families(evaluation: Evaluation, limits: Limits) -> dict[str, tuple[float, int]]:
    """Return the adjusted p-value of each tested metric and the size of its family; the primary one stands alone."""
    tested = {
        name: _p_worse(result)
        for name, result in evaluation.results.items()
        if result.comparison is not None and limits.rules[name].tests
    }
    alone = {name: (p, 1) for name, p in tested.items() if name == limits.primary}
    others = [name for name in tested if name not in alone]
    adjusted = holm([tested[name] for name in others])
    return alone | {name: (p, len(others)) for name, p in zip(others, adjusted, strict=True)}


def _p_worse(result: Result) -> float:
    """Return the p-value of a comparison that there is."""
    assert result.comparison is not None
    return result.comparison.p_worse


def _fixed(evaluation: Evaluation, limits: Limits) -> Iterator[Check]:
    """Check minimum and maximum of each metric."""
    for kind, bounds, check in (
        ("minimum", limits.minimum, threshold.minimum_check),
        ("maximum", limits.maximum, threshold.maximum_check),
    ):
        for name, limit in bounds.items():
            found = evaluation.results[name].candidate
            if found.value is None:
                yield _undefined(check_id(kind, name), name, found.problem, None, evaluation, limits)
            else:
                made = check(name, found.value, limit, evaluation.n, found.interval)
                yield _settled(made, limit, evaluation, limits)


def _comparison(
    result: Result, rule: Rule, evaluation: Evaluation, limits: Limits, family: tuple[float | None, int]
) -> Check:
    """Check one metric against production."""
    name = result.metric.name
    if result.comparison is None:
        return _undefined(check_id("regression", name), name, result.problem, rule, evaluation, limits)
    p_value, tests = family
    return compared.comparison_check(rule, result.comparison, limits.support(evaluation), p_value=p_value, tests=tests)


def _undefined(id: str, name: str, problem: str, rule: Rule | None, evaluation: Evaluation, limits: Limits) -> Check:
    """Return the check of a metric without a value: an error, or on a slice that is too small too little data."""
    found = threshold.undefined_check(id, name, problem, evaluation.n)
    support = limits.support(evaluation)
    # Of a class with fewer rows than the floor it is chance whether any is found, or decided for.
    rare = support.few_of_a_class
    if not evaluation.slice or not (support.lacking(rule) or rare):
        return found
    needed = Rule(decision=Decision.NOT_SIGNIFICANTLY_WORSE)
    advice = compared.rows_advice(support, needed if rare else rule)
    return replace(found, status=Status.INCONCLUSIVE, reason="too-few-rows", advice=advice)


def _settled(check: Check, limit: float, evaluation: Evaluation, limits: Limits) -> Check:
    """Return a slice's check, inconclusive if its rows are too few and its interval reaches the limit."""
    support = limits.support(evaluation)
    lacking = support.lacking()
    beyond = check.interval is not None and not check.interval.lower <= limit <= check.interval.upper
    if not evaluation.slice or not lacking or (check.status is Status.FAILED and beyond):
        return check
    message = f"{check.message} Nothing is decided: {lacking[0].lower()}{lacking[1:]}."
    advice = compared.rows_advice(support)
    return replace(check, status=Status.INCONCLUSIVE, reason="too-few-rows", message=message, advice=advice)


def _named(check: Check, evaluation: Evaluation) -> Check:
    """Return a check with its slice in id and message."""
    name = "&".join(f"{column}={value}" for column, value in evaluation.slice.items())
    return replace(
        check, id=slice_id(check.id, evaluation.slice), message=f"{name}: {check.message}", slice=evaluation.slice
    )
