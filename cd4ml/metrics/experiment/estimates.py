"""Estimates of one variant, and their differences, with standard errors.

Means, proportions and ratios are means of one value a unit: a ratio by its linearisation. So a covariate of the time
before the experiment reduces the variance of each of them in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cd4ml.metrics.statistics.intervals import normal_quantile

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one variant's units say of a metric.

    Attributes:
        n: units.
        standard_error: 0 where all units have the same value.
        degrees: of freedom; infinite where the estimate is taken for normal.
    """

    n: int
    value: float
    standard_error: float
    degrees: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A variant's estimate less the control's; `n` counts the units of both."""

    n: int
    value: float
    standard_error: float
    degrees: float

    @property
    def statistic(self) -> float:
        """The difference in standard errors."""
        return self.value / self.standard_error


def mean(values: Floats) -> Estimate:
    """Return the mean of at least 2 values."""
    n = len(values)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    # What is left of equal values is rounding.
    error = 0.0 if error <= 1e-12 * float(np.abs(values).max(initial=0.0)) else error
    return Estimate(n=n, value=float(values.mean()), standard_error=error, degrees=n - 1)


def proportion(values: Floats) -> Estimate:
    """Return the share of ones among zeros and ones."""
    n, share = len(values), float(values.mean())
    return Estimate(n=n, value=share, standard_error=math.sqrt(share * (1 - share) / n))


def linearised(numerator: Floats, denominator: Floats) -> Floats:
    """Return one value a unit whose mean is the ratio of the sums, and whose variance is that of the delta method.

    Args:
        denominator: with a sum above 0.

    Source:
        Deng, Knoblich & Lu (2018), Applying the delta method in metric analytics, KDD '18, section 2.2.
    """
    ratio = float(numerator.sum() / denominator.sum())
    return np.asarray(ratio + (numerator - ratio * denominator) / denominator.mean(), dtype=float)


def places(n: int, share: float, confidence: float = 0.95) -> tuple[int, int]:
    """Return the places of the order statistics between which a quantile of n values lies; some may not exist."""
    reach = normal_quantile((1 + confidence) / 2) * math.sqrt(n * share * (1 - share))
    return math.floor(n * share - reach), math.ceil(n * share + reach)


def has_quantile(n: int, share: float) -> bool:
    """Whether n values reach far enough beyond a quantile for its standard error."""
    low, high = places(n, share)
    return low >= 0 and high < n


def quantile(values: Floats, share: float, confidence: float = 0.95) -> Estimate:
    """Return a quantile; its standard error is that of the interval between two order statistics.

    Args:
        values: so many that `has_quantile`.

    Source:
        Woodruff (1952), JASA 47:635; for experiments, section 3 of Schultzberg & Ankargren (2022), Resampling-free
        bootstrap inference for quantiles.
    """
    n, z = len(values), normal_quantile((1 + confidence) / 2)
    low, high = places(n, share, confidence)
    ordered = np.partition(values, (low, high))
    error = float(ordered[high] - ordered[low]) / (2 * z)
    return Estimate(n=n, value=float(np.quantile(values, share)), standard_error=error)


def adjusted(values: Sequence[Floats], covariates: Sequence[Floats]) -> tuple[list[Floats], float]:
    """Return the values of each variant less what a covariate of the time before explains, and by how much that helps.

    Args:
        values, covariates: of each variant's units, in the same order; the covariate is not constant.

    Returns:
        The adjusted values, and the share of the variance that is gone.

    Source:
        CUPED: Deng, Xu, Kohavi & Walker (2013), WSDM '13, equation 4, with theta of all variants together.
    """
    centred = [one - one.mean() for one in values]
    before = [one - one.mean() for one in covariates]
    square = sum(float(one @ one) for one in before)
    theta = sum(float(a @ b) for a, b in zip(centred, before, strict=True)) / square
    middle = float(np.concatenate(list(covariates)).mean())
    found = [one - theta * (other - middle) for one, other in zip(values, covariates, strict=True)]
    total = sum(float(one @ one) for one in centred)
    return found, theta * theta * square / total if total else 0.0


def difference(variant: Estimate, control: Estimate) -> Difference:
    """Return variant - control, of independent units; degrees of freedom by Welch (1947), Biometrika 34:28."""
    variances = [one.standard_error**2 for one in (variant, control)]
    spread = sum(v * v / one.degrees for v, one in zip(variances, (variant, control), strict=True))
    return Difference(
        n=variant.n + control.n,
        value=variant.value - control.value,
        standard_error=math.sqrt(sum(variances)),
        degrees=sum(variances) ** 2 / spread if spread else math.inf,
    )
