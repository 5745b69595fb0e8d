"""Behaviour: partial dependence against scikit-learn, violations by their definition, rates by their level."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.inspection import partial_dependence as reference

from cd4ml.metrics.behaviour.answers import answers, moves
from cd4ml.metrics.behaviour.direction import direction, partial_dependence
from cd4ml.metrics.behaviour.flips import Rate, flips, rows_needed
from cd4ml.metrics.behaviour.known_answers import known_answers
from cd4ml.metrics.statistics.multiplicity import holm


def test_partial_dependence__is_scikit_learns() -> None:
    """The curve is scikit-learn's brute-force partial dependence at the same values (Friedman 2001), and the scores of
    the rows are its individual curves."""
    x, y = make_classification(300, 5, random_state=3)
    model = GradientBoostingClassifier(n_estimators=20, random_state=0).fit(x, y)
    grid = np.quantile(x[:, 2], np.linspace(0, 1, 10))
    scores = np.array([model.predict_proba(np.c_[x[:, :2], np.full(300, v), x[:, 3:]])[:, 1] for v in grid])

    found = reference(
        model, x, [2], response_method="predict_proba", method="brute", kind="both", custom_values={2: grid}
    )
    curve = partial_dependence(scores)

    assert curve.mean == pytest.approx(found["average"][0])
    assert scores.T == pytest.approx(found["individual"][0])
    expected = stats.norm.interval(0.95, loc=scores.mean(axis=1), scale=stats.sem(scores, axis=1))
    assert curve.lower == pytest.approx(expected[0])
    assert curve.upper == pytest.approx(expected[1])


@pytest.mark.parametrize("sign", [1, -1])
def test_violations__by_their_definition(sign: Literal[1, -1]) -> None:
    """A row counts if its score is on the wrong side of an earlier one by more than the tolerance, and the worst row is
    the one that is so by most."""
    scores = np.random.default_rng(0).normal(size=(6, 40)).cumsum(axis=0) * 0.1 + sign * np.arange(6)[:, None] * 0.1
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    drops = np.array([max(sign * (scores[i, row] - scores[j, row]) for i, j in pairs) for row in range(40)])

    found = direction(scores, sign, 0.1)

    assert (found.rate.count, found.rate.n) == (int((drops > 0.1).sum()), 40) and 0 < found.rate.count < 40
    assert found.worst and found.worst.row == int(drops.argmax())
    assert sign * (found.worst.before - found.worst.after) == pytest.approx(drops.max())
    assert scores[found.worst.start, found.worst.row] == found.worst.before and found.worst.start < found.worst.end
    assert direction(np.sort(scores, axis=0)[::sign], sign).rate.count == 0
    assert direction(np.sort(scores, axis=0)[::sign], sign).worst is None


def test_violations__rounding_is_of_the_row() -> None:
    """One row with huge scores hides no fall of another's, and what rounding does to it is none."""
    scores = np.array([[1e9, 5000.0, 0.3], [1e9 - 100, 4000.0, 0.3 - 1e-9], [1e9, 6000.0, 0.3]])

    found = direction(scores, 1)

    assert (found.rate.count, found.rate.n) == (1, 3)
    assert found.worst and (found.worst.row, found.worst.before, found.worst.after) == (1, 5000.0, 4000.0)


@pytest.mark.parametrize("n", [59, 100, 500])
@pytest.mark.parametrize("limit", [0.01, 0.05, 0.2])
def test_level__kept(n: int, limit: float) -> None:
    """A model whose true rate is at its limit is blocked in at most 5 % of all samples, by the exact distribution."""
    counts = np.arange(n + 1)
    blocked = [Rate(count=int(k), n=n).shown_above(limit) < 0.05 for k in counts]

    assert stats.binom.pmf(counts, n, limit)[blocked].sum() <= 0.05
    assert Rate(count=int(n / 2), n=n).shown_above(limit) == pytest.approx(
        stats.binomtest(int(n / 2), n, limit, alternative="greater").pvalue
    )


def test_level__kept_by_all_tests_together() -> None:
    """Of 2,000 models whose true rates are at the limits of six tests at most 5 % are blocked by any (and some are)."""
    rng, limits = np.random.default_rng(5), [0.01, 0.05, 0.05, 0.1, 0.2, 0.3]
    counts = rng.binomial(500, limits, size=(2000, len(limits)))

    blocked = [
        min(holm([Rate(count=int(k), n=500).shown_above(limit) for k, limit in zip(row, limits, strict=True)])) < 0.05
        for row in counts
    ]

    assert 0.01 < np.mean(blocked) <= 0.05


@pytest.mark.parametrize(("limit", "rows"), [(0.0, 59), (0.05, 59), (0.1, 29), (0.5, 5), (1.0, 1)])
def test_rows_needed(limit: float, rows: int) -> None:
    """So many rows without a flip show that the rate is at most the limit (or 5 %), and one fewer does not."""
    assert rows_needed(limit) == rows
    highest = max(limit, 0.05)
    assert rows == 1 or (1 - highest) ** rows <= 0.05 < (1 - highest) ** (rows - 1)


def test_flips__only_of_rows_that_were_changed() -> None:
    """Each row counts once, in whatever copies it flips; rows that a copy leaves as they are do not count."""
    before = answers(pd.DataFrame({"y_pred": [0, 0, 1], "y_score": [0.1, 0.4, 0.9]}))
    after = answers(pd.DataFrame({"y_pred": [0, 1, 0, 0, 1, 0], "y_score": [0.1, 0.6, 0.2, 0.3, 0.7, 0.3]}))
    differs = np.array([[True, True, False], [True, True, False]])

    found = flips(before, after, differs, None)

    assert (found.rate.count, found.rate.n, found.worst) == (1, 2, 1)
    assert (found.before, found.after) == ("0 (0.4)", "1 (0.7)") and found.largest == pytest.approx(0.3)
    assert flips(before, after, differs, 0.1).rate.count == 2


def test_moves__of_regressions_and_classes() -> None:
    """A regression's prediction moves as a share of itself; of several classes any score counts."""
    one, other = (answers(pd.DataFrame({"y_pred": values})) for values in ([100.0, 0.0, 50.0], [100.9, 0.1, 51.0]))
    assert moves(one, other).flips.tolist() == [False, True, True]
    assert moves(one, other, 0.05).flips.tolist() == [False, True, False]
    first, second = [pd.DataFrame({"y_pred": ["a"], "y_score_a": [p], "y_score_b": [1 - p]}) for p in (0.7, 0.6)]
    assert moves(answers(first), answers(second)).flips.tolist() == [False]
    assert moves(answers(first), answers(second), 0.05).flips.tolist() == [True]
    assert answers(first).score is None


def test_known_answers__labels_by_their_names() -> None:
    """Labels are compared as people write them, a regression's numbers within the tolerance; others are refused."""
    labels = answers(pd.DataFrame({"y_pred": [1, 0, 1], "y_score": [0.9, 0.1, 0.8]}))
    numbers = answers(pd.DataFrame({"y_pred": [100.0, 50.0]}))

    assert known_answers(labels, pd.Series([True, False, True])).right == 3
    wrong = known_answers(labels, pd.Series(["1", "1.0", "1"]))
    assert (wrong.right, wrong.wrong, wrong.answered, wrong.expected) == (2, 1, "0 (0.1)", "1.0")
    assert known_answers(numbers, pd.Series([100.5, 60])).right == 1
    assert known_answers(numbers, pd.Series([100.5, 60]), 0.5).right == 2
    with pytest.raises(ValueError, match="could not convert"):
        known_answers(numbers, pd.Series(["a", "b"]))
