"""Whether units were assigned as planned: the test of the sample ratio."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import special

from cd4ml.metrics.statistics.sequential import counts_p_value, tuning


def ratio_p_value(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the p-value of Pearson's chi-square test that the counts come from these shares.

    Args:
        counts: units of each variant, at least one together.
        shares: planned for each, above 0, with sum 1.

    Source:
        Fabijan, Gupchup, Gupta, Omhover, Qin, Vermeer & Dmitriev (2019), Diagnosing sample ratio mismatch in online
        controlled experiments, KDD '19.
    """
    n = sum(counts)
    squares = sum((count - n * share) ** 2 / (n * share) for count, share in zip(counts, shares, strict=True))
    return float(special.chdtrc(len(counts) - 1, squares))


def always_valid_ratio_p_value(counts: Sequence[int], shares: Sequence[float], planned: float, alpha: float) -> float:
    """Return the p-value for counts that are looked at again and again, tuned for the planned number of units."""
    return counts_p_value(counts, shares, concentration=planned / tuning(alpha))
