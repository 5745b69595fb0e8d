"""Several tests at once: five at 5 % each block 23 % of the models that are as good as production."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values in the order given: tests below 5 % then hold for the whole family at 5 %.

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6:65. It needs no independence of the tests.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, reached = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = reached
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values in the order given: of the tests below 5 %, at most 5 % are false ones on average.

    Where nothing differs at all, every alarm is false, so that the chance of any alarm is at most 5 % here as well.

    Source:
        Benjamini & Hochberg (1995), Journal of the Royal Statistical Society B 57:289. It holds for independent tests
        and for positively dependent ones (Benjamini & Yekutieli 2001).
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index], reverse=True)
    adjusted, reached = [0.0] * len(p_values), 1.0
    for passed, index in enumerate(order):
        reached = min(reached, p_values[index] * len(p_values) / (len(p_values) - passed))
        adjusted[index] = reached
    return adjusted
