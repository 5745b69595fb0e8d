"""What a performance metric is: the rows it is computed from, what it needs, its range, and how sure it can be.

Which metrics there are, stands in `catalogue`: one row for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vector = npt.NDArray[np.generic]
    Floats = npt.NDArray[np.float64]


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
        design_effect: how many times as large variances are as those of so many independent rows; 1 where no row
            stands for another. Rows, and counts of rows, count that many times less in intervals and tests (Rao &
            Scott 1992, Biometrics 48:577); values stay as they are.
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
    design_effect: float = 1.0

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
            design_effect=self.design_effect,
        )


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric's value and what each row contributes to its error.

    Attributes:
        influence: shape (n,); the sum of squares estimates the variance of the value, and of the difference of two
            models on the same rows if the influences are subtracted first. None where a bootstrap takes that place.
        degrees: degrees of freedom of the standard error.
    """

    value: float
    influence: Floats | None = None
    degrees: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class CellEstimate:
    """A metric's value, shape (...), and its gradient by the cells, shape (..., K, K)."""

    value: Floats
    gradient: Floats


class Needs(StrEnum):
    """What a metric is computed from, beside the true values."""

    DECISIONS = "decisions"
    SCORES = "scores"
    PROBABILITIES = "probabilities"


class Share(StrEnum):
    """The rows of which a metric is the plain share that is right."""

    ALL = "all rows"
    POSITIVE = "rows of the positive class"
    DECIDED = "rows decided for the positive class"


DELTA_METHOD: Final = "delta method"
NO_ROW: Final = "it divides by zero here: no row has the class or the prediction it is about"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric that limits can name.

    One of the four computations is set, or several for different tasks. How sure a value is follows from them: metrics
    of counts get score intervals or a bootstrap of counts, those with influences the delta method (`method` names it),
    a user's own function a bootstrap of rows.

    Attributes:
        aliases: what scikit-learn and MLflow call it, where that is more than another hyphen.
        synonyms: what other libraries and people call it, and mean nothing else by.
        greater_is_better: the direction in which a change is an improvement.
        needs: what of a model it looks at; of several classes, scores and probabilities are those of each class.
        lowest, highest: the ends of its range; `highest_of_classes` where it is another for several classes.
        of_counts: computed from confusion matrices, shape (..., K, K).
        of_rows: computed from the rows, with their influences.
        of_classes: the same from the scores of each of several classes.
        of_sets: the same from sets of labels.
        function: a user's own metric, of the rows.
        share: which rows it is a plain share of, if it is one.
        biased: whether chance alone makes it greater than it is, so that no loss can be shown to be small.
        why_undefined: why it has no finite value where it has none.
    """

    name: str
    tasks: frozenset[Task]
    greater_is_better: bool
    aliases: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    needs: Needs = Needs.DECISIONS
    lowest: float = 0.0
    highest: float = 1.0
    highest_of_classes: float | None = None
    of_counts: Callable[[Floats], CellEstimate] | None = None
    of_rows: Callable[[Sample], Estimate] | None = None
    of_classes: Callable[[Sample], Estimate] | None = None
    of_sets: Callable[[Sample], Estimate] | None = None
    function: Callable[[Sample], float] | None = None
    share: Share | None = None
    method: str = DELTA_METHOD
    biased: bool = False
    why_undefined: str = NO_ROW

    def of_task(self, task: Task) -> Metric:
        """Return the metric with its range for a task."""
        if task is not Task.MULTICLASS or self.highest_of_classes is None:
            return self
        return replace(self, highest=self.highest_of_classes)

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every name that limits may use, that of reports first."""
        return tuple(dict.fromkeys([self.name, self.name.replace("-", "_"), *self.aliases, *self.synonyms]))


ALL_TASKS: Final = frozenset(Task)
