"""How far two samples are apart, from the counts of their values in cells; every function is pure.

At a million rows each difference is significant, and at a hundred rows large indexes come from nothing. So a sample is
described by both: an effect size with its small-sample bias taken out, and a test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import special

Counts = npt.NDArray[np.int64]
# Below this expected count the chi-square distribution is not a guide (Cochran 1954, Biometrics 10:417).
_SMALLEST_EXPECTED: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class Distance:
    """The largest distance between two distribution functions, in [0, 1].

    Attributes:
        statistic: as far as the cells show it; never more than the true one.
        error: the true one is at most `statistic + error`; 0 where a cell holds one value only.
    """

    statistic: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Test:
    """A test of the hypothesis that both samples come from one distribution."""

    __test__ = False  # no test of pytest's

    name: str
    statistic: float
    p_value: float


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the population stability index, sum of (p - q) ln(p / q), of two samples in the same bins.

    A bin that is empty in one sample counts as half a row of it: the logarithm of 0 is not a number, and a fixed floor
    such as 0.0001 would weigh the same gap more the larger the samples are. A bin that is empty in both is left out.

    Args:
        reference, current: counts, shape (bins,); neither is empty as a whole.

    Raises:
        ValueError: a sample without a row, or counts below 0.

    Source:
        Siddiqi (2006), Credit Risk Scorecards; Yurdakul (2018), Statistical Properties of Population Stability Index.
    """
    counts_p, counts_q = _pair(reference, current)
    p = np.where(counts_p == 0, 0.5, counts_p) / counts_p.sum()
    q = np.where(counts_q == 0, 0.5, counts_q) / counts_q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def psi_bias(bins: int, n: int, m: int) -> float:
    """Return what the index is on average where nothing drifts: (bins - 1) (1/n + 1/m).

    Source:
        Yurdakul & Naranjo (2020), Journal of Risk Model Validation 14(4): the index is then distributed as
        (1/n + 1/m) times chi-square with bins - 1 degrees of freedom.
    """
    return (bins - 1) * (1 / n + 1 / m)


def quantile_bins(reference: npt.ArrayLike, bins: int) -> npt.NDArray[np.intp]:
    """Return the first cell of each bin, so that the bins hold about equally many reference rows.

    A cell is never cut: where one value is frequent there are fewer bins, and none of them is empty in the reference.
    Bins are for `numpy.add.reduceat`; the first starts at cell 0, the last ends with the last cell.

    Args:
        reference: counts, shape (cells,), in the order of the values.
    """
    below = np.concatenate([[0], np.cumsum(np.asarray(reference))])
    total = below[-1]
    wanted = np.arange(1, bins) * total / bins
    after = np.searchsorted(below, wanted, side="left")
    # Of the two cell borders around the wanted quantile, the nearer one.
    before = np.maximum(after - 1, 0)
    starts = np.where(wanted - below[before] < below[after] - wanted, before, after)
    starts = starts[(below[starts] > 0) & (below[starts] < total)]
    _, first = np.unique(below[starts], return_index=True)
    return np.concatenate([[0], starts[first]]).astype(np.intp)


def ks(reference: npt.ArrayLike, current: npt.ArrayLike, *, exact: npt.ArrayLike = False) -> Distance:
    """Return the two-sample Kolmogorov-Smirnov distance of counts in ordered cells.

    Between the borders of a cell that holds shares p and q the distance can exceed that at the borders by at most
    min(p, q).

    Args:
        reference, current: counts, shape (cells,).
        exact: whether a cell holds one value only, shape (cells,) or ().
    """
    p, q = _shares(reference), _shares(current)
    gaps = np.abs(np.cumsum(p) - np.cumsum(q))
    inside = np.where(np.asarray(exact, dtype=bool), 0.0, np.minimum(p, q))
    return Distance(statistic=min(1.0, float(gaps.max())), error=float(inside.max()))


def ks_test(distance: Distance, n: int, m: int) -> Test:
    """Return the asymptotic test of a distance. Ties and cells make it err on the side of no alarm.

    Source:
        Smirnov (1948), Annals of Mathematical Statistics 19:279.
    """
    p_value = float(special.kolmogorov(math.sqrt(n * m / (n + m)) * distance.statistic))
    return Test(name="kolmogorov-smirnov", statistic=distance.statistic, p_value=p_value)


def chi_square(reference: npt.ArrayLike, current: npt.ArrayLike) -> Test:
    """Return Pearson's test of homogeneity. Categories with an expected count below 5 are taken together.

    Where that leaves fewer than two cells there is nothing to test, and p is 1.
    """
    table = pooled(reference, current)
    if table.shape[1] < 2:
        return Test(name="chi-square", statistic=0.0, p_value=1.0)
    expected = _expected(table)
    statistic = float(np.sum((table - expected) ** 2 / expected))
    return Test(name="chi-square", statistic=statistic, p_value=_above(table.shape[1] - 1, statistic))


def g_test(reference: npt.ArrayLike, current: npt.ArrayLike) -> Test:
    """Return the likelihood-ratio test of homogeneity, pooled as `chi_square`.

    Source:
        Sokal & Rohlf (1995), Biometry, chapter 17.
    """
    table = pooled(reference, current)
    if table.shape[1] < 2:
        return Test(name="g", statistic=0.0, p_value=1.0)
    statistic = 2 * float(np.sum(special.xlogy(table, table / _expected(table))))
    return Test(name="g", statistic=statistic, p_value=_above(table.shape[1] - 1, statistic))


def pooled(reference: npt.ArrayLike, current: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return both samples, shape (2, cells), with all cells of a small expected count made into one."""
    table = np.vstack(_pair(reference, current)).astype(np.float64)
    rare = _rare(table)
    together = table[:, rare].sum(axis=1, keepdims=True)
    kept = table[:, ~rare]
    return np.hstack([kept, together]) if together.any() else kept


def pooled_share(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the share of the rows of both samples that `pooled` takes together, in [0, 1]."""
    table = np.vstack(_pair(reference, current)).astype(np.float64)
    return float(table[:, _rare(table)].sum() / table.sum())


def _rare(table: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which cells have a small expected count in one of the samples, shape (cells,)."""
    return np.asarray(_expected(table).min(axis=0) < _SMALLEST_EXPECTED)


def proportions(first: tuple[int, int], second: tuple[int, int]) -> Test:
    """Return Pearson's test of two proportions, each given as (rows that count, all rows)."""
    table = np.array([[k, n - k] for k, n in (first, second)], dtype=np.float64).T
    if not table.sum(axis=1).all() or not table.sum(axis=0).all():
        return Test(name="chi-square", statistic=0.0, p_value=1.0)
    expected = _expected(table.T)
    statistic = float(np.sum((table.T - expected) ** 2 / expected))
    return Test(name="chi-square", statistic=statistic, p_value=_above(1, statistic))


def jensen_shannon(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """Return the Jensen-Shannon distance, base 2: 0 for equal shares, 1 for samples without a common category.

    Source:
        Endres & Schindelin (2003), IEEE Transactions on Information Theory 49:1858.
    """
    p, q = _shares(reference), _shares(current)
    middle = (p + q) / 2
    divergence = (np.sum(special.rel_entr(p, middle)) + np.sum(special.rel_entr(q, middle))) / (2 * math.log(2))
    return math.sqrt(min(1.0, max(0.0, float(divergence))))


def _pair(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Counts, Counts]:
    """Return the counts of all cells that are not empty in both samples."""
    p, q = np.asarray(reference), np.asarray(current)
    if p.shape != q.shape or p.ndim != 1:
        raise ValueError(f"two samples in the same cells are needed, got shapes {p.shape} and {q.shape}")
    if not p.sum() > 0 or not q.sum() > 0 or min(p.min(), q.min()) < 0:
        raise ValueError("a sample without a row, or with counts below 0")
    used = (p > 0) | (q > 0)
    return p[used], q[used]


def _shares(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return counts as shares of their sum."""
    values = np.asarray(counts, dtype=np.float64)
    total = values.sum()
    if not total > 0:
        raise ValueError("a sample without a row")
    shares: npt.NDArray[np.float64] = values / total
    return shares


def _expected(table: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the counts that both samples would have if they came from one distribution."""
    expected: npt.NDArray[np.float64] = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return expected


def _above(degrees: int, statistic: float) -> float:
    """Return the probability above a value of chi-square."""
    return float(special.chdtrc(degrees, statistic))
