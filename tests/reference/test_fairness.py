"""Fairness numbers against published ones and against fairlearn on the rows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, precision_score

from cd4ml.metrics.fairness import rates
from cd4ml.metrics.fairness.calibration import group_calibration
from cd4ml.metrics.fairness.disparity import RatioTest, adjusted
from cd4ml.metrics.fairness.errors import gap, group_errors
from cd4ml.metrics.fairness.quantity import Quantity
from cd4ml.metrics.fairness.rates import FairnessMetrics, fairness_metrics
from cd4ml.metrics.statistics.ratio_interval import koopman, ratio_statistic, rows_needed, shown_below


def rows(group: str, selected: int, total: int) -> pd.DataFrame:
    """Return `total` rows of a group, `selected` of them with the positive decision."""
    decisions = [1] * selected + [0] * (total - selected)
    return pd.DataFrame({"feature": group, "y_true": decisions, "y_pred": decisions, "sample_weight": 1})


def from_counts(table: pd.DataFrame) -> FairnessMetrics:
    """Return the metrics of a table by way of its counts."""
    weight = table["sample_weight"].astype(float)
    counted = table.assign(n=1, weight=weight, squares=weight**2)
    return fairness_metrics(counted.drop(columns="sample_weight"), ["feature"])


def test_four_fifths_rule__questions_and_answers() -> None:
    """The example of the EEOC's "Questions and Answers" on the Uniform Guidelines (44 FR 11996, 1979), question 12:
    80 applicants White, 48 hired (60 %); 40 applicants Black, 12 hired (30 %): the impact ratio is 30/60 = 50 %."""
    table = pd.concat([rows("white", 48, 80), rows("black", 12, 40)])

    metrics = from_counts(table)

    black, white = metrics.groups
    assert (white.selection_rate, black.selection_rate) == (Fraction(3, 5), Fraction(3, 10))
    assert metrics.demographic_parity_ratio == pytest.approx(0.5, abs=1e-15)


# fairlearn user guide, "Metrics with grouping" (docs/user_guide/assessment.rst): data and printed results.
Y_TRUE = [0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1]
Y_PRED = [0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1]
GROUP = ["d", "a", "c", "b", "b", "c", "c", "c", "b", "d", "c", "a", "b", "d", "c", "c"]
WEIGHT = [1, 2, 1, 3, 2, 3, 1, 2, 1, 2, 3, 1, 2, 3, 2, 3]


@pytest.mark.parametrize(
    ("weights", "recall"),
    [
        ([1] * 16, {"a": 0.0, "b": 0.5, "c": 0.75, "d": 0.0}),
        (WEIGHT, {"a": 0.0, "b": 0.5, "c": 0.714285714, "d": 0.0}),
    ],
)
def test_fairlearn_user_guide(weights: list[int], recall: dict[str, float]) -> None:
    """Recall (true positive rate) and size of each group are those that fairlearn's user guide prints."""
    table = pd.DataFrame({"feature": GROUP, "y_true": Y_TRUE, "y_pred": Y_PRED, "sample_weight": weights})

    metrics = from_counts(table)

    found = {name: values["true_positive_rate"] for name, values in metrics.by_group.items()}
    assert found == pytest.approx(recall)
    assert [group.n for group in metrics.groups] == [2, 4, 7, 3]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.booleans())
def test_counts_equal_fairlearn_on_rows(seed: int, groups: int, weighted: bool) -> None:
    """From counts come the same numbers as from the rows, weighted or not."""
    random = np.random.default_rng(seed)
    n = 400
    table = pd.DataFrame(
        {
            "feature": random.integers(0, groups, n).astype(str),
            "y_true": random.integers(0, 2, n),
            "y_pred": random.integers(0, 2, n),
            "sample_weight": random.integers(1, 5, n) if weighted else np.ones(n),
        }
    )

    metrics = from_counts(table)

    arguments = {"sensitive_features": table["feature"], "sample_weight": table["sample_weight"]}
    for function in (
        demographic_parity_ratio,
        demographic_parity_difference,
        equalized_odds_ratio,
        equalized_odds_difference,
    ):
        expected = function(table["y_true"], table["y_pred"], **arguments)
        assert getattr(metrics, function.__name__) == expected
    opportunity = equal_opportunity_difference(table["y_true"], table["y_pred"], **arguments)
    assert metrics.differences["true_positive_rate"] == opportunity


RATES = {
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_positive_rate": false_positive_rate,
    "false_negative_rate": false_negative_rate,
    "precision": precision_score,
}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.sampled_from([1, 0.1, None]))
def test_metric_frame__every_rate_and_group(seed: int, groups: int, weight: float | None) -> None:
    """Each rate of each group, and each difference, is what fairlearn's MetricFrame says of the rows."""
    random, n = np.random.default_rng(seed), 600
    table = pd.DataFrame({name: random.integers(0, 2, n) for name in ("y_true", "y_pred")})
    table["feature"] = random.integers(0, groups, n).astype(str)
    table["sample_weight"] = random.random(n) + 0.01 if weight is None else weight
    metrics = from_counts(table)
    assert {*RATES} == {*rates.RATES}

    frame = MetricFrame(
        metrics=RATES,
        y_true=table["y_true"],
        y_pred=table["y_pred"],
        sensitive_features=table["feature"],
        sample_params={name: {"sample_weight": table["sample_weight"]} for name in RATES},
    )

    exact = 1e-15 if weight == 1 else 1e-9
    for rate, by_group in frame.by_group.to_dict().items():
        for group, expected in by_group.items():
            assert metrics.by_group[group][rate] == pytest.approx(expected, abs=exact)
        assert metrics.differences[rate] == pytest.approx(frame.difference()[rate], abs=exact)


@pytest.mark.parametrize("weight", [0.1, 0.3, 1 / 3, 7])
def test_four_fifths__weights_that_binary_fractions_miss(weight: float) -> None:
    """48 of 60 against 60 of 60 is 4/5, also where every row weighs 0.1 and the sums carry rounding errors."""
    table = pd.concat([rows("a", 48, 60), rows("b", 60, 60)]).assign(sample_weight=weight)

    a, b = from_counts(table).groups

    assert a.selection_rate / b.selection_rate == Fraction(4, 5)


@pytest.mark.parametrize(
    ("first", "second", "lower", "upper"),
    [
        ((7, 34), (1, 34), "1.2209", "42.5757"),
        ((36, 40), (16, 80), "2.94", "7.15"),
    ],
)
def test_koopman__published(first: tuple[int, int], second: tuple[int, int], lower: str, upper: str) -> None:
    """7 of 34 against 1 of 34 as R's contingencytables prints it (tests/testthat, Koopman_asymptotic_score_CI_2x2 of
    perondi_2004) and R's PropCIs in statsmodels' test_proportion.py (riskscoreci: 1.220853, 42.575718); 36 of 40
    against 16 of 80 is the example of Koopman (1984), Biometrics 40:513, also that of R's DescTools and asbio."""
    found = koopman(first, second)
    digits = len(lower.partition(".")[2])

    assert (f"{found.lower:.{digits}f}", f"{found.upper:.{digits}f}") == (lower, upper)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 40), st.integers(1, 40))
def test_koopman__holds_the_ratio_and_mirrors(x: int, y: int, more: int, others: int) -> None:
    """The interval holds the ratio, ends where the test turns, and its mirror is that of the inverse ratio."""
    first, second = (x, x + more), (y, y + others)

    found, mirror = koopman(first, second), koopman(second, first)

    if y:
        ratio = (first[0] / first[1]) / (second[0] / second[1])
        assert found.lower <= ratio * (1 + 1e-9) and ratio <= found.upper * (1 + 1e-9)
        assert ratio_statistic(first, second, found.upper) == pytest.approx(-1.959964, abs=1e-4)
    if x and y:
        assert found.lower == pytest.approx(1 / mirror.upper, rel=1e-9)


def test_ratio_test__of_equality_is_pearson() -> None:
    """At a ratio of 1 the statistic is the root of Pearson's chi-squared (scipy.stats.chi2_contingency)."""
    from scipy.stats import chi2_contingency

    expected = chi2_contingency([[30, 70], [45, 55]], correction=False)

    assert ratio_statistic((30, 100), (45, 100), 1.0) ** 2 == pytest.approx(expected.statistic, rel=1e-12)
    assert 2 * shown_below((30, 100), (45, 100), 1.0) == pytest.approx(expected.pvalue, rel=1e-9)


def test_rows_needed__settle() -> None:
    """With the rows that are asked for, four of five samples show what one could not."""
    random, wanted = np.random.default_rng(3), rows_needed(100, ratio_statistic((30, 100), (50, 100), 0.8), 0.05)
    assert wanted is not None

    shown = [
        shown_below((int(random.binomial(wanted, 0.3)), wanted), (int(random.binomial(wanted, 0.5)), wanted), 0.8)
        for _ in range(2_000)
    ]

    assert 0.75 < np.mean(np.array(shown) < 0.05) < 0.86


def test_holm__over_pairs_of_two_features() -> None:
    """Tests of two features are one family: by Holm's rule 0.01, 0.02, 0.03, 0.04 become 0.04, 0.06, 0.06, 0.06."""
    tests = [RatioTest(group="a", against="b", p_value=value) for value in (0.01, 0.02, 0.03, 0.04)]

    found = adjusted({"sex": tests[:2], "race": tests[2:]})

    assert [test.p_value for family in found.values() for test in family] == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_group_calibration__is_the_mean_of_the_rows() -> None:
    """Gap and interval from sums are those of scipy's t interval on the rows' differences."""
    from scipy import stats

    random = np.random.default_rng(0)
    score, label = random.random(200), random.integers(0, 2, 200)
    table = pd.DataFrame({"y_true": label, "n": 1, "weight": 1.0, "squares": 1.0, "score": score})
    table = table.assign(square_score=score, square_score_square=score**2)

    (found,) = group_calibration(table, pd.Series(["a"] * 200))

    low, high = stats.t.interval(0.95, 199, loc=(score - label).mean(), scale=stats.sem(score - label))
    assert found.interval is not None
    assert (found.interval.lower, found.interval.upper) == pytest.approx((low, high), rel=1e-9)


def test_group_errors__fairlearn_and_welch() -> None:
    """Mean absolute errors and their difference are fairlearn's, the interval that of scipy's Welch test."""
    from scipy import stats

    random = np.random.default_rng(0)
    group, true = np.repeat(["a", "b"], [80, 120]), random.normal(size=200)
    predicted = true + random.normal(np.where(group == "a", 0.3, 0.0), np.where(group == "a", 2.0, 1.0))
    columns: dict[str, object] = {"n": 1, "weight": 1.0, "squares": 1.0}
    for name, values in (("error", predicted - true), ("absolute_error", abs(predicted - true))):
        columns |= {name: values, f"square_{name}": values, f"square_{name}_square": values**2}
    errors = group_errors(pd.DataFrame(columns), pd.Series(group))

    frame = MetricFrame(metrics=mean_absolute_error, y_true=true, y_pred=predicted, sensitive_features=group)
    absolute, mean = gap(errors, Quantity.ABSOLUTE_ERROR), gap(errors, Quantity.ERROR)
    error = predicted - true
    expected = stats.ttest_ind(error[group == "a"], error[group == "b"], equal_var=False).confidence_interval()

    assert absolute.value == pytest.approx(frame.difference(), rel=1e-12)
    assert mean.interval is not None
    assert (mean.interval.lower, mean.interval.upper) == pytest.approx((expected.low, expected.high), rel=1e-9)
