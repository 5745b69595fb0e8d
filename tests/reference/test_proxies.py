"""Associations of features and groups against published values, and how often they and their intervals are wrong."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats.contingency import association
from sklearn.metrics import roc_auc_score

from cd4ml.data.predictions.crosstabs import Crosstab
from cd4ml.metrics.fairness.proxies import Measure, Proxy, area, proxies
from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.performance.ranking import roc_auc
from cd4ml.metrics.statistics.cramers_v import cramers_v

Counts = npt.NDArray[np.int64]


def table(counts: Counts, *, ordered: bool = False, feature: str = "x") -> Crosstab:
    """Return counts as a table of a feature and the attribute `a`."""
    groups = [f"g{place}" for place in range(counts.shape[1])]
    return Crosstab(feature=feature, attribute="a", ordered=ordered, groups=groups, counts=counts)


def only(*tables: Crosstab, limit: float = 0.5) -> list[Proxy]:
    """Return what these features tell."""
    (found,) = proxies(tables, {"a": limit}, minimum_group_size=5)
    return list(found.found)


def test_cramers_v__published() -> None:
    """ClickHouse's manual, cramersVBiasCorrected (Bergsma 2013): number % 10 and number % 4 of 150 numbers have 0.5798
    uncorrected and 0.5305112825189074 corrected."""
    counts = np.zeros((10, 4), dtype=np.int64)
    for number in range(150):
        counts[number % 10, number % 4] += 1
    found = cramers_v(counts)

    assert found is not None and found.value == pytest.approx(0.5305112825189074, abs=1e-12)
    assert association(counts, method="cramer") == pytest.approx(0.5798088336225178, abs=1e-12)


def test_cramers_v__large_samples_need_no_correction() -> None:
    """Of many rows V is scipy's uncorrected one; of R's `mtcars`, am by vs, that is 0.1683451 (confintr, cramersv)."""
    cars = np.array([[12, 7], [6, 7]])
    assert association(cars, method="cramer") == pytest.approx(0.1683451, abs=1e-7)

    found = cramers_v(cars * 1_000_000)
    assert found is not None and found.value == pytest.approx(0.1683451, abs=1e-6)


def test_cramers_v__without_association() -> None:
    """Two columns that tell nothing of each other have 0, which no bias lifts; one column alone has no V."""
    found = cramers_v(np.full((20, 3), 5))

    assert found is not None and found.value == 0 and found.interval(0.95).lower == 0
    assert cramers_v(np.array([[5, 5], [0, 0]])) is None and cramers_v(np.array([[5, 0], [6, 0]])) is None


@pytest.mark.parametrize(("strength", "shape"), [(0.0, (5, 2)), (0.3, (2, 2)), (0.6, (6, 3)), (0.6, (30, 2))])
def test_cramers_v__interval_covers(strength: float, shape: tuple[int, int]) -> None:
    """The interval holds the true V in at least 92 % of 400 samples of 1,000 rows, and lies above it in 5 % at most."""
    shares = np.full(shape, (1 - strength) / (shape[0] * shape[1]))
    shares[np.arange(shape[0]), np.arange(shape[0]) % shape[1]] += strength / shape[0]
    margins = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    truth = np.sqrt(max(0.0, (shares**2 / margins).sum() - 1) / (min(shape) - 1))
    generator, held, above = np.random.default_rng(shape), 0, 0
    for _ in range(400):
        found = cramers_v(generator.multinomial(1_000, shares.ravel()).reshape(shape))
        assert found is not None
        bounds = found.interval(0.95)
        held += bounds.lower <= truth + 1e-9 and truth <= bounds.upper
        above += found.shown_above(truth) < 0.05

    assert held / 400 >= 0.92 and above / 400 <= 0.075


def test_area__is_scikit_learns_and_delongs() -> None:
    """The area of binned counts is scikit-learn's with ties, and its variance that of DeLong's influences."""
    generator = np.random.default_rng(3)
    truth = generator.random(400) < 0.4
    values = np.round(generator.normal(size=400) + truth, 1)
    cells = np.unique(values, return_inverse=True)[1]
    found = area(
        np.bincount(cells[truth], minlength=cells.max() + 1), np.bincount(cells[~truth], minlength=cells.max() + 1)
    )

    assert found.value == pytest.approx(roc_auc_score(truth, values), abs=1e-12)
    influence = roc_auc(Sample(y_true=truth.astype(int), y_pred=truth, y_score=values)).influence
    assert influence is not None
    assert found.value * (1 - found.value) / found.n == pytest.approx(float((influence**2).sum()), rel=1e-9)


def test_area__perfect_order_is_no_certainty() -> None:
    """Where 20 rows lie above all others, the interval still has a width, that of a share of 20 rows."""
    found = area(np.array([0, 20]), np.array([100, 0]))

    assert found.value == 1 and 0.8 < found.interval(0.95).lower < 0.9


def test_numbers__best_of_several_groups() -> None:
    """Of three groups the one is named that the numbers tell best, whichever way they lie."""
    counts = np.array([[5, 50, 10], [40, 5, 40], [50, 5, 40]])
    (found,) = only(table(counts, ordered=True))

    assert (found.measure, found.group, found.n) == (Measure.AUC, "g1", 245)
    assert found.area is not None and found.area < 0.5 and found.value == pytest.approx(1 - 2 * found.area)
    assert "Bonferroni for 3 groups" in found.interval.method


def test_identifier__tells_nothing() -> None:
    """A value of its own for each row would tell every group by chance; it is not measured, nor is a constant."""
    generator = np.random.default_rng(4)
    counts = np.eye(2, dtype=np.int64)[generator.integers(0, 2, 300)]
    (found,) = proxies(
        [table(counts, feature="id"), table(counts.sum(axis=0, keepdims=True), feature="k")],
        {"a": 0.5},
        minimum_group_size=5,
    )

    assert found.found == []
    assert found.unmeasured == {"id": "no value occurs in 10 rows", "k": "all rows have the same value"}


@pytest.mark.parametrize("rows", [100, 1_000])
def test_clean_features__are_rarely_blamed(rows: int) -> None:
    """Of 20 features that tell just as much as is allowed, at most 5 % of 100 audits are shown one that tells more."""
    shares, blamed = np.array([0.375, 0.125, 0.125, 0.375]), 0  # V is 0.5
    for seed in range(100):
        generator = np.random.default_rng([rows, seed])
        tables = [table(generator.multinomial(rows, shares).reshape(2, 2), feature=str(name)) for name in range(20)]
        blamed += any(one.p_value < 0.05 for one in only(*tables))

    assert blamed <= 8  # 99 % of runs at 5 % have no more than 11
