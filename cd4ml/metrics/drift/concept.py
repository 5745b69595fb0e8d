"""Whether a model got worse on rows whose labels have arrived, and whether that lies in its inputs or in the target.

The loss of the reference rows is averaged once more with weights that make their inputs look like the current ones.
What the weights explain is a change of P(X), the inputs; what they leave is a change of P(Y|X), the relation of inputs
and target (Shimodaira 2000; Cai, Namkoong & Yadlowsky 2023, "Diagnosing model performance under distribution shift").
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.statistics.intervals import Bounds, newcombe, normal_quantile

Values = npt.NDArray[np.float64]
_STEPS: Final = 50
# Weight of the penalty, in rows: keeps the classifier finite where inputs separate the samples.
_RIDGE: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Increase:
    """By how much the mean loss grew from reference to current, in the units of the loss.

    Attributes:
        p_value: one-sided, of the hypothesis that it did not grow.
    """

    reference: float
    current: float
    n_reference: int
    n_current: int
    bounds: Bounds
    method: str
    p_value: float

    @property
    def value(self) -> float:
        """The increase."""
        return self.current - self.reference


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where an increase comes from; `from_inputs + from_relation` is the whole of it.

    Attributes:
        from_inputs, from_relation: the parts by a change of P(X) and of P(Y|X), each with 95 % bounds.
        effective_rows: reference rows that the weighted mean rests on (Kish 1965); few, where inputs hardly overlap.
    """

    from_inputs: float
    inputs_bounds: Bounds
    from_relation: float
    relation_bounds: Bounds
    effective_rows: float


def increase(reference: npt.ArrayLike, current: npt.ArrayLike, confidence: float = 0.95) -> Increase:
    """Return the increase of the mean loss between independent samples.

    Losses of 0 and 1 get Newcombe's interval, others Welch's with the normal quantile.

    Args:
        reference, current: loss of each row, shapes (n,) and (m,), n and m >= 2.
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    n, m = len(before), len(after)
    difference = float(after.mean() - before.mean())
    error = math.sqrt(_variance(before) / n + _variance(after) / m)
    method = "welch"
    if np.isin(before, (0, 1)).all() and np.isin(after, (0, 1)).all():
        method, bounds = "newcombe", newcombe((float(after.sum()), m), (float(before.sum()), n), confidence)
        share = (before.sum() + after.sum()) / (n + m)
        error = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
    else:
        half = normal_quantile((1 + confidence) / 2) * error
        bounds = Bounds(lower=difference - half, upper=difference + half)
    p_value = 0.5 * math.erfc(difference / error / math.sqrt(2)) if error > 0 else float(difference <= 0)
    return Increase(
        reference=float(before.mean()),
        current=float(after.mean()),
        n_reference=n,
        n_current=m,
        bounds=bounds,
        method=method,
        p_value=p_value,
    )


def origin(
    reference: npt.ArrayLike, current: npt.ArrayLike, inputs_reference: Values, inputs_current: Values
) -> Origin:
    """Split the increase of the mean loss into what the inputs explain and what they do not.

    Args:
        reference, current: loss of each row, shapes (n,) and (m,).
        inputs_reference, inputs_current: numbers by row, shapes (n, k) and (m, k), without gaps.
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    weights = importance_weights(inputs_reference, inputs_current)
    weighted = float(weights @ before)
    plain, now = float(before.mean()), float(after.mean())
    # Each mean is a sum of independent terms; the spread of those terms is the error of the sum.
    of_weighted = weights * (before - weighted)
    of_inputs = float(np.sqrt(np.sum((of_weighted - (before - plain) / len(before)) ** 2)))
    of_relation = math.sqrt(float(np.sum(of_weighted**2)) + _variance(after) / len(after))
    return Origin(
        from_inputs=weighted - plain,
        inputs_bounds=_around(weighted - plain, of_inputs),
        from_relation=now - weighted,
        relation_bounds=_around(now - weighted, of_relation),
        effective_rows=float(1 / np.sum(weights**2)),
    )


def importance_weights(reference: Values, current: Values) -> Values:
    """Return a weight for each reference row, shape (n,), that makes the reference look like the current data.

    The ratio of the densities is the odds of a logistic regression that tells the samples apart, on the inputs and
    their squares. The weights sum to 1.

    Source:
        Bickel, Brückner & Scheffer (2009), Journal of Machine Learning Research 10:2137.
    """
    rows = np.vstack([reference, current])
    spread = rows.std(axis=0)
    rows = np.clip((rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1), -5, 5)
    design = np.hstack([np.ones((len(rows), 1)), rows, rows**2])
    is_current = np.concatenate([np.zeros(len(reference)), np.ones(len(current))])
    scores = design[: len(reference)] @ _logistic(design, is_current)
    odds = np.exp(scores - scores.max())
    weights: Values = odds / odds.sum()
    return weights


def _logistic(design: Values, target: Values) -> Values:
    """Return the coefficients of a logistic regression with a small ridge penalty, by Newton's method."""
    coefficients = np.zeros(design.shape[1])
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[0] = 1e-6
    for _ in range(_STEPS):
        probabilities = 1 / (1 + np.exp(-np.clip(design @ coefficients, -30, 30)))
        slope = design.T @ (target - probabilities) - penalty * coefficients
        curvature = (design * (probabilities * (1 - probabilities))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        coefficients += step
        if np.abs(step).max() < 1e-8:
            break
    return coefficients


def _variance(values: npt.NDArray[Any]) -> float:
    """Return the unbiased variance."""
    return float(values.var(ddof=1)) if len(values) > 1 else math.inf


def _around(value: float, error: float) -> Bounds:
    """Return 95 % bounds around an estimate."""
    half = normal_quantile(0.975) * error
    return Bounds(lower=value - half, upper=value + half)
