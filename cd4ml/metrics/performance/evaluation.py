"""All metrics of two models on the same rows: what checks decide on, without the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cd4ml.metrics.performance.comparison import Comparison, compare, gap
from cd4ml.metrics.performance.measurement import Measured, measure
from cd4ml.metrics.performance.metric import Metric, Sample, Task, UndefinedMetricError
from cd4ml.report import Interval

# Below, the methods for binary tasks block or pass more often than they say: 6.0 to 6.3 % with 10 to 25 positives.
CLASS_FLOOR: Final = 50


@dataclass(frozen=True, kw_only=True)
class Value:
    """A metric of one model.

    Attributes:
        value: None where it is undefined; `problem` says why.
    """

    value: float | None
    interval: Interval | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """A metric of the candidate and of production, if there is one.

    Attributes:
        comparison: None without production, or where `problem` says why there is none.
    """

    metric: Metric
    candidate: Value
    production: Value | None
    comparison: Comparison | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Every metric on some rows.

    Attributes:
        slice: the rows' values by column, empty for all rows.
        positives: rows of the positive class, None if the task has none.
        design_effect: how many times less these rows count than independent ones would.
    """

    n: int
    positives: int | None
    results: Mapping[str, Result]
    slice: Mapping[str, str]
    design_effect: float = 1.0

    @property
    def smaller_class(self) -> int | None:
        """Rows of the class that has fewer, None if the task has no positive class."""
        return None if self.positives is None else min(self.positives, self.n - self.positives)


def evaluate(
    metrics: Sequence[Metric],
    candidate: Sample,
    production: Sample | None,
    *,
    task: Task,
    seed: int,
    slice: Mapping[str, str] | None = None,
) -> Evaluation:
    """Compute every metric, one after the other: what a row contributes is dropped before the next one."""
    positives = int(np.count_nonzero(candidate.y_true == 1)) if task is Task.BINARY else None
    results = {metric.name: _result(metric, candidate, production, seed) for metric in metrics}
    return Evaluation(
        n=len(candidate.y_true),
        positives=positives,
        results=results,
        slice=slice or {},
        design_effect=candidate.design_effect,
    )


def _result(metric: Metric, candidate: Sample, production: Sample | None, seed: int) -> Result:
    """Compute one metric of both models and compare them."""
    first, of_first = _value(metric, candidate, seed)
    if production is None:
        return Result(metric=metric, candidate=of_first, production=None, comparison=None)
    second, of_second = _value(metric, production, seed, sure=False)
    problem = of_first.problem or of_second.problem
    comparison = compare(first, second) if first is not None and second is not None else None
    return Result(metric=metric, candidate=of_first, production=of_second, comparison=comparison, problem=problem)


def _value(metric: Metric, sample: Sample, seed: int, *, sure: bool = True) -> tuple[Measured | None, Value]:
    """Compute a metric, or say why it has no value.

    Args:
        sure: whether to compute its interval.
    """
    try:
        found = measure(metric, sample, seed)
    except UndefinedMetricError as error:
        return None, Value(value=None, problem=str(error))
    return found, Value(value=found.value, interval=found.interval if sure else None)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A metric on training and on test rows.

    Attributes:
        interval: of train minus test.
    """

    metric: Metric
    train: Value
    test: Value
    interval: Interval | None

    @property
    def problem(self) -> str:
        """Why there is no gap, empty if there is one."""
        return self.train.problem or self.test.problem


def gap_of(metric: Metric, train: Sample, test: Sample, seed: int) -> Gap:
    """Compute a metric on training and on test rows, which share none."""
    (first, of_train), (second, of_test) = (_value(metric, sample, seed) for sample in (train, test))
    interval = gap(first, second) if first is not None and second is not None else None
    return Gap(metric=metric, train=of_train, test=of_test, interval=interval)
