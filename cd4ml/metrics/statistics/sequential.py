"""Looking at growing data again and again: intervals and p-values that hold at every look at once.

A test at 5 % that is repeated at 30 looks finds a difference in 29 % of the comparisons without one. What is here holds
at any number of looks, decided at any time. `group_sequential` has more power where the looks are declared beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from scipy import special

from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Interval

METHOD: Final = "confidence sequence"
_STEPS: Final = 200


@lru_cache
def tuning(alpha: float) -> float:
    """Return rho squared times the n for which a sequence is tuned: it is tightest there.

    A sequence that is tuned for n observations has rho squared = `tuning(alpha) / n`.

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Annals of Statistics 52:2613, appendix B.2; proposition 3
        of Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49:1055. For
        one side they take that of 2 alpha.
    """
    return float(-special.lambertw(-(alpha**2) / math.e, k=-1).real) - 1


def half_width(standard_error: float, progress: float, alpha: float) -> float:
    """Return half the width of a two-sided confidence sequence, in the units of the standard error.

    Args:
        standard_error: of the estimate now, of any estimate that is asymptotically normal; at least 0.
        progress: observations so far over those that it is tuned for; above 0. It may exceed 1.
        alpha: chance that the sequence ever leaves out the true value, in (0, 1).

    Source:
        Asymptotic confidence sequence, theorem 2.2 of Waudby-Smith et al. (2024): a normal mixture (Robbins 1970).
    """
    u = tuning(alpha) * progress
    return standard_error * math.sqrt((u + 1) / u * math.log((u + 1) / alpha**2))


def one_sided_width(standard_error: float, progress: float, alpha: float) -> float:
    """Return how far a one-sided confidence sequence reaches from the estimate, in the units of the standard error.

    Source:
        One-sided normal mixture, proposition 6 of Howard et al. (2021), solved without their closed approximation.
    """
    low, high = -8.0, 8.0
    while _one_sided(high, progress, alpha) > alpha:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _one_sided(middle, progress, alpha) > alpha else (low, middle)
    return standard_error * high


def always_valid(value: float, standard_error: float, progress: float, confidence: float = 0.95) -> Interval:
    """Return the interval of an estimate that holds at all looks at once; for the arguments see `half_width`."""
    half = half_width(standard_error, progress, 1 - confidence)
    return Bounds(lower=value - half, upper=value + half).named(confidence, METHOD)


def p_value(statistic: float, progress: float, alpha: float = 0.05) -> float:
    """Return the always-valid two-sided p-value: at any look, below `alpha` exactly where the sequence leaves out 0.

    Args:
        statistic: the estimate over its standard error.
        progress, alpha: what the sequence is tuned for, as in `half_width`.

    Source:
        Johari, Koomen, Pekelis & Walsh (2022), Operations Research 70:1806: the inverse mixture likelihood ratio.
    """
    u = tuning(alpha) * progress
    log = math.log1p(u) / 2 - statistic**2 * u / (2 * (u + 1))
    return min(1.0, math.exp(min(0.0, log)))


def one_sided_p_value(statistic: float, progress: float, alpha: float = 0.05) -> float:
    """Return the always-valid p-value of the hypothesis that what is estimated is at most 0; small where it is more."""
    return min(1.0, _one_sided(statistic, progress, alpha))


def _one_sided(statistic: float, progress: float, alpha: float) -> float:
    """Return the inverse of the one-sided mixture likelihood ratio."""
    u = tuning(2 * alpha) * progress
    scaled = statistic * math.sqrt(u / (u + 1))
    log = math.log1p(u) / 2 - math.log(2) - scaled**2 / 2 - float(special.log_ndtr(scaled))
    return math.exp(min(700.0, log))


def mean_error(deviation: float, n: float) -> float:
    """Return the standard error of a mean of n observations with this standard deviation."""
    return deviation / math.sqrt(n)


def difference_of_means(
    first: tuple[float, float, float], second: tuple[float, float, float], planned: float, confidence: float = 0.95
) -> Interval:
    """Return the confidence sequence of the mean of first - second, of independent observations.

    Args:
        first, second: (mean, standard deviation, observations) of each; at least 2 observations.
        planned: observations of both for which the sequence is tuned.
    """
    (mean_1, deviation_1, n_1), (mean_2, deviation_2, n_2) = first, second
    error = math.hypot(mean_error(deviation_1, n_1), mean_error(deviation_2, n_2))
    return always_valid(mean_1 - mean_2, error, (n_1 + n_2) / planned, confidence)


def proportions_error(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the standard error of the difference of two proportions, above 0 also where neither has a success.

    Args:
        first, second: (successes, observations) of each.

    Source:
        Agresti & Caffo (2000), American Statistician 54:280: the variance with one success and one failure more each.
    """
    shares = [((successes + 1) / (n + 2), n + 2) for successes, n in (first, second)]
    return math.sqrt(sum(share * (1 - share) / n for share, n in shares))


def difference_of_proportions(
    first: tuple[float, float], second: tuple[float, float], planned: float, confidence: float = 0.95
) -> Interval:
    """Return the confidence sequence of the share of first - second, of independent observations.

    Args:
        first, second: (successes, observations) of each; at least one observation.
        planned: observations of both for which the sequence is tuned.
    """
    value = first[0] / first[1] - second[0] / second[1]
    return always_valid(value, proportions_error(first, second), (first[1] + second[1]) / planned, confidence)


def counts_p_value(counts: Sequence[int], shares: Sequence[float], concentration: float = 1000.0) -> float:
    """Return the always-valid p-value of the hypothesis that the counts come from a multinomial with these shares.

    It is exact at any size: for how units were assigned, or for which of two versions rare errors came from.

    Args:
        counts: at least 0, as many as shares.
        shares: above 0, with sum 1.
        concentration: of the Dirichlet mixture around the shares; larger ones look for smaller deviations.

    Source:
        Lindon & Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS 35:2817.
    """
    n, prior = sum(counts), [concentration * share for share in shares]
    log = math.lgamma(concentration) - math.lgamma(concentration + n)
    log += math.fsum(
        math.lgamma(of_prior + count) - math.lgamma(of_prior) - count * math.log(share)
        for count, of_prior, share in zip(counts, prior, shares, strict=True)
    )
    return math.exp(min(0.0, -log))
