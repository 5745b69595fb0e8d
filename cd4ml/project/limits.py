"""Limits for a model, from what today's model reaches: nothing is made up, and each limit says what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cd4ml.data.predictions.table import read_predictions
from cd4ml.data.tables.dialect import Reading
from cd4ml.data.tables.opening import open_table
from cd4ml.metrics.performance.catalogue import FIRST, METRICS, WITHOUT_SKILL
from cd4ml.metrics.performance.evaluation import Value, evaluate
from cd4ml.metrics.performance.metric import Metric, Needs, Share, Task
from cd4ml.metrics.performance.samples import Reader
from cd4ml.project.findings import Finding, Limits

if TYPE_CHECKING:
    import pandas as pd

# What a new model may lose at least: less than that, retraining with another seed takes and gives.
_SMALLEST: Final = 0.01
_SMALLEST_SHARE: Final = 0.05
_LOSS: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class Present:
    """What a model reaches today.

    Attributes:
        compared: whether the table holds production's predictions as well.
    """

    rows: int
    values: Mapping[str, Value]
    labels: pd.Series[Any]
    compared: bool


def present(predictions: str, task: Task, positive_label: str | None, reading: Reading) -> Present:
    """Compute what a table of predictions reaches.

    Raises:
        OptionsError, UnavailableError: it cannot be read, or not as one of this task.
    """
    found = read_predictions(open_table(predictions, reading=reading), others=())
    reader = Reader(source=predictions, task=task, positive_label=positive_label)
    sample = reader.sample(found.frame)
    metrics = [
        METRICS[name] for name in FIRST[task] if METRICS[name].needs is Needs.DECISIONS or sample.y_score is not None
    ]
    whole = evaluate([metric.of_task(task) for metric in metrics], sample, None, task=task, seed=0)
    return Present(
        rows=len(found.frame),
        values={name: result.candidate for name, result in whole.results.items()},
        labels=found.frame["y_true"],
        compared="production_y_pred" in found.frame.columns,
    )


def from_present(found: Present, about: str, *, production: bool) -> Limits:
    """Return limits a stated allowance below what a model reaches today.

    Args:
        about: the model and its rows, for people.
    """
    minimum, maximum = {}, {}
    for name, reached in found.values.items():
        if reached.value is None or not math.isfinite(reached.value):
            continue
        metric = METRICS[name]
        allowance, why = _allowance(metric, reached)
        if metric.greater_is_better:
            limit = max(_down(reached.value - allowance), WITHOUT_SKILL.get(name, -math.inf))
            minimum[name] = Finding(value=limit, why=_why(name, reached, about, allowance, "below", why))
        else:
            limit = _up(reached.value + allowance)
            maximum[name] = Finding(value=limit, why=_why(name, reached, about, allowance, "above", why))
    return Limits(minimum=minimum, maximum=maximum, regression=_losses({**minimum, **maximum}) if production else {})


def without_skill(task: Task, counts: Mapping[Any, int], *, scores: bool, production: bool) -> Limits:
    """Return the limits that hold for any model: it must know more than one that has learned nothing.

    Args:
        counts: rows by true value.
    """
    rows, names = sum(counts.values()), FIRST[task]
    minimum = {
        name: Finding(value=WITHOUT_SKILL[name], why=f"{name} of a model that has learned nothing")
        for name in names
        if name in WITHOUT_SKILL and (scores or METRICS[name].needs is Needs.DECISIONS)
    }
    for name in names:
        if METRICS[name].share is Share.ALL and rows:
            value, most = max(counts.items(), key=lambda item: item[1])
            share = f"always answering `{value}` reaches {most / rows:.3f} on the {rows:,} test rows"
            minimum[name] = Finding(value=_down(most / rows), why=share)
    return Limits(minimum=minimum, regression=_losses(minimum) if production else {})


def _losses(names: Mapping[str, object]) -> dict[str, float]:
    """Return how much of each metric may be lost against production; of one without bounds nothing is said."""
    return {name: _LOSS for name in names if math.isfinite(METRICS[name].highest)}


def _allowance(metric: Metric, reached: Value) -> tuple[float, str]:
    """Return how far below today's value a limit stands, and why so far."""
    assert reached.value is not None
    least = _SMALLEST if math.isfinite(metric.highest) else _SMALLEST_SHARE * abs(reached.value)
    width = 0.0
    if reached.interval is not None:
        end = reached.interval.lower if metric.greater_is_better else reached.interval.upper
        width = abs(reached.value - end) if math.isfinite(end) else 0.0
    if width > least:
        return width, "the end of its 95% interval on so many rows"
    return least, "what retraining may cost" if math.isfinite(metric.highest) else "5%, what retraining may cost"


def _why(name: str, reached: Value, about: str, allowance: float, side: str, why: str) -> str:
    """Say what a limit rests on."""
    return f"{name} is {reached.value:.4g} today ({about}); the limit is {allowance:.2g} {side} that: {why}"


def _down(value: float) -> float:
    """Return a number of three decimals that is not above a value."""
    return math.floor(value * 1000 + 1e-9) / 1000


def _up(value: float) -> float:
    """Return a number of three digits that is not below a value."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.ceil(value / step - 1e-9) * step:.6g}")
