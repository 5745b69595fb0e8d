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

METHOD: Final = "confidence sequence"


@lru_cache
def tuning(alpha: float) -> float:
    """Return rho squared times the n for which a sequence is tuned: it is tightest there.

    A sequence that is tuned for n observations has rho squared = `tuning(alpha) / n`.

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Annals of Statistics 52:2613, appendix B.2; proposition 3
        of Howard, Ramdas, McAuliffe & Sekhon (2021), Annals of Statistics 49:1055.
    """
    return float(-special.lambertw(-(alpha**2) / math.e, k=-1).real) - 1


def half_width(standard_error: float, progress: float, alpha: float, tuned: float | None = None) -> float:
    """Return half the width of a two-sided confidence sequence, in the units of the standard error.

    Args:
        standard_error: of the estimate now, of any estimate that is asymptotically normal; at least 0.
        progress: observations so far over those that it is tuned for; above 0. It may exceed 1.
        alpha: chance that the sequence ever leaves out the true value, in (0, 1).
        tuned: the alpha for which it is tightest; None for this one.

    Source:
        Asymptotic confidence sequence, theorem 2.2 of Waudby-Smith et al. (2024): a normal mixture (Robbins 1970).
    """
    u = tuning(alpha if tuned is None else tuned) * progress
    return standard_error * math.sqrt((u + 1) / u * math.log((u + 1) / alpha**2))


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
