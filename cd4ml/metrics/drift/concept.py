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

from cd4ml.data.profile.losses import Losses, losses_of
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
            None where nothing is weighted.
    """

    from_inputs: float
    inputs_bounds: Bounds
    from_relation: float
    relation_bounds: Bounds
    effective_rows: float | None
    method: str = "importance-weighting"


def increase(reference: npt.ArrayLike, current: npt.ArrayLike, confidence: float = 0.95) -> Increase:
    """Return the increase of the mean loss between independent samples.

    Losses of 0 and 1 get Newcombe's interval, others Welch's with the normal quantile.

    Args:
        reference, current: loss of each row, shapes (n,) and (m,), n and m >= 2.
    """
    before, after = np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64)
    shares = bool(np.isin(before, (0, 1)).all() and np.isin(after, (0, 1)).all())
    return increase_of_sums(losses_of(before), losses_of(after), shares=shares, confidence=confidence)


def increase_of_sums(before: Losses, after: Losses, *, shares: bool, confidence: float = 0.95) -> Increase:
    """Return the increase of the mean loss between independent samples, by their sums; see `increase`.

    Args:
        before, after: of 2 losses at least.
        shares: whether all losses are 0 or 1.
    """
    difference = after.mean - before.mean
    error = math.sqrt(before.variance / before.n + after.variance / after.n)
    method = "welch"
    if shares:
        method, bounds = "newcombe", newcombe((after.total, after.n), (before.total, before.n), confidence)
        share = (before.total + after.total) / (before.n + after.n)
        error = math.sqrt(share * (1 - share) * (1 / before.n + 1 / after.n))
    else:
        half = normal_quantile((1 + confidence) / 2) * error
        bounds = Bounds(lower=difference - half, upper=difference + half)
    p_value = 0.5 * math.erfc(difference / error / math.sqrt(2)) if error > 0 else float(difference <= 0)
    return Increase(
        reference=before.mean,
        current=after.mean,
        n_reference=before.n,
        n_current=after.n,
        bounds=bounds,
        method=method,
        p_value=p_value,
    )


def origin_by_probabilities(before: Losses, after: Losses) -> Origin:
    """Split the increase of the error rate by the model's own probabilities, where no row of the reference is kept.

    The loss that a calibrated probability lets expect is E[loss | x], so the change of its mean comes with the inputs,
    and what the losses are above it is left to P(Y|X) (the terms of Cai, Namkoong & Yadlowsky 2023). What is above it
    in the reference already, because the probabilities are not quite calibrated, is no change.

    Args:
        before, after: of 2 losses at least, each with the one that was to be expected (`is_told`).
    """
    inputs = after.expected_mean - before.expected_mean
    relation = (after.mean - after.expected_mean) - (before.mean - before.expected_mean)
    of_inputs = before.expected_variance / before.n + after.expected_variance / after.n
    of_relation = before.rest_variance / before.n + after.rest_variance / after.n
    return Origin(
        from_inputs=inputs,
        inputs_bounds=_around(inputs, math.sqrt(of_inputs)),
        from_relation=relation,
        relation_bounds=_around(relation, math.sqrt(of_relation)),
        effective_rows=None,
        method="own-probabilities",
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
