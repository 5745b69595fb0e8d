"""The file of behaviour tests: what it may say, and that all that is wrong with it is said at once, with lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from cd4ml.errors import OptionsError, UnavailableError
from cd4ml.scoring.behaviour.declared import Change, DirectionTest, FlipTest, KnownAnswersTest, Trend
from cd4ml.scoring.behaviour.reading import read_behaviour


def test_every_kind__read(tmp_path: Path) -> None:
    """Every key arrives in its test, each column is a test of its own, and what is left out has its default."""
    path = tmp_path / "behaviour.yaml"
    path.write_text(
        "invariance:\n- columns: [sex, race]\n"
        "direction:\n- columns: income\n  score: never-rises\n  points: 5\n  maximum-violations: 0.1\n"
        "robustness:\n- columns: age\n  change: noise\n  step: 2\n  may-refuse: true\n  maximum-flips: 0.3\n"
        "known-answers:\n- table: known.csv\n  target: y\n  minimum-share: 0.9\n  tolerance: 0.05\n"
    )

    sex, race, income, age, known = read_behaviour(path).tests

    assert isinstance(sex, FlipTest) and (sex.change, sex.limit, sex.line) == (Change.ANOTHER_VALUE, 0.0, 2)
    assert race.id == "invariance:race:another-value"
    assert isinstance(income, DirectionTest)
    assert (income.trend, income.points, income.limit) == (Trend.NEVER_RISES, 5, 0.1)
    assert isinstance(age, FlipTest) and (age.step, age.may_refuse, age.limit, age.line) == (2, True, 0.3, 9)
    assert isinstance(known, KnownAnswersTest)
    assert (known.table, known.target, known.limit, known.tolerance) == ("known.csv", "y", 0.9, 0.05)


def test_all_problems__at_once(tmp_path: Path) -> None:
    """Unknown words come with the nearest known one, and every problem with its line."""
    path = tmp_path / "behaviour.yaml"
    path.write_text(
        "invariants:\n- columns: sex\n"
        "invariance:\n- column: sex\n- columns: sex\n  change: casing\n- columns: sex\n  factor: 3\n"
        "robustness:\n- columns: age\n  change: missing\n  step: 1\n- columns: age\n  maximum-flips: 2\n"
        "direction:\n- columns: []\n  score: never-falls\n  points: 1\n"
        "known-answers:\n- table: ''\n  tolerance: -1\n"
    )

    with pytest.raises(OptionsError) as found:
        read_behaviour(path)

    told = [problem.removeprefix(f"{path}:") for problem in found.value.problems]
    assert told == [
        "1: unknown section `invariants` (did you mean `invariance`?)",
        "4: unknown key `column` in `invariance` (did you mean `columns`?)",
        "4: a test of `invariance` needs `columns`",
        "6: `change` must be one of another-value, another-row, case, spaces (did you mean `case`?)",
        "8: unknown key `factor` in `invariance`",
        "12: `step` belongs to `change: noise`",
        "14: `maximum-flips` must be a share from 0 to below 1 (1 would refuse nothing)",
        "13: a test of `robustness` needs `change`",
        "16: `columns` must be the name of a column, or a list of different names",
        "18: `points` must be a whole number from 2 to 50",
        "20: `table` must be a text",
        "21: `tolerance` must be a finite number above 0",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a mapping with tests under invariance, direction, robustness, known-answers"),
        ("- columns: sex\n", "expected a mapping"),
        ("invariance: {columns: sex}\n", ":1: `invariance` must be a list of tests"),
        ("invariance: []\n", ":1: `invariance` must be a list of tests"),
        ("invariance:\n- sex\n", ":1: test 1 of `invariance` must be a mapping"),
        ("invariance:\n- columns: no\n", ":2: YAML reads `no` as false"),
        ("invariance:\n- columns: sex\n- columns: [race, sex]\n", "`invariance:sex:another-value` is declared already"),
        ("direction:\n- columns: a\n  score: never-falls\n- columns: a\n  score: never-rises\n", "declared already"),
        ("robustness:\n- columns: a\n  change: missing\n  maximum-flips: true\n", "a share from 0 to below 1"),
        ("robustness:\n- columns: a\n  change: missing\n  maximum-flips: .nan\n", "a share from 0 to below 1"),
        ("robustness:\n- columns: a\n  change: missing\n  maximum-flips: 1\n", "(1 would refuse nothing)"),
        ("invariance:\n- columns: a\n  maximum-flips: 1.0\n", ":3: `maximum-flips` must be a share from 0 to below 1"),
        ("direction:\n- columns: a\n  score: never-falls\n  maximum-violations: 1\n", "(1 would refuse nothing)"),
        ("known-answers:\n- table: a\n  minimum-share: 0\n", "above 0, at most 1 (0 would refuse nothing)"),
        ("invariance:\n- columns: a\n  tolerance: .inf\n", "`tolerance` must be a finite number above 0"),
        (f"invariance:\n- columns: a\n  tolerance: 1{'0' * 400}\n", "`tolerance` must be a finite number above 0"),
        ("robustness:\n- columns: a\n  change: missing\n  may-refuse: 1\n", "true or false"),
        ("robustness:\n- columns: a\n  change: [missing]\n", "one of noise"),
    ],
)
def test_one_problem__refused(tmp_path: Path, text: str, words: str) -> None:
    """A file that declares no test, or a wrong one, is refused."""
    (tmp_path / "behaviour.yaml").write_text(text)

    with pytest.raises(OptionsError, match=".") as found:
        read_behaviour(tmp_path / "behaviour.yaml")

    assert words in str(found.value)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(UnavailableError, match="behaviour.yaml: no such file"):
        read_behaviour(tmp_path / "behaviour.yaml")
