"""How sentences write numbers: two that differ never look equal, limits are as they were set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cd4ml.report import as_set, chance, fixed, percent

SHARES = st.floats(min_value=0, max_value=1)


@given(SHARES, SHARES)
def test_fixed__numbers_that_differ_look_different(one: float, other: float) -> None:
    """A value beside another one gets the decimals that tell the two apart, unless only rounding does."""
    assert (fixed(one, other) == fixed(other, one)) <= (abs(one - other) < 1e-11)


@pytest.mark.parametrize(
    ("value", "beside", "shown"),
    [
        (0.8, (), "0.8000"),
        (0.79999, (0.8,), "0.79999"),
        (1234567.891, (), "1,234,567.9"),
        (1523.0, (1523.04,), "1,523.00"),
        (12.5, (2000.0,), "12.5"),
    ],
)
def test_fixed__as_people_read_it(value: float, beside: tuple[float, ...], shown: str) -> None:
    """Four decimals, for large numbers one, with the thousands separated; numbers beside each other look alike."""
    assert fixed(value, *beside) == shown


@pytest.mark.parametrize(
    ("limit", "beside", "shown"),
    [(0.8, (), "0.8000"), (0.00005, (0.9,), "0.00005"), (0.02, (0.0151,), "0.0200"), (2000.0, (1523.2,), "2,000.0")],
)
def test_as_set__never_rounded(limit: float, beside: tuple[float, ...], shown: str) -> None:
    """A limit is written in full: rounded it would be another limit."""
    assert as_set(limit, *beside) == shown


def test_percent_and_chance__one_spelling() -> None:
    """Percentages have a space before the sign; a p-value has no more digits than people need, and is never 0."""
    assert (percent(0.9384), percent(0.05, 2), percent(1.0, 0)) == ("93.8 %", "5.00 %", "100 %")
    assert [chance(p) for p in (1.0, 0.1234, 0.0312, 1e-9)] == ["p = 1.00", "p = 0.12", "p = 0.031", "p < 0.001"]
