"""How well a binary classifier does where no label has arrived yet: from its own probabilities.

The method is confidence-based performance estimation (CBPE) of NannyML, as its documentation defines it ("How it works:
estimation of performance of the monitored model"): a prediction of the positive class with probability p is a true
positive with probability p and a false positive with 1 - p. It holds as long as the probabilities are calibrated; a
change of P(Y|X) it cannot see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.statistics.intervals import Bounds, normal_quantile
from cd4ml.metrics.statistics.proportion import CONFIDENCE

METHOD = "cbpe"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The expected confusion matrix of some predictions; those of several parts add up.

    Attributes:
        n: predictions.
        tp, fp, tn, fn: expected counts.
        variance: of the number of correct predictions, which are independent given their probabilities.
    """

    n: int = 0
    tp: float = 0.0
    fp: float = 0.0
    tn: float = 0.0
    fn: float = 0.0
    variance: float = 0.0

    def __add__(self, other: Expected) -> Expected:
        """Return the matrix of both parts."""
        return Expected(
            n=self.n + other.n,
            tp=self.tp + other.tp,
            fp=self.fp + other.fp,
            tn=self.tn + other.tn,
            fn=self.fn + other.fn,
            variance=self.variance + other.variance,
        )

    @property
    def accuracy(self) -> float:
        """Expected share of correct predictions; n > 0."""
        return (self.tp + self.tn) / self.n

    @property
    def precision(self) -> float | None:
        """Expected share of positive predictions that are right, None without one."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the expected positives that are found, None where none is expected."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall, None where both have no meaning."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy_bounds(self) -> Bounds:
        """Where the accuracy lies once the labels are there; see `accuracy_bounds`."""
        return accuracy_bounds(self.accuracy, self.variance, self.n)


def accuracy_bounds(accuracy: float, variance: float, n: int) -> Bounds:
    """Return where an accuracy that is expected lies once the labels are there, with 95 % (normal approximation).

    Args:
        variance: of the number of correct predictions among `n`, which is above 0.
    """
    half = normal_quantile((1 + CONFIDENCE) / 2) * math.sqrt(max(0.0, variance)) / n
    return Bounds(lower=max(0.0, accuracy - half), upper=min(1.0, accuracy + half))


def expected(positive: npt.ArrayLike, probability: npt.ArrayLike) -> Expected:
    """Return the expected confusion matrix of predictions.

    Args:
        positive: whether each prediction is the positive class, shape (n,).
        probability: of the positive class, calibrated and in [0, 1], shape (n,).
    """
    said = np.asarray(positive, dtype=bool)
    p = np.asarray(probability, dtype=np.float64)
    correct = np.where(said, p, 1 - p)
    return Expected(
        n=len(p),
        tp=float(p[said].sum()),
        fp=float((1 - p[said]).sum()),
        tn=float((1 - p[~said]).sum()),
        fn=float(p[~said].sum()),
        variance=float((correct * (1 - correct)).sum()),
    )


def _ratio(part: float, whole: float) -> float | None:
    """Return a ratio, None of nothing."""
    return part / whole if whole > 0 else None
