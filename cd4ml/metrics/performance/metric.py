"""Performance metrics by name, for classification (one of two or several classes, or any of several) and regression.

This module says which metrics there are, which direction is better and what each needs. The numbers come from `labels`
(metrics of decisions), `ranking`, `losses` and `calibration`; `estimates` picks the one that computes a metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.generic]


class Task(StrEnum):
    """What the model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"


class UndefinedMetricError(ValueError):
    """The metric has no value on these rows; the text says why.

    scikit-learn returns 0 or not-a-number with a warning there, and both have passed as results.
    """


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a metric is computed from; all arrays but the classes' scores have shape (n,).

    Attributes:
        y_true: for binary tasks 1 (positive) and 0, otherwise labels or numbers.
        y_pred: decisions of the same kind.
        y_score: probability of the positive class, None if the table has none.
        weight: positive weights, None for equal ones.
        names: what the data call 0 and 1, of a binary task.
        labels: the classes, if `y_true` and `y_pred` are indices into them; of a multilabel task the different sets.
        sets: whether the labels are sets of labels.
        quantile: which quantile of the target `y_pred` predicts, for quantile-loss.
        scores: shape (n, K), the score of each of the K labels; None if the table has not all of them.
    """

    y_true: Vector
    y_pred: Vector
    y_score: Vector | None = None
    weight: Vector | None = None
    labels: tuple[str, ...] | None = None
    quantile: float = 0.5
    scores: npt.NDArray[np.float64] | None = None
    sets: bool = False
    names: tuple[str, str] | None = None

    def rows(self, chosen: npt.NDArray[Any]) -> Sample:
        """Return the sample of some rows, by a mask or by indices."""
        return Sample(
            y_true=self.y_true[chosen],
            y_pred=self.y_pred[chosen],
            y_score=None if self.y_score is None else self.y_score[chosen],
            weight=None if self.weight is None else self.weight[chosen],
            labels=self.labels,
            quantile=self.quantile,
            scores=None if self.scores is None else self.scores[chosen],
            sets=self.sets,
            names=self.names,
        )


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that limits can name.

    Attributes:
        greater_is_better: the direction in which a change is an improvement.
        needs_score: computed from `y_score`, of several classes from `scores`.
        lowest, highest: the ends of its range.
        function: a user's own metric, of the rows.
    """

    name: str
    tasks: frozenset[Task]
    greater_is_better: bool
    needs_score: bool = False
    lowest: float = 0.0
    highest: float = 1.0
    function: Callable[[Sample], float] | None = None


ALL_TASKS: Final = frozenset(Task)
_CLASSES: Final = frozenset({Task.BINARY, Task.MULTICLASS})
_BINARY: Final = frozenset({Task.BINARY})
_MULTICLASS: Final = frozenset({Task.MULTICLASS})
_MULTILABEL: Final = frozenset({Task.MULTILABEL})
_REGRESSION: Final = frozenset({Task.REGRESSION})


def _share(name: str, tasks: frozenset[Task], *, needs_score: bool = False) -> Metric:
    """Return a metric between 0 and 1 that is better when greater."""
    return Metric(name=name, tasks=tasks, greater_is_better=True, needs_score=needs_score)


def _loss(name: str, tasks: frozenset[Task], *, highest: float = math.inf) -> Metric:
    """Return a metric that is better when smaller."""
    needs_score = tasks is _CLASSES
    return Metric(name=name, tasks=tasks, greater_is_better=False, needs_score=needs_score, highest=highest)


METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        _share("accuracy", _CLASSES | _MULTILABEL),
        _share("balanced-accuracy", _CLASSES),
        *(_share(kind, _BINARY) for kind in ("precision", "recall", "f1")),
        *(_share(f"{kind}-macro", _CLASSES) for kind in ("precision", "recall")),
        _share("f1-macro", _CLASSES | _MULTILABEL),
        _share("f1-micro", _MULTILABEL),
        _loss("hamming-loss", _MULTILABEL, highest=1.0),
        *(_share(f"{kind}-weighted", _CLASSES) for kind in ("precision", "recall", "f1")),
        _share("roc-auc", _BINARY, needs_score=True),
        _share("pr-auc", _BINARY, needs_score=True),
        _share("roc-auc-macro", _MULTICLASS, needs_score=True),
        _share("roc-auc-weighted", _MULTICLASS, needs_score=True),
        _loss("log-loss", _CLASSES),
        _loss("brier", _CLASSES, highest=1.0),
        _loss("calibration-error", _CLASSES, highest=1.0),
        _loss("rmse", _REGRESSION),
        _loss("mae", _REGRESSION),
        Metric(name="r2", tasks=_REGRESSION, greater_is_better=True, lowest=-math.inf),
        _loss("mape", _REGRESSION),
        _loss("quantile-loss", _REGRESSION),
    )
}


def of_task(metric: Metric, task: Task) -> Metric:
    """Return a metric with its range for a task: the Brier score of several classes is a sum, from 0 to 2."""
    return replace(metric, highest=2.0) if metric.name == "brier" and task is Task.MULTICLASS else metric
