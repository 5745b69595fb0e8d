"""As how many rows repeated rows count, against the design effect of Rao & Scott (1992), Biometrics 48:577-585."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from cd4ml.metrics.split.overlap import duplicates_of
from cd4ml.metrics.split.row_keys import Multiplicities

# Litters of rats (Weil 1970; table 1 of Rao & Scott): how many survived, of how many. The design effects are those that
# the R package PF documents for its function `rsb`.
CONTROL = "13/13 12/12 9/9 9/9 8/8 8/8 12/13 11/12 9/10 9/10 8/9 11/13 4/5 5/7 7/10 7/10"
TREATED = "12/12 11/11 10/10 9/9 10/11 9/10 9/10 8/9 8/9 4/5 7/9 4/7 5/10 3/6 3/10 0/7"


def design_effect(hits: Sequence[float] | npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]) -> float:
    """Return how many times as large the variance of a share is as that of independent rows, given its clusters."""
    n, share = sizes.sum(), np.sum(hits) / sizes.sum()
    residuals = np.asarray(hits) - share * sizes
    variance = len(sizes) / (len(sizes) - 1) * np.sum(residuals**2) / n**2
    return float(n * variance / (share * (1 - share)))


@pytest.mark.parametrize(("litters", "published"), [(CONTROL, 1.232495), (TREATED, 3.952861)])
def test_design_effect__as_published(litters: str, published: float) -> None:
    """The yardstick of the next test is the published one."""
    hits, sizes = np.array([litter.split("/") for litter in litters.split()], dtype=float).T

    assert design_effect(hits, sizes) == pytest.approx(published, abs=1e-6)


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.1, 0.1), (0.9, 0.1, 0.0, 0.0), (0.2, 0.2, 0.3, 0.3)])
def test_effective_rows__of_copies(shares: Sequence[float]) -> None:
    """Rows that are copies count as many as clusters of equal answers do: rows divided by the design effect."""
    rng = np.random.default_rng(0)
    sizes = rng.choice([1, 2, 3, 5], 200_000, p=shares)
    times, values = np.unique(sizes, return_counts=True)
    test = Multiplicities(values=dict(zip(times.tolist(), values.tolist(), strict=True)))
    train = Multiplicities(values={1: test.rows})

    found = duplicates_of(test, train).effective_rows

    expected = sizes.sum() / design_effect(sizes * (rng.random(len(sizes)) < 0.3), sizes.astype(float))
    assert found == pytest.approx(expected, rel=0.01)


def test_design_effect__is_the_mean_of_the_slices() -> None:
    """Where no copies lie in two slices, the design effect of all rows is the mean of theirs, weighted by rows."""
    slices = [Multiplicities(values={1: 500, 2: 300}), Multiplicities(values={1: 2_000, 3: 10, 7: 40})]
    both = Multiplicities(values={1: 2_500, 2: 300, 3: 10, 7: 40})
    of_slices = [1 + one.pairs / one.rows for one in slices]

    mean = np.average(of_slices, weights=[one.rows for one in slices])

    train = Multiplicities(values={1: both.rows})
    assert both.rows / duplicates_of(both, train).effective_rows == pytest.approx(mean)
