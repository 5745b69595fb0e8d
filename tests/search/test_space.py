"""The search space: what is written is what is searched, and what is not written so is refused by its name."""

from __future__ import annotations

import pytest

from cd4ml.errors import OptionsError
from cd4ml.search.space import Parameter, parameters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2..8", Parameter(name="x", low=2, high=8)),
        ("-3 .. 5 step 2", Parameter(name="x", low=-3, high=5, step=2)),
        ("0.01..1 log", Parameter(name="x", low=0.01, high=1.0, log=True)),
        ("1e-5..1e2 log", Parameter(name="x", low=1e-5, high=100.0, log=True)),
        ("0..1 step 0.25", Parameter(name="x", low=0.0, high=1.0, step=0.25)),
        ("gini | entropy", Parameter(name="x", choices=("gini", "entropy"))),
        ("50 | 0.5 | true | text", Parameter(name="x", choices=(50, 0.5, True, "text"))),
        ("1 | 1.0 | true", Parameter(name="x", choices=(1, 1.0, True))),
    ],
)
def test_written__read(text: str, expected: Parameter) -> None:
    """Ranges of whole numbers and of numbers, with a step or a scale, and values of any type are read as written."""
    (found,) = parameters({"x": text})

    assert found == expected
    assert [type(one) for one in found.choices] == [type(one) for one in expected.choices]


@pytest.mark.parametrize(
    "text",
    ["8..2", "2..2", "0..1 log", "-1..1 log", "2..8 step 0", "2..8 step 7", "2..8 log step 1", "1..9e999", "2..", ".."]
    + ["", "gini", "a | a", "a |", "2...8", "2..8 LOG"],
)
def test_anything_else__refused(text: str) -> None:
    """What is no range and no list of values is refused with the parameter's name, and so is an empty space."""
    with pytest.raises(OptionsError, match="space: depth: "):
        parameters({"rate": "0..1", "depth": text})
    with pytest.raises(OptionsError, match="no hyper-parameter"):
        parameters({})


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2..8", [2, 8], [1, 9, 2.0, True, "2", None]),
        ("0..1 step 0.5", [0.0, 1, 0.5], [-0.1, 1.1, float("nan"), True, "a"]),
        ("1 | true", [1, True], [1.0, False, "1"]),
    ],
)
def test_has__only_its_values(text: str, inside: list[object], outside: list[object]) -> None:
    """A value outside the range, or of another type, is not one of the parameter's."""
    (parameter,) = parameters({"x": text})

    assert all(parameter.has(value) for value in inside) and not any(parameter.has(value) for value in outside)
