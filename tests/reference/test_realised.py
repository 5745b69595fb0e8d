"""The increase of an error rate split by a model's own probabilities, against its terms by numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from cd4ml.checks.drift.labels import estimated_accuracy
from cd4ml.data.profile.losses import Losses, losses_of
from cd4ml.metrics.drift.concept import increase, increase_of_sums, origin, origin_by_probabilities
from cd4ml.metrics.drift.estimate import expected as cbpe

# Scores of the reference and of the current rows; how many labels are turned over in the latter.
BEFORE, AFTER, TURNED = (2.0, 3.0), (3.0, 3.0), 0.1


def sample(beta: tuple[float, float], turned: float, n: int, rng: np.random.Generator) -> tuple[Losses, np.ndarray]:
    """Return the losses of decisions at 0.5 on calibrated scores, some of whose labels are turned over."""
    score = rng.beta(*beta, n)
    truth = (rng.random(n) < score) ^ (rng.random(n) < turned)
    wrong = ((score >= 0.5) != truth).astype(float)
    return losses_of(wrong, np.minimum(score, 1 - score)), np.column_stack([wrong, score])


def mean_error(beta: tuple[float, float]) -> float:
    """Return E[min(p, 1 - p)] of scores, by numerical integration."""
    density = stats.beta(*beta).pdf
    return float(integrate.quad(lambda p: min(p, 1 - p) * density(p), 0, 1, points=[0.5])[0])


def test_origin__terms_of_cai_namkoong_yadlowsky() -> None:
    """T. T. Cai, H. Namkoong and S. Yadlowsky, "Diagnosing Model Performance Under Distribution Shift" (2023): of a
    rise in risk, E_Q[R_P(X)] - E_P[R_P(X)] comes with X and E_Q[R_Q(X) - R_P(X)] with Y|X, where R(x) = E[loss | x].
    For calibrated scores R_P is min(p, 1 - p), and turning a share t of the labels over adds t(1 - 2 R_P). The 95 %
    bounds hold the truth in 95 % of 400 samples, give or take three standard errors."""
    before, after = mean_error(BEFORE), mean_error(AFTER)
    truth = after - before, TURNED * (1 - 2 * after)
    rng = np.random.default_rng(1)
    inside = np.zeros(2)
    for _ in range(400):
        pair = sample(BEFORE, 0.0, 2_000, rng)[0], sample(AFTER, TURNED, 1_000, rng)[0]
        found = origin_by_probabilities(*pair)
        assert found.from_inputs + found.from_relation == pytest.approx(pair[1].mean - pair[0].mean)
        inside += [
            found.inputs_bounds.lower <= truth[0] <= found.inputs_bounds.upper,
            found.relation_bounds.lower <= truth[1] <= found.relation_bounds.upper,
        ]

    assert np.all(np.abs(inside / 400 - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 400))


def test_origin__like_weighted_rows() -> None:
    """On the same rows the split agrees with that by importance weighting, which needs no probabilities."""
    rng = np.random.default_rng(2)
    (before, rows), (after, others) = sample(BEFORE, 0.0, 20_000, rng), sample(AFTER, TURNED, 20_000, rng)
    weighted = origin(rows[:, 0], others[:, 0], rows[:, 1:], others[:, 1:])
    found = origin_by_probabilities(before, after)

    assert found.from_inputs == pytest.approx(weighted.from_inputs, abs=0.01)
    assert found.from_relation == pytest.approx(weighted.from_relation, abs=0.01)


def test_sums__like_rows() -> None:
    """Sums of losses, added up by parts, give what scipy says of the rows: Welch's t, and the z of two shares."""
    rng = np.random.default_rng(3)
    first, second = rng.gamma(2, 1, 400), rng.gamma(2.2, 1, 300)
    by_sums = increase_of_sums(losses_of(first[:150]) + losses_of(first[150:]), losses_of(second), shares=False)
    welch = stats.ttest_ind(second, first, equal_var=False)

    by_rows = increase(first, second)
    assert (by_sums.value, by_sums.p_value) == pytest.approx((by_rows.value, by_rows.p_value))
    z = by_sums.value / (by_sums.bounds.upper - by_sums.value) * stats.norm.ppf(0.975)
    assert z == pytest.approx(float(welch.statistic), rel=1e-9)

    wrong = (rng.random(400) < 0.2).astype(float), (rng.random(300) < 0.3).astype(float)
    table = [[part.sum(), len(part) - part.sum()] for part in wrong]
    pooled = float(stats.chi2_contingency(table, correction=False).statistic)
    found = increase_of_sums(losses_of(wrong[0]), losses_of(wrong[1]), shares=True)
    assert stats.norm.isf(found.p_value) ** 2 == pytest.approx(pooled, rel=1e-9)


def test_estimate__of_labelled_rows_is_cbpe() -> None:
    """The accuracy that is shown beside the realised one is that of confidence-based performance estimation."""
    rng = np.random.default_rng(4)
    score = rng.beta(2, 3, 500)
    matrix = cbpe(score >= 0.5, score)
    accuracy, bounds = estimated_accuracy(losses_of(np.zeros(500), np.minimum(score, 1 - score)))

    assert accuracy == pytest.approx(matrix.accuracy)
    assert (bounds.lower, bounds.upper) == pytest.approx((matrix.accuracy_bounds.lower, matrix.accuracy_bounds.upper))
