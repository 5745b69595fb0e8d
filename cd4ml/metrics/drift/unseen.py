"""How many rows lie in categories that the reference never saw, and whether chance explains as many. Pure."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from cd4ml.metrics.drift.distance import Test

Floats = npt.NDArray[np.float64]
_STEPS = 200


def expected_unseen(reference: npt.ArrayLike) -> float:
    """Return the share of further rows that chance puts into categories the reference does not hold.

    Args:
        reference: rows of each category, shape (categories,).

    Source:
        Good (1953), Biometrika 40:237 (Good-Turing): the share of rows whose category occurs once.
    """
    counts = np.asarray(reference)
    return float((counts == 1).sum() / counts.sum())


def unseen_test(reference: npt.ArrayLike, current: npt.ArrayLike) -> Test:
    """Return the test of the rows in categories that the reference does not hold.

    If both samples come from one source, every split of their rows is equally likely. A category of c rows then lies
    wholly in the current sample with a known (hypergeometric) chance, and the unseen rows are the sum of c over the
    categories that do. Its p-value is Chernoff's bound, which holds at every sample size because these events are
    negatively associated: the test errs on the side of no alarm.

    Args:
        reference, current: rows of each category in both samples, shapes (categories,).

    Source:
        Fisher (1935), The Design of Experiments, chapter 3 (permutation); Chernoff (1952), Annals of Mathematical
        Statistics 23:493; Joag-Dev & Proschan (1983), Annals of Statistics 11:286 (negative association).
    """
    first, second = np.asarray(reference), np.asarray(current)
    unseen = int(second[first == 0].sum())
    together = first + second
    sizes, categories = np.unique(together[together > 0], return_counts=True)
    likely = sizes <= second.sum()
    sizes, categories = sizes[likely].astype(np.float64), categories[likely].astype(np.float64)
    log_chance = _log_wholly(sizes, int(together.sum()), int(second.sum()))
    return Test(name="unseen rows", statistic=float(unseen), p_value=_tail(sizes, categories, log_chance, unseen))


def _log_wholly(sizes: Floats, rows: int, chosen: int) -> Floats:
    """Return the logarithm of the chance that all rows of a category are among those chosen, by its size."""
    ways = special.gammaln(chosen + 1) - special.gammaln(chosen - sizes + 1)
    all_ways = special.gammaln(rows + 1) - special.gammaln(rows - sizes + 1)
    return np.asarray(np.minimum(ways - all_ways, 0.0))


def _tail(sizes: Floats, categories: Floats, log_chance: Floats, unseen: int) -> float:
    """Return Chernoff's bound on the chance of at least so many unseen rows."""
    if not unseen or unseen <= float(categories @ (sizes * np.exp(log_chance))):
        return 1.0
    with np.errstate(divide="ignore"):
        log_other = np.log(-np.expm1(log_chance))

    def mean(tilt: float) -> float:
        """Return the expected number of unseen rows if large ones are made likelier by exp(tilt * rows)."""
        return float(categories @ (sizes * special.expit(log_chance - log_other + tilt * sizes)))

    low, high = 0.0, 1.0
    while mean(high) < unseen and high < 1e6:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) < unseen else (low, middle)
    exponent = float(categories @ np.logaddexp(log_other, log_chance + high * sizes)) - high * unseen
    return min(1.0, math.exp(min(0.0, exponent)))
