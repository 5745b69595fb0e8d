"""Rates of behaviour tests and their limits: what passes, what blocks, and what so few rows cannot decide."""

from __future__ import annotations

import numpy as np
import pytest

from cd4ml.checks.scoring.behaviour import (
    DeclaredTest,
    direction_check,
    flips_check,
    known_answers_check,
    steady_check,
    unanswered_check,
)
from cd4ml.metrics.behaviour.direction import direction
from cd4ml.metrics.behaviour.flips import Flips, Rate
from cd4ml.metrics.behaviour.known_answers import KnownAnswers
from cd4ml.report import Status


def under(limit: float | None, p_value: float = 1.0, rule: str = "robustness") -> DeclaredTest:
    """Return a test of a column."""
    return DeclaredTest(id=f"{rule}:age", rule=rule, what="`age`", limit=limit, sample="Sample.", p_value=p_value)


def flips(count: int, n: int) -> Flips:
    """Return so many flips."""
    return Flips(rate=Rate(count=count, n=n), largest=0.5, worst=3, before="0", after="1")


@pytest.mark.parametrize(
    ("count", "n", "limit", "status", "reason"),
    [
        (0, 59, 0.0, Status.PASSED, None),
        (0, 58, 0.0, Status.INCONCLUSIVE, "too-few-rows"),
        (1, 58, 0.0, Status.FAILED, "above-maximum"),
        (1, 10_000, 0.0, Status.FAILED, "above-maximum"),
        (10, 200, 0.05, Status.PASSED, None),
        (11, 200, 0.05, Status.INCONCLUSIVE, "not-shown"),
        (30, 200, 0.05, Status.FAILED, "above-maximum"),
        (2, 20, 0.1, Status.INCONCLUSIVE, "too-few-rows"),
        (3, 30, 0.1, Status.PASSED, None),
        (5, 5, None, Status.PASSED, None),
        (5, 5, 1.0, Status.PASSED, None),
    ],
)
def test_flips__against_their_limit(count: int, n: int, limit: float | None, status: Status, reason: str) -> None:
    """Above the limit only what is shown fails, at or below it enough rows pass, and all else is inconclusive."""
    p_value = 1.0 if limit is None else Rate(count=count, n=n).shown_above(limit)

    check = flips_check(under(limit, p_value), flips(count, n), "r7", numeric=False, production=Rate(count=1, n=4))

    assert (check.status, check.reason, check.limit) == (status, reason, limit)
    assert (check.value, check.baseline, check.n) == (count / n, 0.25, n)
    assert check.interval and check.interval.lower <= count / n <= check.interval.upper
    assert ("row r7" in check.message) == bool(count) and (check.advice is None) == (status is Status.PASSED)


def test_correction__decides() -> None:
    """What one test of many shows by chance does not fail: the corrected p-value counts."""
    assert flips_check(under(0.05, 0.06), flips(20, 200), "1", numeric=False).status is Status.INCONCLUSIVE
    assert flips_check(under(0.05, 0.04), flips(20, 200), "1", numeric=False).status is Status.FAILED


def test_direction__worst_row_is_named() -> None:
    """The worst row stands with its id, both values of the column and both scores."""
    scores = np.tile([[0.2], [0.4], [0.6]], 80)
    scores[2, 5] = 0.1

    check = direction_check(
        under(0.0, 0.0, "direction"), direction(scores, 1), [10, 20, 30], [f"r{n}" for n in range(80)]
    )

    assert (check.status, check.value) == (Status.FAILED, 1 / 80)
    assert "Worst in row r5: from 20 to 30 the score goes from 0.4000 to 0.1000." in check.message


@pytest.mark.parametrize(
    ("right", "limit", "status"), [(4, 1.0, Status.PASSED), (3, 1.0, Status.FAILED), (3, 0.75, Status.PASSED)]
)
def test_known_answers__against_their_limit(right: int, limit: float, status: Status) -> None:
    """A share of right answers below the limit fails, and the first wrong row is named."""
    found = KnownAnswers(right=right, n=4, wrong=None if right == 4 else 2, answered="0", expected="1")

    check = known_answers_check(under(limit, rule="known-answers"), found)

    assert check.status is status and ("row 2: 0 instead of 1" in check.message) == (right < 4)


def test_no_answer__passes_only_where_it_may_be_refused() -> None:
    """A model that does not answer is blocked, in every kind of test, unless the test lets it refuse."""
    for rule, status in (("robustness", Status.FAILED), ("invariance", Status.ERROR), ("direction", Status.ERROR)):
        check = unanswered_check(under(None, rule=rule), "ValueError", "r1", 9, refused=True, may_refuse=False)
        assert (check.status, check.reason, check.n) == (status, "not-answered", 9) and "(row r1)" in check.message
    assert unanswered_check(under(None), "no", None, 9, refused=True, may_refuse=True).status is Status.PASSED


@pytest.mark.parametrize("may_refuse", [True, False])
def test_crash__is_no_refusal(may_refuse: bool) -> None:
    """What is not a refusal is an error, even where the model may refuse."""
    check = unanswered_check(under(None), "its process crashed", None, 9, refused=False, may_refuse=may_refuse)

    assert (check.status, check.reason) == (Status.ERROR, "not-answered")


def test_unsteady__error() -> None:
    """One answer that differs for the same row, or none at all, is an error."""
    assert steady_check(0, 5, None, 2, 9).status is Status.PASSED
    assert steady_check(1, 5, None, 2, 9).status is Status.ERROR
    assert steady_check(0, 5, "it crashed", 2, 9).status is Status.ERROR
