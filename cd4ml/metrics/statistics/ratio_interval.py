"""The ratio of two independent proportions: how sure it is, and whether it is shown to be below a limit.

The score interval inverts a test whose variance is estimated under the ratio that is tested. It has a width where a
proportion is 0 or 1, and keeps its 95 % where the textbook interval of the logarithm does not.
"""

from __future__ import annotations

import math
from typing import Final

from scipy import special

from cd4ml.metrics.statistics.intervals import POWER, Bounds, normal_quantile

Counts = tuple[float, float]
# More rows than this are not advice.
_MOST_ROWS: Final = 1_000_000_000


def koopman(first: Counts, second: Counts, confidence: float = 0.95) -> Bounds:
    """Return the asymptotic score interval of first / second, for proportions of independent samples.

    Args:
        first, second: (successes, rows) of each sample; rows > 0.

    Returns:
        The lower bound is 0 where the first has no successes, the upper one infinite where the second has none.

    Source:
        Koopman (1984), Biometrics 40:513; without the factor (N - 1) / N of Miettinen & Nurminen (1985).
    """
    z = normal_quantile((1 + confidence) / 2)
    return Bounds(
        lower=0.0 if first[0] == 0 else 1 / _greatest(second, first, z),
        upper=math.inf if second[0] == 0 else _greatest(first, second, z),
    )


def _greatest(first: Counts, second: Counts, z: float) -> float:
    """Return the ratio above the estimate at which the statistic has fallen to -z; second has successes."""
    low = math.log(max(first[0] / first[1], 1e-300) / (second[0] / second[1]))
    step = 1.0
    while ratio_statistic(first, second, math.exp(low + step)) > -z:
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1e-13 * max(1.0, abs(low)):
        middle = (low + high) / 2
        if ratio_statistic(first, second, math.exp(middle)) > -z:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def ratio_statistic(first: Counts, second: Counts, ratio: float) -> float:
    """Return the score statistic of the hypothesis that first / second is `ratio`; below 0 where it is less."""
    (x, n), (y, m) = first, second
    # The most likely proportions whose ratio is `ratio`: the smaller root of a quadratic, in the form without loss.
    a, b, c = (n + m) * ratio, ratio * n + x + m + ratio * y, x + y
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    of_second = 2 * c / (b + root)
    of_first = min(1.0, ratio * of_second)
    variance = of_first * (1 - of_first) / n + ratio * ratio * of_second * (1 - of_second) / m
    above = x / n - ratio * (y / m)
    if variance > 0:
        return above / math.sqrt(variance)
    return math.copysign(math.inf, above) if above else 0.0


def shown_below(first: Counts, second: Counts, ratio: float) -> float:
    """Return the one-sided p-value of the hypothesis that first / second is at least `ratio`."""
    return float(special.ndtr(ratio_statistic(first, second, ratio)))


def rows_needed(n: int, statistic: float, level: float) -> int | None:
    """Return how many rows would settle a comparison with 80 % power if the proportions stay as they are.

    Args:
        n: rows of one sample now; the other one grows in the same proportion.
        statistic: of the comparison now. It grows with the root of the rows.
        level: one-sided level of the test.

    Returns:
        None if no realistic number would: the ratio lies at the limit itself.
    """
    wanted = normal_quantile(1 - level) + normal_quantile(POWER)
    needed = n * (wanted / statistic) ** 2 if statistic else math.inf
    return max(math.ceil(needed), n + 1) if needed < _MOST_ROWS else None
