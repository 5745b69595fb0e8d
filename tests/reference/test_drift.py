"""Drift numbers against published output, against scipy and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from cd4ml.metrics.drift import distance as drift
from cd4ml.metrics.statistics.multiplicity import benjamini_hochberg

COUNTS = st.lists(st.integers(0, 200), min_size=2, max_size=12)


# --- population stability index


def test_psi__worked_example() -> None:
    """Shares of 40, 30 and 30 % against 35, 25 and 40 %: the data of the worked example in GeeksforGeeks, "Population
    Stability Index (PSI)" (13 August 2025), step 2; the terms of its step 3 by hand, the logarithms from tables."""
    terms = [-0.05 * -0.133531, -0.05 * -0.182322, 0.10 * 0.287682]

    assert drift.psi([40, 30, 30], [35, 25, 40]) == pytest.approx(sum(terms), abs=1e-6)


@given(COUNTS)
def test_psi__both_divergences(reference: list[int]) -> None:
    """The index is the Kullback-Leibler divergence in both directions, as scipy.stats.entropy has it, and symmetric."""
    p = np.array(reference) + 1
    q = np.roll(p, 1) + 3

    expected = stats.entropy(p, q) + stats.entropy(q, p)
    assert drift.psi(p, q) == pytest.approx(float(expected), abs=1e-12)
    assert drift.psi(p, q) == pytest.approx(drift.psi(q, p), abs=1e-12)


def test_psi__empty_bin() -> None:
    """A bin that is empty in one sample counts as half a row of it, and one that is empty in both counts nothing."""
    by_hand = (0.5 - 1) * math.log(0.5) + (0.5 - 0.5 / 100) * math.log(0.5 / (0.5 / 100))

    assert drift.psi([50, 50], [100, 0]) == pytest.approx(by_hand, abs=1e-12)
    assert drift.psi([50, 50, 0], [100, 0, 0]) == drift.psi([50, 50], [100, 0])


@pytest.mark.parametrize(("p", "q"), [([0, 0], [1, 1]), ([1, 1], [0, 0]), ([1, -1], [1, 1]), ([1, 1], [1, 1, 1])])
def test_psi__refused(p: list[int], q: list[int]) -> None:
    """Empty samples, negative counts and bins of different number give no index."""
    with pytest.raises(ValueError, match="sample"):
        drift.psi(p, q)


@pytest.mark.parametrize(("bins", "n", "m"), [(10, 500, 500), (10, 2_000, 300), (20, 5_000, 1_000)])
def test_psi_bias__simulated(bins: int, n: int, m: int) -> None:
    """Without drift the index is (B - 1)(1/n + 1/m) on average, within four standard errors and a second-order term."""
    rng = np.random.default_rng(0)
    shares = np.full(bins, 1 / bins)
    found = [drift.psi(rng.multinomial(n, shares), rng.multinomial(m, shares)) for _ in range(4_000)]

    expected = drift.psi_bias(bins, n, m)
    second_order = expected * bins * (1 / n + 1 / m)
    assert np.mean(found) == pytest.approx(expected, abs=4 * float(np.std(found)) / math.sqrt(4_000) + second_order)


def test_psi_bias__distribution() -> None:
    """Over its bias, the index is distributed as chi-square over its degrees of freedom (Yurdakul 2018): the
    share above the 95 % quantile is 5 %, within four standard errors."""
    rng = np.random.default_rng(1)
    shares, n, m = np.full(10, 0.1), 3_000, 2_000
    limit = stats.chi2.ppf(0.95, 9) * (1 / n + 1 / m)
    above = [drift.psi(rng.multinomial(n, shares), rng.multinomial(m, shares)) > limit for _ in range(4_000)]

    assert np.mean(above) == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / len(above)))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(2, 20))
def test_quantile_bins__properties(counts: list[int], bins: int) -> None:
    """Bins start at the first cell, rise, are at most as many as asked for, and none is empty in the reference."""
    if not sum(counts):
        return
    starts = drift.quantile_bins(counts, bins)

    assert starts[0] == 0 and (np.diff(starts) > 0).all() and len(starts) <= bins
    assert (np.add.reduceat(counts, starts) > 0).all()


def test_quantile_bins__deciles() -> None:
    """Bins of many small cells hold what numpy's deciles cut, within the rows of a cell."""
    values = np.random.default_rng(0).integers(0, 5_000, 100_000)
    counts = np.bincount(values, minlength=5_000)

    starts = drift.quantile_bins(counts, 10)

    cuts = np.quantile(values, np.arange(1, 10) / 10)
    assert starts[1:] == pytest.approx(cuts, abs=2)
    assert np.abs(np.add.reduceat(counts, starts) - 10_000).max() <= counts.max()


# --- Kolmogorov-Smirnov


@settings(max_examples=200)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=80), st.lists(st.integers(0, 30), min_size=2, max_size=80))
def test_ks__integers(first: list[int], second: list[int]) -> None:
    """With a cell for each value the distance is scipy.stats.ks_2samp's, and there is no error to state."""
    counts = [np.bincount(values, minlength=31) for values in (first, second)]

    found = drift.ks(*counts, exact=True)

    assert found.statistic == pytest.approx(stats.ks_2samp(first, second, method="asymp").statistic, abs=1e-12)
    assert found.error == 0


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(2, 60), st.floats(-1, 1))
def test_ks__bound_holds(seed: int, cells: int, shift: float) -> None:
    """In cells that hold many values the true distance lies between the statistic and the statistic plus its error."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=300), rng.normal(shift, size=200)
    edges = np.linspace(-2, 2, cells)
    counts = [np.bincount(np.searchsorted(edges, values), minlength=cells + 1) for values in (first, second)]
    true = stats.ks_2samp(first, second, method="asymp").statistic

    found = drift.ks(*counts)

    assert found.statistic <= true + 1e-12
    assert true <= found.statistic + found.error + 1e-12


@pytest.mark.parametrize(("n", "m", "shift"), [(3_000, 3_000, 0.02), (20_000, 5_000, 0.01), (5_000, 5_000, 0.05)])
def test_ks_test__scipy(n: int, m: int, shift: float) -> None:
    """The p-value is scipy's asymptotic one up to the finite-sample term of that, and not below it."""
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=n), rng.normal(shift, size=m)
    expected = stats.ks_2samp(first, second, method="asymp")

    found = drift.ks_test(drift.Distance(statistic=float(expected.statistic), error=0.0), n, m)

    assert found.p_value == pytest.approx(expected.pvalue, abs=0.01)
    assert found.p_value >= expected.pvalue - 1e-9


# --- categories


def test_chi_square__scipy_documentation() -> None:
    """The example in the documentation of scipy.stats.chi2_contingency: [[10, 10, 20], [20, 20, 20]] gives
    2.7777777777777777 (p 0.24935220877729622), and G 2.7688587616781319 (p 0.25046668010954165)."""
    pearson, likelihood = (test([10, 10, 20], [20, 20, 20]) for test in (drift.chi_square, drift.g_test))

    assert (pearson.statistic, pearson.p_value) == pytest.approx((2.7777777777777777, 0.24935220877729622), abs=1e-12)
    assert (likelihood.statistic, likelihood.p_value) == pytest.approx(
        (2.7688587616781319, 0.25046668010954165), abs=1e-12
    )


@given(st.lists(st.tuples(st.integers(10, 300), st.integers(10, 300)), min_size=2, max_size=8))
def test_chi_square__scipy(pairs: list[tuple[int, int]]) -> None:
    """Where no expected count is small, both tests are scipy's without a correction for continuity."""
    table = np.array(pairs).T
    if stats.contingency.expected_freq(table).min() < 5:
        return
    pearson = stats.chi2_contingency(table, correction=False, lambda_="pearson")
    likelihood = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    for found, expected in ((drift.chi_square(*table), pearson), (drift.g_test(*table), likelihood)):
        assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)


def test_chi_square__rare_categories() -> None:
    """Rare categories are taken together; where one cell is left, nothing can be said and p is 1."""
    assert drift.pooled([100, 100, 2, 2], [100, 100, 2, 2]).tolist() == [[100, 100, 4], [100, 100, 4]]
    assert drift.chi_square([3, 2], [2, 3]).p_value == 1.0
    assert drift.g_test([3, 2], [2, 3]).p_value == 1.0


def test_proportions__scipy() -> None:
    """The test of two proportions is scipy's for the table of two by two; without a gap there is nothing to test."""
    expected = stats.chi2_contingency(np.array([[30, 970], [60, 940]]), correction=False)

    found = drift.proportions((30, 1_000), (60, 1_000))

    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-12)
    assert drift.proportions((0, 10), (0, 20)).p_value == 1.0
    assert drift.proportions((10, 10), (20, 20)).p_value == 1.0


def test_jensen_shannon__scipy_documentation() -> None:
    """The examples in the documentation of scipy.spatial.distance.jensenshannon: 1.0 for base 2, and for [1, 0] against
    [0.5, 0.5] 0.46450140402245893 for base e, which is sqrt(ln 2) times that for base 2."""
    assert drift.jensen_shannon([1, 0, 0], [0, 1, 0]) == 1.0
    assert drift.jensen_shannon([1, 0], [0.5, 0.5]) * math.sqrt(math.log(2)) == pytest.approx(
        0.46450140402245893, abs=1e-15
    )
    assert drift.jensen_shannon([1, 0, 0], [1, 0, 0]) == 0.0


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=2, max_size=8))
def test_jensen_shannon__scipy(pairs: list[tuple[int, int]]) -> None:
    """The distance is scipy's, base 2."""
    p, q = np.array(pairs).T
    if not p.sum() or not q.sum():
        return
    assert drift.jensen_shannon(p, q) == pytest.approx(float(jensenshannon(p, q, 2)), abs=1e-7)


# --- several tests at once


@settings(max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_benjamini_hochberg__scipy(p_values: list[float]) -> None:
    """Adjusted p-values are those of scipy.stats.false_discovery_control, in the order given."""
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values).tolist(), abs=1e-12)
