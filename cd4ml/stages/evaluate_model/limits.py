"""The limits of evaluate-model: which metrics they name, and what keeps them from deciding anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cd4ml.checks.performance.evaluation import Limits
from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.data.predictions.table import EVERY, is_standard
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance import cost_matrix
from cd4ml.metrics.performance.evaluation import CLASS_FLOOR
from cd4ml.metrics.performance.metric import Metric, Task
from cd4ml.metrics.performance.slices import columns_of, parsed_edges
from cd4ml.stages.evaluate_model.churn import churn_problems
from cd4ml.stages.evaluate_model.costs import cost_problems
from cd4ml.stages.evaluate_model.names import undefined_for, unknown
from cd4ml.stages.evaluate_model.options import Options
from cd4ml.wording import nearest

# Below, neither Welch's test nor any finding tells much.
MINIMUM_SEARCHED: Final = 10


def _named(options: Options) -> list[str]:
    """Return the metrics that options name, in that order."""
    losses = (options.maximum_regression, options.maximum_relative_regression, options.no_worse_than)
    limits = (options.minimum, options.maximum, *losses)
    primary = [options.primary_metric] if options.primary_metric else []
    names = [name for limit in limits for name in limit]
    return list(dict.fromkeys([*names, *options.not_significantly_worse, *primary, *options.maximum_gap]))


def checked_metrics(options: Options, known: Mapping[str, Metric]) -> list[Metric]:
    """Return the metrics that limits name; refuse limits that decide nothing."""
    names = _named(options)
    problems = [] if names else ["no limit on a metric is set: name at least one, such as accuracy=0.9 in `minimum`"]
    for name in names:
        if name not in known:
            problems.append(unknown(name, known, options.task))
        elif options.task not in known[name].tasks:
            problems.append(undefined_for(known[name], known, options.task))
        else:
            metric = known[name].of_task(options.task)
            problems += [*_wrong_way(metric, options), *_out_of_range(metric, options)]
    losses = (options.maximum_regression, options.maximum_relative_regression, options.maximum_gap)
    for name, limit in (item for loss in losses for item in loss.items()):
        if limit < 0:
            problems.append(f"the tolerance of {name} must not be negative, got {limit:g}")
    if options.maximum_gap and not options.train_predictions:
        problems.append("maximum-gap needs train-predictions")
    if options.train_predictions and not options.maximum_gap:
        problems.append("train-predictions is set, but no maximum-gap: nothing would be decided on it")
    if options.minimum_test_rows < 1:
        problems.append("minimum-test-rows must be at least 1")
    if not 0 < options.quantile < 1:
        problems.append("quantile must lie between 0 and 1")
    if options.decision_costs and cost_matrix.NAME not in names:
        problems.append(
            "decision-costs is set, but no limit names decision-cost, e.g. maximum-regression: decision-cost=0"
        )
    problems += [*_decision_problems(options, names, known), *_slice_problems(options)]
    problems += [*churn_problems(options), *cost_problems(options)]
    if problems:
        raise OptionsError(problems)
    return [known[name].of_task(options.task) for name in names]


def _rule(name: str, options: Options) -> Rule:
    """Return how a metric is compared with production."""
    if name in options.no_worse_than:
        return Rule(decision=Decision.NO_WORSE_THAN, tolerance=options.no_worse_than[name])
    if name in options.not_significantly_worse:
        return Rule(decision=Decision.NOT_SIGNIFICANTLY_WORSE)
    share = options.maximum_relative_regression.get(name)
    return Rule(decision=options.comparison, tolerance=options.maximum_regression.get(name, 0.0), share=share)


def _decision_problems(options: Options, names: Sequence[str], known: Mapping[str, Metric]) -> Iterable[str]:
    """Yield what keeps comparisons from being decided as declared."""
    yield from _relative_problems(options)
    for name in names:
        rule, twice = _rule(name, options), name in options.no_worse_than and name in options.not_significantly_worse
        if twice:
            yield f"`{name}` is in both no-worse-than and not-significantly-worse"
        elif rule.decision is Decision.NO_WORSE_THAN and rule.tolerance <= 0:
            yield f"no-worse-than needs a loss above 0 that {name} may have: no-worse-than: {name}=0.01"
        elif rule.decision is Decision.NO_WORSE_THAN and name in known and known[name].biased:
            others = " or ".join(_unbiased(known[name], known))
            yield f"{name} is inflated by chance: no-worse-than cannot judge it; use {others}"
        elif name in options.maximum_regression and rule.decision is Decision.NOT_SIGNIFICANTLY_WORSE:
            yield f"maximum-regression of {name} is unused by not-significantly-worse; use no-worse-than, or remove it"
        elif name in options.maximum_regression and name in options.no_worse_than:
            yield f"`{name}` is in both maximum-regression and no-worse-than: which loss is allowed?"
    primary = options.primary_metric
    if primary and not _rule(primary, options).tests:
        yield f"primary-metric {primary} is compared by its point value; set comparison, or name it in no-worse-than"


def _unbiased(metric: Metric, known: Mapping[str, Metric]) -> list[str]:
    """Return the metrics that need the same as a biased one, and are not."""
    return sorted(name for name, other in known.items() if other.needs is metric.needs and not other.biased)


def _relative_problems(options: Options) -> Iterable[str]:
    """Yield what keeps relative losses from being decided on."""
    for name, share in options.maximum_relative_regression.items():
        which = f"maximum-relative-regression of {name}"
        if share >= 1:
            yield f"{which} is a share of production's value: 0.02 is 2 %, got {share:g}"
        if name in options.maximum_regression:
            yield f"`{name}` is in both maximum-regression and maximum-relative-regression: which loss is allowed?"
        if _rule(name, options).tests:
            yield f"{which} needs comparison: point for this metric; otherwise give the loss in the metric's units"


def slice_columns(options: Options) -> list[str]:
    """Return the columns that slices are declared by or searched in; `*` among them stands for all."""
    declared = [name for one in options.slices for name in columns_of(one)]
    return list(dict.fromkeys([*declared, *options.slice_search]))


def _slice_problems(options: Options) -> Iterable[str]:
    """Yield what keeps slices from being cut or searched as declared."""
    columns = slice_columns(options)
    for name, edges in options.slice_bins.items():
        if name not in columns and EVERY not in columns:
            yield f"slice-bins: `{name}` is not a slice column{nearest(name, columns)}"
            continue
        try:
            parsed_edges(name, edges)
        except OptionsError as error:
            yield error.message
    yield from _search_problems(options)


def _search_problems(options: Options) -> Iterable[str]:
    """Yield what keeps slices from being searched, or what would decide nothing."""
    limit = options.maximum_slice_gap
    if limit is not None and not options.slice_search:
        yield "maximum-slice-gap needs slice-search: nothing would be decided on it"
    if limit is not None and not (0 <= limit and (limit < 1 or options.task is Task.REGRESSION)):
        yield f"maximum-slice-gap must be at least 0 and, for an error rate, below 1; got {limit:g}"
    if not 1 <= options.slice_search_depth <= 3:
        yield f"slice-search-depth must be 1, 2 or 3, got {options.slice_search_depth}"
    if options.slice_search_minimum_rows < MINIMUM_SEARCHED:
        yield f"slice-search-minimum-rows must be at least {MINIMUM_SEARCHED}"
    taken = [name for name in options.slice_search if is_standard(name)]
    if taken:
        yield f"slice-search: {', '.join(taken)} cannot be searched: standard columns of the predictions"


def limits_of(options: Options, names: Sequence[str]) -> Limits:
    """Return what metrics are held to."""
    return Limits(
        minimum=options.minimum,
        maximum=options.maximum,
        rules={name: _rule(name, options) for name in names},
        primary=options.primary_metric,
        minimum_rows=options.minimum_test_rows,
        class_floor=CLASS_FLOOR,
    )


def _wrong_way(metric: Metric, options: Options) -> list[str]:
    """Refuse a limit that only good models fail; with a limit on the other side as well it is a range, and meant."""
    better, name = metric.greater_is_better, metric.name
    if better and name in options.maximum and name not in options.minimum:
        return [f"maximum: {name} is better when greater; set minimum (or both, for a range)"]
    if not better and name in options.minimum and name not in options.maximum:
        return [f"minimum: {name} is better when smaller; set maximum (or both, for a range)"]
    return []


def _out_of_range(metric: Metric, options: Options) -> Iterable[str]:
    """Yield limits that no value can break or that none can meet: shares written in percent, most often."""
    low, high, name = metric.lowest, metric.highest, metric.name
    ends = {"at least": low, "at most": high}
    bounds = " and ".join(f"{word} {end:g}" for word, end in ends.items() if math.isfinite(end))
    for which, limits in (("minimum", options.minimum), ("maximum", options.maximum)):
        if name in limits and not low <= limits[name] <= high:
            yield f"{which}: {name} is {bounds}, got {limits[name]:g}"
    for which, losses in (
        ("maximum-regression", options.maximum_regression),
        ("no-worse-than", options.no_worse_than),
        ("maximum-gap", options.maximum_gap),
    ):
        if name in losses and losses[name] >= high - low:
            yield f"{which}: {name} is {bounds}: no model can lose {losses[name]:g}, so nothing would be decided"
