"""The promises of audit-fairness's decisions, by simulation with fixed seeds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from cd4ml.checks.fairness.decision import Decision, Limits
from cd4ml.checks.fairness.groups import fairness_checks
from cd4ml.metrics.fairness.disparity import adjusted, choose, disparities, ratio_tests, with_tests
from cd4ml.metrics.fairness.rates import Group, Proportion, Reference
from cd4ml.metrics.statistics.ratio_interval import koopman
from cd4ml.report import Status, worst

AUDITS = 300


def group(name: str, selected: int, n: int) -> Group:
    """Return a group of which so many rows are selected."""
    rate = Proportion(successes=Fraction(selected), total=Fraction(n), squares=(float(selected), float(n - selected)))
    return Group(name=name, n=n, rates={"selection_rate": rate})


def share(decision: Decision, status: Status, rates: list[float], n: int) -> float:
    """Return how often a verdict comes about for groups of n rows with these true rates."""
    limits, found = Limits(minimum_ratio=0.8, minimum_group_size=30, decision=decision), 0
    for selected in np.random.default_rng([n, len(rates)]).binomial(n, rates, (AUDITS, len(rates))):
        groups = [group(str(position), int(count), n) for position, count in enumerate(selected)]
        reference = choose(groups, Reference.BEST)
        assert reference is not None
        family = adjusted({"": ratio_tests(groups, reference, 0.8, of_all_pairs=True)})[""]
        compared = with_tests(disparities(groups, reference, 0.8), family, len(family))
        found += worst(check.status for check in fairness_checks("group", compared, limits)) is status
    return found / AUDITS


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("groups", [2, 5, 10])
def test_evidence__fails_no_equal_groups(groups: int, rate: float) -> None:
    """`evidence` fails equal groups of 200 in at most 5 % of audits, where `point` fails up to all of them."""
    assert share(Decision.EVIDENCE, Status.FAILED, [rate] * groups, 200) <= 0.05


def test_point__fails_most_audits_of_ten_equal_groups() -> None:
    """Why there are other decisions: of ten equal groups of 200, `point` fails nearly every audit."""
    assert share(Decision.POINT, Status.FAILED, [0.1] * 10, 200) > 0.95


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_at_the_limit__5_of_100(rate: float) -> None:
    """At a true ratio of 0.80, `evidence` fails and `strict` passes in about 5 % at most (99 % band of 300 audits)."""
    rates = [0.8 * rate, rate]

    assert share(Decision.EVIDENCE, Status.FAILED, rates, 1_000) <= 0.083
    assert share(Decision.STRICT, Status.PASSED, rates, 1_000) <= 0.05


def test_unfair__never_passes() -> None:
    """A group at 0.60 of the others' rate passes by no decision at 1,000 rows, and `evidence` shows it at 20,000."""
    rates = [0.3, 0.5, 0.5, 0.5, 0.5]

    for decision in Decision:
        assert share(decision, Status.PASSED, rates, 1_000) == 0
    assert share(Decision.EVIDENCE, Status.FAILED, rates, 20_000) == 1


def test_interval__covers() -> None:
    """The interval holds the true ratio in 93 to 97 % of 2,000 pairs of groups, also where positives are rare."""
    for rate, ratio, n in ((0.5, 1.0, 200), (0.3, 0.8, 1_000), (0.05, 1.0, 200)):
        held, pairs = 0, np.random.default_rng(n).binomial(n, (rate * ratio, rate), (2_000, 2))
        for first, second in pairs:
            bounds = koopman((int(first), n), (int(second), n))
            held += bounds.lower <= ratio <= bounds.upper
        assert 0.93 <= held / 2_000 <= 0.97, (rate, ratio, n)
