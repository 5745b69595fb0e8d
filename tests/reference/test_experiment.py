"""Numbers of experiments against other software and other methods."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import mstats

from cd4ml.metrics.experiment import assignment, estimates, readings
from cd4ml.metrics.statistics.group_sequential import Spending


def ones(successes: int, n: int) -> estimates.Floats:
    """Return so many ones among zeros."""
    return np.asarray([1.0] * successes + [0.0] * (n - successes))


@pytest.mark.parametrize(("counts", "expected"), [([8050, 8400], 0.006355), ([5050, 4950], 0.317311)])
def test_sample_ratio__gbstats(counts: list[int], expected: float) -> None:
    """P-values of the sample ratio as gbstats 0.8.0 gives them, and as scipy's chi-square test does."""
    found = assignment.ratio_p_value(counts, [0.5, 0.5])

    assert round(found, 6) == expected
    assert found == pytest.approx(stats.chisquare(counts).pvalue, rel=1e-12)


def test_sample_ratio__three_variants() -> None:
    """Unequal shares of three variants, as scipy's chi-square test."""
    counts, shares = [5_020, 2_600, 2_380], [0.5, 0.25, 0.25]
    expected = stats.chisquare(counts, [sum(counts) * share for share in shares]).pvalue

    assert assignment.ratio_p_value(counts, shares) == pytest.approx(expected, rel=1e-12)


def test_proportions__spotify_confidence() -> None:
    """500 of 10,000 against 560 of 10,000, as spotify-confidence 4.1.0 gives them."""
    found = estimates.difference(estimates.proportion(ones(560, 10_000)), estimates.proportion(ones(500, 10_000)))
    bounds = readings.interval(readings.Fixed(), found, 0.95)

    assert found.value == pytest.approx(0.006)
    assert (round(bounds.lower, 5), round(bounds.upper, 5)) == (-0.00021, 0.01221)
    assert round(readings.Fixed().p_value(found), 5) == 0.05824


def test_means__welch() -> None:
    """P-value and interval of a difference of means, as scipy's Welch test."""
    rng = np.random.default_rng(1)
    first, second = rng.gamma(2, 1, 60), rng.gamma(2, 2, 90)
    expected = stats.ttest_ind(first, second, equal_var=False)
    found = estimates.difference(estimates.mean(first), estimates.mean(second))
    bounds = readings.interval(readings.Fixed(), found, 0.95)

    assert readings.Fixed().p_value(found) == pytest.approx(expected.pvalue, rel=1e-9)
    assert (bounds.lower, bounds.upper) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-9)


def test_ratio__delta_method() -> None:
    """The standard error of a ratio is that of equation 3 of Deng, Knoblich & Lu (2018), and near a bootstrap's."""
    rng = np.random.default_rng(2)
    views = (rng.poisson(8, 4_000) + 1).astype(float)
    clicks = rng.binomial(views.astype(int), rng.beta(2, 8, 4_000)).astype(float)
    found = estimates.mean(estimates.linearised(clicks, views))
    covariance = np.cov(clicks, views)
    a, b = clicks.mean(), views.mean()
    variance = (covariance[0, 0] / b**2 - 2 * a / b**3 * covariance[0, 1] + a**2 / b**4 * covariance[1, 1]) / 4_000
    drawn = rng.integers(0, 4_000, (400, 4_000))
    ratios = clicks[drawn].sum(axis=1) / views[drawn].sum(axis=1)

    assert found.value == pytest.approx(clicks.sum() / views.sum(), rel=1e-12)
    assert found.standard_error == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert found.standard_error == pytest.approx(ratios.std(), rel=0.12)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_quantile__other_methods(share: float) -> None:
    """The standard error of a quantile is near scipy's Maritz-Jarrett one and the asymptotic one of the density."""
    values = np.random.default_rng(3).exponential(1.0, 20_000)
    found = estimates.quantile(values, share)
    density = 1 - share
    asymptotic = math.sqrt(share * (1 - share) / 20_000) / density

    assert found.value == pytest.approx(-math.log(1 - share), abs=4 * asymptotic)
    assert found.standard_error == pytest.approx(float(mstats.mjci(values, [share])[0]), rel=0.25)
    assert found.standard_error == pytest.approx(asymptotic, rel=0.25)


def test_cuped__published() -> None:
    """The variance that is gone is the square of the correlation (Deng et al. 2013, equation 5), theta is numpy's
    slope, and the mean stays the same."""
    rng = np.random.default_rng(4)
    before = rng.normal(0, 1, 8_000)
    values = 0.8 * before + rng.normal(0, 0.6, 8_000)
    (adjusted,), reduction = estimates.adjusted([values], [before])
    slope = np.polyfit(before, values, 1)[0]

    assert reduction == pytest.approx(np.corrcoef(before, values)[0, 1] ** 2, rel=1e-9)
    assert adjusted == pytest.approx(values - slope * (before - before.mean()), abs=1e-9)
    assert adjusted.mean() == pytest.approx(values.mean(), abs=1e-12)
    assert 1 - adjusted.var() / values.var() == pytest.approx(reduction, rel=1e-9)


def test_units_needed__textbook() -> None:
    """25 % against 30 %: 1,248 units a group, by the normal formula with unpooled variances (Chow, Shao & Wang 2008,
    Sample Size Calculations in Clinical Research, section 4.2)."""
    n = 1_000
    found = estimates.difference(estimates.proportion(ones(300, n)), estimates.proportion(ones(250, n)))
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    expected = math.ceil(2 * z**2 * (0.25 * 0.75 + 0.3 * 0.7) / 0.05**2)

    assert readings.units_needed(readings.Fixed(), found, 0.05, 2 * n, 0.05) == pytest.approx(expected, abs=1)
    assert expected == 2 * 1_248


@pytest.mark.parametrize("spending", Spending)
def test_repeated_p_values__agree_with_boundaries(spending: Spending) -> None:
    """The p-value at a look is the level whose boundary is what was found: 5 % exactly at the boundary of 5 %."""
    reading = readings.Looks(fractions=(0.2, 0.4, 0.6), planned=(0.2, 0.4, 0.6, 0.8, 1.0), spending=spending)
    limit = reading.reach(0.05, math.inf)
    found = estimates.Difference(n=100, value=limit, standard_error=1.0, degrees=math.inf)

    assert reading.p_value(found) == pytest.approx(0.05, rel=1e-4)


def test_looks_at_equal_variants__alarm_rarely_and_find_more_than_a_mixture_sprt() -> None:
    """30 declared looks at 2,000 experiments of equal variants alarm within chance of 5 %, and find what a fixed test
    finds with 80 % power far more often than a mixture SPRT at the same units (Johari et al. 2022)."""
    looks = 30
    fractions = tuple(look / looks for look in range(1, looks + 1))
    limits = np.asarray(
        [
            readings.Looks(fractions=fractions[: k + 1], planned=fractions, spending=Spending.OBRIEN_FLEMING).reach(
                0.05, 0
            )
            for k in range(looks)
        ]
    )
    steps = np.random.default_rng(5).normal(size=(2_000, looks)) / math.sqrt(looks)
    paths = steps.cumsum(axis=1) / np.sqrt(fractions)
    drifted = np.abs(paths + 2.8016 * np.sqrt(fractions))
    u = np.asarray(fractions) * 2.8016**2
    mixture = np.sqrt((u + 1) / u * np.log((u + 1) / 0.05**2))

    assert (np.abs(paths) > limits).any(axis=1).mean() < 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 2_000)
    assert (drifted > limits).any(axis=1).mean() > (drifted > mixture).any(axis=1).mean() + 0.2
