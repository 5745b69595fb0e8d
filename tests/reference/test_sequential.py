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


@pytest.mark.parametrize("progress", [0.01, 0.3, 1, 4])
def test_width_is_least_where_it_is_tuned_for(progress: float) -> None:
    """Rho is optimal for the planned number: no other one gives a narrower sequence there."""
    assert sequential.half_width(1, 1, 0.05) <= sequential.half_width(1, progress, 0.05)


@pytest.mark.parametrize("progress", [0.1, 1, 3])
def test_p_values_and_intervals_agree(progress: float) -> None:
    """The p-value is alpha exactly where the sequence touches 0."""
    half = sequential.half_width(1, progress, 0.05)

    assert sequential.p_value(half, progress) == pytest.approx(0.05, rel=1e-9)
    assert sequential.p_value(0, progress) == 1


def test_looks_at_no_difference_alarm_rarely() -> None:
    """100 looks at a statistic without a difference leave out 0 in less than 5 % of 2,000 experiments."""
    looks = np.arange(1, 101)
    found = np.random.default_rng(7).standard_normal((2000, 100)).cumsum(axis=1) / np.sqrt(looks)
    widths = np.array([sequential.half_width(1, look / 100, 0.05) for look in looks])

    assert (np.abs(found) > widths).any(axis=1).mean() < 0.05


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


@pytest.mark.parametrize("fractions", [_equal(5), [0.1, 0.5, 0.51, 1.0]])
@pytest.mark.parametrize("spending", Spending)
def test_boundaries_spend_what_they_may(fractions: list[float], spending: Spending) -> None:
    """Paths of a simulated Brownian motion cross the boundaries of declared looks in 5 %, within 4 standard errors."""
    steps = np.sqrt(np.diff([0.0, *fractions]))
    found = (np.random.default_rng(3).standard_normal((40_000, len(fractions))) * steps).cumsum(axis=1)
    crossed = np.abs(found) / np.sqrt(fractions) > group_sequential.boundaries(fractions, 0.05, spending)

    assert crossed.any(axis=1).mean() == pytest.approx(0.05, abs=0.0044)
