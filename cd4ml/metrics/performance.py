"""Performance metrics by name, for binary and multiclass classification and for regression.

scikit-learn computes them; this module says which direction is better and what each needs, and turns "undefined" into
an exception: scikit-learn returns 0 or not-a-number with a warning there, and both have passed as results.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    REGRESSION = "regression"


class UndefinedMetricError(ValueError):
    """The metric has no value on these rows; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a metric is computed from; all arrays have shape (n,).

    Attributes:
        y_true: for binary tasks 1 (positive) and 0, otherwise labels or numbers.
        y_pred: decisions of the same kind.
        y_score: probability of the positive class, None if the table has none.
        weight: positive weights, None for equal ones.
    """

    y_true: Vector
    y_pred: Vector
    y_score: Vector | None = None
    weight: Vector | None = None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that limits can name.

    Attributes:
        greater_is_better: the direction in which a change is an improvement.
        needs_score: computed from `y_score`.
    """

    tasks: frozenset[Task]
    greater_is_better: bool
    function: Callable[[Any, Sample], float]
    needs_score: bool = False


def _labels(name: str, **arguments: Any) -> Callable[[Any, Sample], float]:
    """Return a metric of labels by scikit-learn's name."""

    def compute(library: Any, sample: Sample) -> float:
        function = getattr(library, name)
        return float(function(sample.y_true, sample.y_pred, sample_weight=sample.weight, **arguments))

    return compute


def _averages(name: str, average: str) -> Callable[[Any, Sample], float]:
    """Return a metric averaged over classes; a class for which it is undefined makes the average undefined.

    scikit-learn leaves such a class out of the average, which rewards a model that never predicts it.
    """

    def compute(library: Any, sample: Sample) -> float:
        function, weight = getattr(library, name), sample.weight
        shared = {"sample_weight": weight, **_STRICT}
        by_class = function(sample.y_true, sample.y_pred, average=None, **shared)
        if not all(math.isfinite(value) for value in by_class.tolist()):
            raise UndefinedMetricError("some class is never predicted, or occurs among the predictions alone")
        return float(function(sample.y_true, sample.y_pred, average=average, **shared))

    return compute


def _scores(name: str) -> Callable[[Any, Sample], float]:
    """Return a metric of scores by scikit-learn's name."""

    def compute(library: Any, sample: Sample) -> float:
        return float(getattr(library, name)(sample.y_true, sample.y_score, sample_weight=sample.weight))

    return compute


_ALL: Final = frozenset({Task.BINARY, Task.MULTICLASS})
_BINARY: Final = frozenset({Task.BINARY})
_REGRESSION: Final = frozenset({Task.REGRESSION})
_STRICT: Final = {"zero_division": math.nan}


def _averaged(name: str) -> dict[str, Metric]:
    """Return the binary, macro and weighted forms of precision, recall and F1."""
    function, key = f"{name}_score", name
    binary = Metric(tasks=_BINARY, greater_is_better=True, function=_labels(function, **_STRICT))
    averages = {
        f"{key}-{average}": Metric(tasks=_ALL, greater_is_better=True, function=_averages(function, average))
        for average in ("macro", "weighted")
    }
    return {key: binary, **averages}


METRICS: Final[Mapping[str, Metric]] = {
    "accuracy": Metric(tasks=_ALL, greater_is_better=True, function=_labels("accuracy_score")),
    "balanced-accuracy": Metric(tasks=_ALL, greater_is_better=True, function=_labels("balanced_accuracy_score")),
    **_averaged("precision"),
    **_averaged("recall"),
    **_averaged("f1"),
    "roc-auc": Metric(tasks=_BINARY, greater_is_better=True, function=_scores("roc_auc_score"), needs_score=True),
    "pr-auc": Metric(
        tasks=_BINARY, greater_is_better=True, function=_scores("average_precision_score"), needs_score=True
    ),
    "log-loss": Metric(tasks=_BINARY, greater_is_better=False, function=_scores("log_loss"), needs_score=True),
    "brier": Metric(tasks=_BINARY, greater_is_better=False, function=_scores("brier_score_loss"), needs_score=True),
    "rmse": Metric(tasks=_REGRESSION, greater_is_better=False, function=_labels("root_mean_squared_error")),
    "mae": Metric(tasks=_REGRESSION, greater_is_better=False, function=_labels("mean_absolute_error")),
    "r2": Metric(tasks=_REGRESSION, greater_is_better=True, function=_labels("r2_score")),
    "mape": Metric(tasks=_REGRESSION, greater_is_better=False, function=_labels("mean_absolute_percentage_error")),
}


def compute(name: str, sample: Sample) -> float:
    """Return a metric's value.

    Raises:
        UndefinedMetricError: it has none: one class only, nothing predicted positive, no scores.

    Source:
        sklearn.metrics (1.9); see tests/reference for published values.
    """
    from sklearn import metrics as library

    metric = METRICS[name]
    if metric.needs_score:
        _check_scores(name, sample)
    elif metric.tasks is not _REGRESSION and len(set(sample.y_true.tolist())) < 2:
        raise UndefinedMetricError("the true values are all of one class")
    if name == "mape" and (sample.y_true == 0).any():
        raise UndefinedMetricError("some true values are 0, where a percentage error is infinite")
    if name == "r2" and len(set(sample.y_true.tolist())) < 2:
        raise UndefinedMetricError("the true values are all equal")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            value = metric.function(library, sample)
        except (Warning, ValueError) as error:
            raise UndefinedMetricError(str(error).splitlines()[0]) from error
    if not math.isfinite(value):
        raise UndefinedMetricError("it divides by zero here: no row has the class or the prediction it is about")
    return value


def _check_scores(name: str, sample: Sample) -> None:
    """Refuse what scores cannot be computed from."""
    if sample.y_score is None:
        raise UndefinedMetricError("the predictions table has no scores")
    if len(set(sample.y_true.tolist())) < 2:
        raise UndefinedMetricError("the true values are all of one class")
    if name in ("log-loss", "brier") and not all(0 <= score <= 1 for score in sample.y_score.tolist()):
        raise UndefinedMetricError("some scores lie outside 0 to 1: these are no probabilities")


def scores_reversed(sample: Sample) -> bool:
    """Whether scores fall where decisions rise: they are of the other class. False if nothing can be said."""
    from sklearn import metrics as library

    if sample.y_score is None or len(set(sample.y_pred.tolist())) != 2:
        return False
    return float(library.roc_auc_score(sample.y_pred, sample.y_score)) < 0.5


def confusion_matrix(sample: Sample, task: Task) -> dict[str, Any]:
    """Return labels and counts (rows: true, columns: predicted), weighted if weights are given."""
    from sklearn import metrics as library

    both = {0, 1} if task is Task.BINARY else set()
    labels = sorted({*both, *sample.y_true.tolist(), *sample.y_pred.tolist()}, key=str)
    if len(labels) == 1:
        total = len(sample.y_true) if sample.weight is None else float(sample.weight.astype(float).sum())
        return {"labels": [str(labels[0])], "counts": [[total]]}
    matrix = library.confusion_matrix(sample.y_true, sample.y_pred, labels=labels, sample_weight=sample.weight)
    return {"labels": [str(label) for label in labels], "counts": matrix.tolist()}
