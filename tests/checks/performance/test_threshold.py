"""Limits: a value at its limit passes, one a row beyond does not, at every scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.checks.performance import threshold
from cd4ml.checks.performance.comparison import Support
from cd4ml.checks.performance.comparison import comparison_check as decide
from cd4ml.checks.performance.rule import Decision, Rule
from cd4ml.metrics.performance.comparison import Comparison
from cd4ml.metrics.performance.metric import ALL_TASKS, Metric
from cd4ml.render.numbers import number
from cd4ml.report import Check, Interval, Status


def passed(check: Check) -> bool:
    """Whether the check passed; anything else must be a failure with a reason and advice."""
    if check.status is Status.PASSED:
        assert check.reason is None
        return True
    assert check.status is Status.FAILED and check.reason and check.advice
    return False


def regression(
    candidate: float,
    production: float,
    tolerance: float = 0.0,
    *,
    share: float | None = None,
    greater_is_better: bool = True,
) -> Check:
    """Decide on a difference by its face."""
    metric = Metric(name="x", tasks=ALL_TASKS, greater_is_better=greater_is_better, lowest=-math.inf, highest=math.inf)
    compared = Comparison(
        metric=metric,
        candidate=candidate,
        production=production,
        difference=candidate - production,
        standard_error=1.0,
        interval=Interval(lower=-1.0, upper=1.0, confidence=0.9, method="none"),
        p_worse=0.5,
        n=100,
    )
    support = Support(n=100, smaller_class=None, minimum_rows=30, class_floor=50)
    return decide(Rule(decision=Decision.POINT, tolerance=tolerance, share=share), compared, support)


@pytest.mark.parametrize(
    ("value", "limit", "reached"),
    [
        (48 / 60, 0.8, True),
        (0.1 + 0.2, 0.3, True),
        (0.3, 0.1 + 0.2, True),
        (1 - 0.9, 0.1, True),
        (0.8 - 1e-9, 0.8, False),
        (79_999_999 / 100_000_000, 0.8, False),
        (0.0, 0.0, True),
        (-1e-9, 0.0, False),
        (-0.5, -0.4, False),
        (1e9, 1e9 + 1, False),
        (3e-13, 4e-13, False),
    ],
)
def test_minimum_and_maximum(value: float, limit: float, reached: bool) -> None:
    """A minimum is reached or not; turned over, the same holds for a maximum."""
    assert passed(threshold.minimum_check("r2", value, limit, 100)) is reached
    assert passed(threshold.maximum_check("mae", -value, -limit, 100)) is reached


@pytest.mark.parametrize(
    ("candidate", "production", "tolerance", "allowed"),
    [
        (0.91, 0.93, 0.02, True),
        (0.75, 0.80, 0.05, True),
        (0.75, 0.80, 0.0499, False),
        (0.80, 0.80, 0.0, True),
        (0.90, 0.80, 0.0, True),
        (0.80 - 1e-9, 0.80, 0.0, False),
        (0.0, 1.0, 0.5, False),
        (1e6, 1e6 + 0.3, 0.3, True),
        (1e6, 1e6 + 0.31, 0.3, False),
    ],
)
def test_regression(candidate: float, production: float, tolerance: float, allowed: bool) -> None:
    """A loss up to the tolerance is allowed, in the direction of the metric; a gain always."""
    greater = regression(candidate, production, tolerance)
    smaller = regression(-candidate, -production, tolerance, greater_is_better=False)

    assert passed(greater) is passed(smaller) is allowed


@pytest.mark.parametrize(
    ("candidate", "production", "share", "allowed"),
    [
        (0.882, 0.9, 0.02, True),
        (0.8819, 0.9, 0.02, False),
        (-0.102, -0.1, 0.02, True),
        (-0.1021, -0.1, 0.02, False),
        (0.0, 0.0, 0.5, True),
        (-0.001, 0.0, 0.5, False),
    ],
)
def test_relative_regression(candidate: float, production: float, share: float, allowed: bool) -> None:
    """A loss up to a share of production's value is allowed, in the direction of the metric and whatever its sign."""
    greater = regression(candidate, production, share=share)
    smaller = regression(-candidate, -production, share=share, greater_is_better=False)

    assert passed(greater) is passed(smaller) is allowed
    assert f"{share * 100:g} % of production's value)" in greater.message
    assert greater.limit == pytest.approx(share * abs(production))


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [(0.79999, 0.8, "0.79999"), (0.7477, 0.75, "0.7477"), (0.8, 0.8, "0.8000"), (0.1 + 0.2, 0.3, "0.3000")],
)
def test_value_and_limit__never_look_equal(value: float, limit: float, shown: str) -> None:
    """A value that misses its limit by little is written with the decimals that show it."""
    check = threshold.minimum_check("accuracy", value, limit, 100)

    assert check.message.startswith(f"accuracy {shown} ")
    assert number(value, limit) == shown and (number(limit, value) == shown) is (check.status is Status.PASSED)


@pytest.mark.parametrize(
    ("train", "test", "limit", "allowed"),
    [(1.0, 0.9, 0.1, True), (1.0, 0.9, 0.0999, False), (0.8, 0.9, 0.0, True), (0.93, 0.91, 0.02, True)],
)
def test_gap(train: float, test: float, limit: float, allowed: bool) -> None:
    """A gap up to the limit is allowed; being better on the test rows is no gap."""
    greater = threshold.gap_check("x", train, test, limit, 100, greater_is_better=True)
    smaller = threshold.gap_check("x", -train, -test, limit, 100, greater_is_better=False)

    assert passed(greater) is passed(smaller) is allowed


NUMBERS = st.floats(min_value=-1e6, max_value=1e6)


@given(NUMBERS, NUMBERS, st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1e3))
def test_worse_never_helps(candidate: float, production: float, tolerance: float, worse: float) -> None:
    """A worse candidate never turns a block into a pass."""
    first = regression(candidate, production, tolerance)
    second = regression(candidate - worse, production, tolerance)

    assert passed(first) or not passed(second) or math.isclose(candidate - production, -tolerance, rel_tol=1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_not_a_number__never_passes(value: float) -> None:
    """A value that is no number cannot pass any limit."""
    makers: list[Callable[[], Check]] = [
        lambda: threshold.minimum_check("x", value, 0.0, 9),
        lambda: threshold.maximum_check("x", -value, 0.0, 9),
        lambda: regression(value, 0.0, 1.0),
    ]
    for make in makers:
        try:
            check = make()
        except ValueError:
            continue
        assert check.status is Status.FAILED
