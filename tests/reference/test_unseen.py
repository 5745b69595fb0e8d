"""The test of unseen categories against enumeration, against scipy and against simulation."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from cd4ml.metrics.drift.unseen import expected_unseen, unseen_test


def test_expected_unseen__good_turing() -> None:
    """The estimate is the share of rows seen once (Good 1953, equation 9), and on average what further rows do."""
    assert expected_unseen([5, 1, 1, 3, 0]) == 0.2
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 301)
    shares /= shares.sum()
    estimates, truths = [], []
    for _ in range(400):
        sample = rng.multinomial(200, shares)
        estimates.append(expected_unseen(sample))
        truths.append(shares[sample == 0].sum())

    assert np.mean(estimates) == pytest.approx(np.mean(truths), abs=0.01)


@pytest.mark.parametrize(("n", "m", "rows"), [(100, 100, 3), (100, 40, 5), (2_000, 300, 2), (200, 300, 40)])
def test_unseen_test__one_new_category(n: int, m: int, rows: int) -> None:
    """Of one new category beside an old one the p-value is exact: scipy's hypergeometric chance that all its rows
    are among the current ones."""
    found = unseen_test([n, 0], [m - rows, rows])

    assert found.statistic == rows
    assert found.p_value == pytest.approx(float(stats.hypergeom.pmf(rows, n + m, rows, m)), rel=1e-6)


@pytest.mark.parametrize(
    ("reference", "current"),
    [([2, 1, 1, 0, 0], [1, 0, 0, 2, 1]), ([4, 0, 0, 0], [0, 2, 1, 1]), ([3, 1, 0, 0, 0], [1, 0, 1, 1, 1])],
)
def test_unseen_test__never_below_the_enumerated_p_value(reference: list[int], current: list[int]) -> None:
    """The p-value is never below that of all splits of the rows counted one by one, and not ten times as large."""
    rows = [label for label, n in enumerate(np.add(reference, current).tolist()) for _ in range(n)]
    seen, m = int(np.array(current)[np.array(reference) == 0].sum()), sum(current)
    splits = list(combinations(range(len(rows)), m))
    reached = 0
    for split in splits:
        others = {rows[row] for row in range(len(rows)) if row not in split}
        reached += sum(rows[row] not in others for row in split) >= seen

    found = unseen_test(reference, current).p_value
    assert reached / len(splits) <= found + 1e-12 <= 10 * reached / len(splits)


def test_unseen_test__rows_seen_once_are_no_news() -> None:
    """Where every row of both samples is one of its kind chance explains all; where only the new ones are, nothing."""
    assert unseen_test([1] * 300 + [0] * 300, [0] * 300 + [1] * 300).p_value == 1.0
    all_new = unseen_test([300] + [0] * 30, [270] + [1] * 30)

    assert all_new.p_value == pytest.approx(float(stats.binom.sf(29, 30, 0.5)), rel=1e-6)
    assert all_new.p_value > math.comb(300, 30) / math.comb(600, 30)
    assert unseen_test([5, 5], [5, 5]).p_value == 1.0


@pytest.mark.parametrize(("n", "m"), [(100, 100), (1_000, 200), (200, 2_000)])
@pytest.mark.parametrize("categories", [20, 400, 5_000])
def test_unseen_test__calibrated(n: int, m: int, categories: int) -> None:
    """Without drift at most 5 % of the p-values are 0.05 or less, however many categories there are."""
    rng = np.random.default_rng([n, m, categories])
    shares = 1 / np.arange(1, categories + 1)
    shares /= shares.sum()
    alarms = [unseen_test(rng.multinomial(n, shares), rng.multinomial(m, shares)).p_value <= 0.05 for _ in range(200)]

    assert np.mean(alarms) <= 0.05 + 2.33 * math.sqrt(0.05 * 0.95 / 200)
