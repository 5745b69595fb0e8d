"""Confidence sequences and group-sequential boundaries against other software, published tables and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from cd4ml.metrics.statistics import group_sequential, sequential
from cd4ml.metrics.statistics.group_sequential import Spending


def _equal(looks: int) -> list[float]:
    """Return equally spaced fractions."""
    return [look / looks for look in range(1, looks + 1)]


# --- confidence sequences


def test_two_sided_mixture__published() -> None:
    """With the rho of confseq 0.0.11, the bound is that of its test (uniform_boundaries_unittest.cpp, `mixture(100,
    0.05)`): 30.35209 at a variance of 100. The exact optimum of rho lies beside its approximation, 12.60056."""
    progress = 100 / 12.60056 / sequential.tuning(0.05)

    assert sequential.half_width(10, progress, 0.05) == pytest.approx(30.35209, abs=1e-5)
    assert 100 / sequential.tuning(0.05) == pytest.approx(12.60056, rel=0.04)
    assert sequential.half_width(10, 1, 0.05) < 30.35209


def test_one_sided_mixture__published() -> None:
    """With confseq's rho for one side, the bound is that of the same test: 27.66071 at a variance of 100."""
    rho = 100 / (2 * math.log(10) + math.log1p(2 * math.log(10)))
    progress = 100 / rho / sequential.tuning(0.1)

    assert sequential.one_sided_width(10, progress, 0.05) == pytest.approx(27.66071, abs=1e-5)


@pytest.mark.parametrize("progress", [0.01, 0.3, 1, 4])
def test_width_is_least_where_it_is_tuned_for(progress: float) -> None:
    """Rho is optimal for the planned number: no other one gives a narrower sequence there."""
    assert sequential.half_width(1, 1, 0.05) <= sequential.half_width(1, progress, 0.05)


@pytest.mark.parametrize("progress", [0.1, 1, 3])
def test_p_values_and_intervals_agree(progress: float) -> None:
    """The p-value is alpha exactly where the sequence touches 0, for both sides and for one."""
    half = sequential.half_width(1, progress, 0.05)
    one = sequential.one_sided_width(1, progress, 0.05)

    assert sequential.p_value(half, progress) == pytest.approx(0.05, rel=1e-9)
    assert sequential.one_sided_p_value(one, progress) == pytest.approx(0.05, rel=1e-9)
    assert sequential.p_value(0, progress) == 1
    assert sequential.one_sided_p_value(-40, progress) == 1


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_looks_at_equal_proportions_alarm_rarely(rate: float) -> None:
    """25 looks at equal shares leave out a difference of 0 in less than 5 % of 2,000 experiments, from the first 200
    observations of each on."""
    looks, each, runs = 100, 200, 2000
    rng = np.random.default_rng(7)
    counts = rng.binomial(each, rate, size=(2, runs, looks)).cumsum(axis=2)
    n = each * np.arange(1, looks + 1)
    alarms = 0
    for first, second in zip(*counts, strict=True):
        bounds = [
            sequential.difference_of_proportions((a, m), (b, m), planned=looks * each * 2)
            for a, b, m in zip(first[::4], second[::4], n[::4], strict=True)
        ]
        alarms += any(one.lower > 0 or one.upper < 0 for one in bounds)

    assert alarms < 0.05 * runs


def test_means_and_proportions_agree() -> None:
    """A proportion is the mean of zeros and ones: with many rows both sequences are the same."""
    a, b, n = 5_000, 5_600, 100_000
    deviations = [math.sqrt(x / n * (1 - x / n)) for x in (a, b)]
    means = sequential.difference_of_means((a / n, deviations[0], n), (b / n, deviations[1], n), planned=2 * n)
    shares = sequential.difference_of_proportions((a, n), (b, n), planned=2 * n)

    assert (means.lower, means.upper) == pytest.approx((shares.lower, shares.upper), abs=2e-6)


def test_proportions_without_successes_have_a_width() -> None:
    """No success on either side is no proof that there is no difference."""
    found = sequential.difference_of_proportions((0, 50), (0, 50), planned=1000)

    assert found.lower < -0.05
    assert found.upper > 0.05


def test_counts__closed_form() -> None:
    """Without observations the p-value is 1; with two shares it is the inverse of a beta-binomial likelihood ratio,
    scipy's beta function over the product of the shares."""
    first, second, prior = 620, 500, (50.0, 50.0)
    ratio = (
        special.betaln(first + prior[0], second + prior[1]) - special.betaln(*prior) + (first + second) * math.log(2)
    )

    assert sequential.counts_p_value([0, 0], [0.5, 0.5]) == 1
    assert sequential.counts_p_value([first, second], [0.5, 0.5], 100) == pytest.approx(math.exp(-ratio), rel=1e-9)


def test_counts_alarm_rarely_and_find_a_mismatch() -> None:
    """Looking at the counts after every 100 of 20,000 units alarms in less than 5 % of 500 fair experiments, and in
    every one whose second variant loses a tenth of its units."""
    rng = np.random.default_rng(11)

    def alarms(shares: list[float]) -> int:
        looks = rng.multinomial(100, shares, size=(500, 200)).cumsum(axis=1)[:, 9::10]
        return sum(any(sequential.counts_p_value(c.tolist(), [0.5, 0.5]) < 0.05 for c in run) for run in looks)

    assert alarms([0.5, 0.5]) < 25
    assert alarms([1 / 1.9, 0.9 / 1.9]) == 500


# --- group-sequential boundaries


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        (2, [2.963, 1.969]),
        (3, [3.710, 2.511, 1.993]),
        (4, [4.333, 2.963, 2.359, 2.014]),
        (5, [4.877, 3.357, 2.680, 2.290, 2.031]),
    ],
)
def test_obrien_fleming_spending__published(looks: int, expected: list[float]) -> None:
    """Two-sided 5 % at equal looks, as gsDesign (sfLDOF) and ldbounds give them (Reboussin, DeMets, Kim & Lan 2000,
    Controlled Clinical Trials 21:190)."""
    assert [round(one, 3) for one in group_sequential.boundaries(_equal(looks), 0.05)] == expected


def test_pocock_spending__published() -> None:
    """Two-sided 5 % at five equal looks, as R's ldbounds gives them; the last one is 2.385909 in the tests of
    SeqBounds.jl, whose grid is coarser."""
    found = group_sequential.boundaries(_equal(5), 0.05, Spending.POCOCK)

    assert [round(one, 2) for one in found] == [2.44, 2.43, 2.41, 2.40, 2.39]
    assert found[-1] == pytest.approx(2.385909, abs=2e-4)


def test_one_sided__published() -> None:
    """One-sided 5 %: the four boundaries in the documentation of SeqBounds.jl, and its last one of five."""
    found = group_sequential.boundaries([0.25, 0.5, 0.75, 1], 0.05, two_sided=False)

    assert found == pytest.approx([3.74955, 2.53993, 2.01604, 1.72014], abs=1e-4)
    assert group_sequential.boundaries(_equal(5), 0.05, two_sided=False)[-1] == pytest.approx(1.739661, abs=1e-4)


def test_crossing__published() -> None:
    """Constant boundaries at the 95 % quantile and four looks, as rpact's tests have them
    (test-f_design_group_sequential.R, getGroupSequentialProbabilities), for each side."""
    found = group_sequential.crossing([float(special.ndtri(0.95))] * 4, _equal(4))

    assert [one / 2 for one in found] == pytest.approx([0.05, 0.030074925, 0.020961248, 0.01595848], abs=1e-8)


@pytest.mark.parametrize(
    ("looks", "rate"), [(2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320)]
)
def test_repeated_tests__published(looks: int, rate: float) -> None:
    """A test at 5 % repeated at so many looks errs so often: table 2 of Armitage, McPherson & Rowe (1969)."""
    assert round(sum(group_sequential.crossing([1.959964] * looks, _equal(looks))), 3) == rate


def test_constants__published() -> None:
    """The constants of Pocock, 2.413, and of O'Brien and Fleming, 2.040, for five looks and 5 % (tables 2.1 and 2.3 of
    Jennison & Turnbull 2000) spend 5 %."""
    flat, falling = [2.413] * 5, [2.040 / math.sqrt(one) for one in _equal(5)]

    assert sum(group_sequential.crossing(flat, _equal(5))) == pytest.approx(0.05, abs=5e-5)
    assert sum(group_sequential.crossing(falling, _equal(5))) == pytest.approx(0.05, abs=5e-5)


@pytest.mark.parametrize("fractions", [_equal(30), [0.001, 0.002, 0.5, 0.51, 1.0], [0.3, 0.9], [1.0]])
@pytest.mark.parametrize("spending", Spending)
def test_boundaries_spend_what_they_may(fractions: list[float], spending: Spending) -> None:
    """Looks at any time spend what the function allows up to the last one, and no more."""
    found = group_sequential.boundaries(fractions, 0.05, spending)

    spent = 2 * group_sequential.spent(spending, fractions[-1], 0.025)
    assert sum(group_sequential.crossing(found, fractions)) == pytest.approx(spent, rel=1e-4)


def test_power__fixed_horizon() -> None:
    """With one look, the power is that of the z-test: 80 % at a drift of 2.8016; more looks cost little of it."""
    one = group_sequential.crossing(group_sequential.boundaries([1.0], 0.05), [1.0], drift=2.8015852)
    five = group_sequential.crossing(group_sequential.boundaries(_equal(5), 0.05), _equal(5), drift=2.8015852)

    assert sum(one) == pytest.approx(0.80, abs=2e-4)
    assert 0.78 < sum(five) < 0.80
