"""Units: the distance is SciPy's, conversions are those of standards, and numbers that fit none are given none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cd4ml.metrics.drift.units import CONVERSIONS, conversion, distance, noise


def people(seed: int, rows: int = 800) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return positive numbers."""
    return np.random.default_rng(seed).lognormal(2.0, 0.4, rows)


def test_distance__as_scipy_has_it() -> None:
    """The distance of two samples, with ties and of different sizes, is scipy.stats.ks_2samp's statistic."""
    first, second = people(1).round(1), people(2, 313).round(1) * 1.1

    assert distance(first, second) == pytest.approx(stats.ks_2samp(first, second).statistic, abs=1e-12)


def test_noise__holds() -> None:
    """Samples of one source lie further apart in at most a tenth of 400 pairs, at a confidence of 90 %."""
    distances = [distance(people(2 * seed, 60), people(2 * seed + 1, 90)) for seed in range(400)]

    assert sum(found > noise(60, 90, 0.9) for found in distances) <= 40


@pytest.mark.parametrize(
    ("name", "unit", "other"),
    [
        # NIST Special Publication 811 (2008), appendix B.8, and for temperatures B.9.
        ("1.609, as miles in kilometres", 5.0, 8.04672),
        ("3.281, as metres in feet", 0.3048, 1.0),
        ("2.54, as inches in centimetres", 1.0, 2.54),
        ("2.205, as kilograms in pounds", 0.45359237, 1.0),
        ("57.3, as radians in degrees", np.pi, 180.0),
        ("degrees Celsius in Fahrenheit", 100.0, 212.0),
        ("degrees Celsius in kelvins", 25.0, 298.15),
    ],
)
def test_conversions__of_standards(name: str, unit: float, other: float) -> None:
    """Factors and offsets are the published ones."""
    factor, offset = CONVERSIONS[name]

    assert unit * factor + offset == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversion__found_in_both_directions(name: str) -> None:
    """Each is told from every other one, on rows that are not the same."""
    factor, offset = CONVERSIONS[name]
    before, after = people(1), people(2)

    there, back = conversion(before, after * factor + offset), conversion(before * factor + offset, after)

    assert there and there.name == name and not (there.inverse and name != "the other sign")
    assert back and back.name == name and (back.inverse or name == "the other sign")


@pytest.mark.parametrize("times", [1.0, 1.1, 1.4, 1.9, 7.43, 31.0])
def test_conversion__none_that_is_known(times: float) -> None:
    """Numbers that did not change, or by a factor that no unit has, are given no conversion."""
    assert conversion(people(1), people(2) * times) is None
