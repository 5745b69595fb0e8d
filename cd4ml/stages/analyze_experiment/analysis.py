"""From the values of each variant's units to effects, and from effects to checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from cd4ml.checks.experiment.effects import (
    Effect,
    covariate_check,
    effect_check,
    few_beyond_check,
    few_outcomes_check,
    guardrail_check,
    unreadable_check,
)
from cd4ml.metrics.experiment import estimates
from cd4ml.metrics.experiment.estimates import Difference, Estimate, Floats, difference
from cd4ml.metrics.experiment.readings import Fixed, Reading, detectable, interval, units_needed
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.report import Check
from cd4ml.stages.analyze_experiment.declared import PROPORTION, RATIO, Metric
from cd4ml.stages.analyze_experiment.options import Options, Plan
from cd4ml.stages.analyze_experiment.table import Experiment

# A covariate of the time before differs between variants by chance this rarely.
_COVARIATE_LEVEL: Final = 0.001
# Ones and zeros of a proportion below which its normal interval does not hold.
_FEWEST_OUTCOMES: Final = 10


@dataclass(kw_only=True)
class Analysis:
    """What the metrics say.

    Attributes:
        effects: by metric and variant, as far as they could be read.
        unread: checks of metrics that could not be read, by variant; those of all variants under "".
    """

    effects: dict[tuple[str, str], Effect] = field(default_factory=dict)
    unread: dict[str, list[Check]] = field(default_factory=dict)

    def refuse(self, check: Check, variant: str = "") -> None:
        """Add the check of a metric that was not read."""
        self.unread.setdefault(variant, []).append(check)

    def checks(self, options: Options, plan: Plan) -> dict[str, list[Check]]:
        """Return the checks of each variant."""
        found: dict[str, list[Check]] = {name: [*self.unread.get(name, [])] for name in plan.variants}
        for (metric, variant), effect in self.effects.items():
            if metric in options.guardrails:
                found[variant].append(guardrail_check(effect, options.guardrails[metric]))
            else:
                found[variant].append(effect_check(effect, options.alpha))
        return found


def analyse(options: Options, plan: Plan, found: Experiment, reading: Reading) -> Analysis:
    """Return the effect of every variant on every metric."""
    result, differences = Analysis(), dict[tuple[str, str], _Compared]()
    for name, metric in plan.metrics.items():
        for variant, compared in _of_metric(name, metric, options, plan, found, result).items():
            differences[name, variant] = compared
    p_values = {key: reading.p_value(one.found) for key, one in differences.items()}
    tested = [key for key in p_values if key[0] not in options.guardrails]
    p_values |= zip(tested, holm([p_values[key] for key in tested]), strict=True)
    tests = sum(name not in options.guardrails for name in plan.metrics) * len(plan.variants)
    units = len(found.variants) - found.variants.null_count()
    for (name, variant), one in differences.items():
        guarded = name in options.guardrails
        # A guardrail of several variants is broken unseen no more often than that of one.
        confidence = 1 - options.alpha / (len(plan.variants) if guarded else 1)
        level = options.alpha / (len(plan.variants) if guarded else tests)
        smallest = options.guardrails[name] if guarded else options.minimum_effect.get(name)
        result.effects[name, variant] = Effect(
            metric=name,
            variant=variant,
            value=one.variant.value,
            control=one.control.value,
            interval=interval(reading, one.found, confidence),
            p_value=p_values[name, variant],
            n=one.found.n,
            tests=1 if guarded else tests,
            lower_is_better=name in options.lower_is_better,
            reduction=one.reduction,
            effect=smallest or None,
            units=units,
            needed=units_needed(reading, one.found, smallest or one.found.value, units, level),
            detectable=detectable(reading, one.found, level),
            days=options.days,
        )
    return result


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A variant's estimate, the control's, and their difference."""

    variant: Estimate
    control: Estimate
    found: Difference
    reduction: float | None


def _of_metric(
    name: str, metric: Metric, options: Options, plan: Plan, found: Experiment, result: Analysis
) -> dict[str, _Compared]:
    """Return a metric's estimates by variant; what cannot be read is refused."""
    covariate = options.covariates.get(name)
    columns = [*metric.columns, *([covariate] if covariate else [])]
    values = {variant: [found.values(column, variant) for column in columns] for variant in plan.shares}
    refused = _refusal(name, metric, covariate, columns, values)
    if refused is None and covariate:
        refused = _differing(name, covariate, plan, values)
    if refused is not None:
        result.refuse(refused)
        return {}
    each = {variant: _values(metric, columns) for variant, columns in values.items()}
    control = reduction = None
    if covariate:
        adjusted, reduction = estimates.adjusted(list(each.values()), [columns[-1] for columns in values.values()])
        each = dict(zip(each, adjusted, strict=True))
    compared = {}
    for variant in plan.variants:
        fewest = _fewest([values[variant][0], values[plan.control][0]]) if metric.kind == PROPORTION else None
        if fewest is not None and fewest < _FEWEST_OUTCOMES:
            result.refuse(few_outcomes_check(name, variant, fewest, _FEWEST_OUTCOMES), variant)
            continue
        share, least = metric.share, min(len(each[variant]), len(each[plan.control]))
        if share is not None and not estimates.has_quantile(least, share):
            result.refuse(few_beyond_check(name, variant, share, least), variant)
            continue
        control = control or _estimate(metric, each[plan.control], covariate)
        estimated = _estimate(metric, each[variant], covariate)
        one = difference(estimated, control)
        if not one.standard_error > 0:
            told = f"{variant} and the control vary too little to say how certain a difference is."
            advice = "Look at the values of the metric: a constant shows nothing."
            result.refuse(unreadable_check(name, "constant", told, advice, variant), variant)
            continue
        compared[variant] = _Compared(variant=estimated, control=control, found=one, reduction=reduction)
    return compared


def _values(metric: Metric, columns: list[Floats]) -> Floats:
    """Return one value a unit whose mean, or quantile, is the metric."""
    return estimates.linearised(columns[0], columns[1]) if metric.kind == RATIO else columns[0]


def _estimate(metric: Metric, values: Floats, covariate: str | None) -> Estimate:
    """Return the estimate of a variant."""
    if metric.share is not None:
        return estimates.quantile(values, metric.share)
    return estimates.proportion(values) if metric.kind == PROPORTION and not covariate else estimates.mean(values)


def _fewest(columns: list[Floats]) -> int:
    """Return how many units have the rarer outcome, where they are fewest."""
    return min(min(int(one.sum()), len(one) - int(one.sum())) for one in columns)


def _refusal(
    name: str, metric: Metric, covariate: str | None, columns: list[str], values: Mapping[str, list[Floats]]
) -> Check | None:
    """Return why a metric cannot be read, None if it can."""
    for place, column in enumerate(columns):
        all_of_it = np.concatenate([one[place] for one in values.values()])
        missing, infinite = int(np.isnan(all_of_it).sum()), int(np.isinf(all_of_it).sum())
        if missing:
            told = f"{missing:,} units have no value in `{column}`."
            advice = "Give every unit a value: 0 where it did nothing. Leaving units out breaks the comparison."
            return unreadable_check(name, "missing-values", told, advice)
        if infinite:
            advice = "Find out where they come from; cap the metric if it must be."
            return unreadable_check(name, "infinite-values", f"{infinite:,} values of `{column}` are infinite.", advice)
    if metric.kind == PROPORTION and any(np.any((one[0] != 0) & (one[0] != 1)) for one in values.values()):
        told = f"`{metric.columns[0]}` holds other values than 0 and 1."
        return unreadable_check(name, "no-proportion", told, "Declare it as mean, or write 0 and 1.")
    if metric.kind == RATIO and any(one[1].sum() <= 0 or one[1].min() < 0 for one in values.values()):
        told = f"the denominator `{metric.columns[1]}` is negative for a unit, or 0 for a whole variant."
        return unreadable_check(name, "no-ratio", told, "The denominator counts something, such as views.")
    if covariate and np.ptp(np.concatenate([one[-1] for one in values.values()])) == 0:
        told = f"its covariate `{covariate}` is the same for all units."
        return unreadable_check(name, "constant-covariate", told, "Take another covariate, or none.")
    return None


def _differing(name: str, covariate: str, plan: Plan, values: Mapping[str, list[Floats]]) -> Check | None:
    """Return the check of a covariate that differs between variants, None if it does not."""
    control = estimates.mean(values[plan.control][-1])
    for variant in plan.variants:
        one = difference(estimates.mean(values[variant][-1]), control)
        if one.standard_error > 0 and (p := Fixed().p_value(one)) < _COVARIATE_LEVEL:
            return covariate_check(name, covariate, variant, p)
    return None
