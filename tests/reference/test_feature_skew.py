"""The scale finder against published units and scipy's Theil-Sen slope; shares against published intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cd4ml.checks.features.shares import share_check
from cd4ml.metrics.features.scale import scale_of


def draw(seed: int = 0, n: int = 200) -> list[float]:
    """Return positive numbers of several magnitudes."""
    return [float(one) for one in np.random.default_rng(seed).lognormal(2, 1, n)]


@pytest.mark.parametrize(
    ("factor", "offset", "name"),
    [
        # NIST Special Publication 811 (2008), appendix B.8: exact factors.
        (1_000.0, 0.0, "metres for kilometres"),
        (0.001, 0.0, "the reverse of metres for kilometres"),
        (1_609.344, 0.0, "metres for miles"),
        (0.3048, 0.0, "the reverse of feet for metres"),
        (0.45359237, 0.0, "the reverse of pounds for kilograms"),
        (3_600.0, 0.0, "seconds for hours"),
        # Appendix B.8, temperature: t/°F = 1.8 t/°C + 32; T/K = t/°C + 273.15.
        (1.8, 32.0, "degrees Fahrenheit for Celsius"),
        (1.0, 273.15, "kelvins for degrees Celsius"),
        (-1.0, 0.0, "the other sign"),
    ],
)
def test_scale__published_units(factor: float, offset: float, name: str) -> None:
    """A unit that was taken for another is found and named, though one value of twenty differs for other reasons."""
    offline = draw()
    online = [factor * one + offset for one in offline]
    online[:10] = [one * 1.37 + 5 for one in online[:10]]

    found = scale_of(offline, online)

    assert found is not None and name in found.told
    assert (found.factor, found.offset) == pytest.approx((factor, offset), rel=1e-9, abs=1e-9)
    assert found.share == 0.95


def test_scale__slope_is_that_of_scipy() -> None:
    """The slope of a line with an offset is Theil and Sen's, as scipy.stats.theilslopes finds it among all pairs."""
    offline = draw(1)
    online = [2.54 * one - 7.5 for one in offline]
    online[::15] = [one + 100 for one in online[::15]]
    theirs = stats.theilslopes(online, offline)

    found = scale_of(offline, online)

    assert found is not None
    assert (found.factor, found.offset) == pytest.approx((theirs.slope, -7.5), rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_scale__none_where_there_is_none(seed: int) -> None:
    """Numbers that differ by chance, or only in their last digits, are no other unit."""
    offline = draw(seed)
    noise = np.random.default_rng(seed + 100).normal(1, 0.05, len(offline))

    assert scale_of(offline, [one * float(by) for one, by in zip(offline, noise, strict=True)]) is None
    assert scale_of(offline, [round(one, 3) for one in offline]) is None
    assert scale_of(offline, draw(seed + 500)) is None
    assert scale_of([3.0] * 50, [9.0] * 50) is None  # one value lies on any line


def test_share__interval_as_published() -> None:
    """The interval holds 81 of 263 as Newcombe (1998, Statistics in Medicine 17:857, table I, method 3) has it at 95 %,
    0.2553 to 0.3662, within which the bounds of 95 % each lie; scipy's Wilson interval at 90 % is the same."""
    check = share_check("x", 81, 263, limit=0.2, minimum=100, option="o", reason="r", told="Told", advice="Do.")
    theirs = stats.binomtest(81, 263).proportion_ci(0.9, method="wilson")

    assert check.interval is not None and check.status == "failed"
    assert (check.interval.lower, check.interval.upper) == pytest.approx((theirs.low, theirs.high), rel=1e-9)
    assert 0.2553 < check.interval.lower < check.interval.upper < 0.3662


@pytest.mark.parametrize(
    ("found", "n", "limit", "status"),
    [
        (0, 100, 0.0, "passed"),
        (0, 99, 0.0, "inconclusive"),
        (0, 0, 0.0, "inconclusive"),
        (1, 5, 0.0, "failed"),
        (6, 100, 0.05, "inconclusive"),
        (5, 100, 0.05, "passed"),
        (12, 100, 0.05, "failed"),
    ],
)
def test_share__decides(found: int, n: int, limit: float, status: str) -> None:
    """One found breaks a limit of 0 for certain; a share above another limit must lie above it for certain."""
    check = share_check("x", found, n, limit=limit, minimum=100, option="o", reason="r", told="Told", advice="Do.")

    assert check.status == status
