"""The metrics that limits of evaluate-model can name, however they spell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cd4ml.context import Context
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance import cost_matrix
from cd4ml.metrics.performance.catalogue import METRICS, SPELLINGS
from cd4ml.metrics.performance.metric import Metric, Task
from cd4ml.metrics.performance.own import load_metrics
from cd4ml.stages.evaluate_model.options import Options
from cd4ml.wording import nearest

# The options that hold a number by metric.
_BY_METRIC: Final = (
    "minimum",
    "maximum",
    "maximum_regression",
    "maximum_relative_regression",
    "no_worse_than",
    "maximum_gap",
)
# How scikit-learn's scorers call a loss whose sign they turn.
_NEGATED: Final = "neg_"


def known_metrics(options: Options, context: Context) -> dict[str, Metric]:
    """Return every metric that limits can name: the built-in ones and the user's own."""
    own = {**options.custom_metrics, **options.custom_losses}
    built_in = {*SPELLINGS, *([cost_matrix.NAME] if options.decision_costs else [])}
    twice = sorted({*own} & built_in | {*options.custom_metrics} & {*options.custom_losses})
    if twice:
        raise OptionsError(f"these metrics exist already: {', '.join(twice)}")
    known = dict(METRICS)
    if options.decision_costs:
        known[cost_matrix.NAME] = cost_matrix.declared(options.decision_costs, options.task).metric()
    if own:
        known |= load_metrics(options.custom_metrics, context.directory, greater_is_better=True)
        known |= load_metrics(options.custom_losses, context.directory, greater_is_better=False)
    return known


def with_own_names(options: Options) -> Options:
    """Return the options with metrics called as reports call them, whatever library's spelling was used.

    Raises:
        OptionsError: two spellings of one metric have different limits.
    """
    problems: list[str] = []
    changes: dict[str, Any] = {}
    for option_name in _BY_METRIC:
        limits: Mapping[str, float] = getattr(options, option_name)
        problems += _contradictions(option_name.replace("_", "-"), limits)
        changes[option_name] = {_own(name): limit for name, limit in limits.items()}
    if problems:
        raise OptionsError(problems)
    tested = tuple(dict.fromkeys(map(_own, options.not_significantly_worse)))
    primary = options.primary_metric and _own(options.primary_metric)
    return replace(options, **changes, not_significantly_worse=tested, primary_metric=primary)


def _own(name: str) -> str:
    """Return what reports call a metric; a name that no built-in metric has stays."""
    return SPELLINGS.get(name, name)


def _contradictions(option_name: str, limits: Mapping[str, float]) -> Iterable[str]:
    """Yield metrics that stand in an option in several spellings with different limits."""
    spelled: dict[str, list[str]] = {}
    for name in limits:
        spelled.setdefault(_own(name), []).append(name)
    for names in spelled.values():
        if len({limits[name] for name in names}) > 1:
            each = " and ".join(f"{name}={limits[name]:g}" for name in names)
            yield f"{option_name}: {each} are limits of the same metric; keep one"


def unknown(name: str, known: Mapping[str, Metric], task: Task) -> str:
    """Say that there is no such metric, and which there are."""
    fitting = ", ".join(metric for metric, about in known.items() if task in about.tasks)
    found = f"unknown metric `{name}`"
    if name.startswith(_NEGATED):
        loss = _own(name.removeprefix(_NEGATED))
        instead = f"set maximum: {loss}=<limit>" if loss in known else "set a maximum of a loss"
        found += f": scikit-learn turns this loss's sign, and limits here are of the loss itself, so {instead}"
    elif name == cost_matrix.NAME:
        found += ": declare what decisions cost with decision-costs: false-positive=1, false-negative=10"
    else:
        found += nearest(name, [*known, *SPELLINGS])
    return f"{found}; metrics for a {task} task: {fitting}"


def undefined_for(metric: Metric, known: Mapping[str, Metric], task: Task) -> str:
    """Say that a metric is of other tasks, and which ones of this task come from it."""
    others = " or ".join(sorted(metric.tasks))
    averages = _averages(metric.name, known, task)
    instead = f"take {' or '.join(averages)}, or " if averages else ""
    return f"`{metric.name}` is not defined for a {task} task; {instead}set task: {others} for it"


def _averages(name: str, known: Mapping[str, Metric], task: Task) -> Sequence[str]:
    """Return the metrics of a task that average another one over classes."""
    return [other for other, about in known.items() if other.startswith(f"{name}-") and task in about.tasks]
