"""Fairness numbers against published ones and against fairlearn on the rows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cd4ml.metrics.fairness import cells, fairness_metrics


def rows(group: str, selected: int, total: int) -> pd.DataFrame:
    """Return `total` rows of a group, `selected` of them with the positive decision."""
    decisions = [1] * selected + [0] * (total - selected)
    return pd.DataFrame({"feature": group, "y_true": decisions, "y_pred": decisions, "sample_weight": 1})


def test_four_fifths_rule__questions_and_answers() -> None:
    """The example of the EEOC's "Questions and Answers" on the Uniform Guidelines (44 FR 11996, 1979), question 12:
    80 applicants White, 48 hired (60 %); 40 applicants Black, 12 hired (30 %): the impact ratio is 30/60 = 50 %."""
    table = pd.concat([rows("white", 48, 80), rows("black", 12, 40)])

    metrics = fairness_metrics(cells(table, ["feature"]), ["feature"])

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

    metrics = fairness_metrics(cells(table, ["feature"]), ["feature"])

    found = {name: values["true_positive_rate"] for name, values in metrics.by_group.items()}
    assert found == pytest.approx(recall)
    assert [group.n for group in metrics.groups] == [2, 4, 7, 3]


@settings(max_examples=60, deadline=None)
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

    metrics = fairness_metrics(cells(table, ["feature"]), ["feature"])

    arguments = {"sensitive_features": table["feature"], "sample_weight": table["sample_weight"]}
    for function in (
        demographic_parity_ratio,
        demographic_parity_difference,
        equalized_odds_ratio,
        equalized_odds_difference,
    ):
        expected = function(table["y_true"], table["y_pred"], **arguments)
        assert getattr(metrics, function.__name__) == pytest.approx(expected, abs=1e-12)
