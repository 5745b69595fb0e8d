"""Powers of columns and pairs that are held to limits -> checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cd4ml.checks.split.family import ALPHA, confidence, simultaneous
from cd4ml.inputs.options import Limit
from cd4ml.metrics.split.leakage import Leakage
from cd4ml.metrics.split.power import Power
from cd4ml.metrics.split.single import Alone
from cd4ml.report import Bound, Check, Status, as_set, chance, fixed
from cd4ml.report.ids import check_id

FEATURE, GAPS, PAIR, IDENTIFIER = "feature-power", "missing-value-power", "pair-power", "identifier-power"
# A power must lie above its limit, and with certainty above the limit less this: to be certain of more than 0.99 takes
# thousands of rows, even if not one of them is misplaced.
MARGIN: Final = 0.04
# What the order of identifiers may tell unless a limit is set: they follow time, and so may the target.
IDENTIFIER_AREA: Final = 0.65
IDENTIFIER_EXPLAINED: Final = 0.10
# What gaps may tell, unless their column has a limit of its own: whether a value is there is hardly ever as good a
# feature as a value.
GAPS_POWER: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What columns may tell of the target.

    Attributes:
        feature: the largest power of a column alone; features may have limits of their own.
        pair: the largest power of two columns.
        identifier: the largest power of an identifier's order; None for the default of the kind of target.
        one_label: how much of a label (R²) may be known from categories that occur with it alone.
        model: the model's own power, None if it is not known. A column that reaches it is held to it.
    """

    feature: Limit
    pair: float
    identifier: float | None
    one_label: float
    model: float | None = None

    def of(self, name: str) -> float:
        """Return the limit of a column alone."""
        limit = self.feature.of(name)
        return self._beside_model(1.0 if limit is None else limit)

    def of_gaps(self, name: str) -> float:
        """Return the limit of whether a column's value is missing."""
        limit = self.of(name)
        return limit if limit >= 1 or name in self.feature.own else min(limit, GAPS_POWER)

    def allowing(self, name: str) -> str:
        """Say how to allow a column any power, in words that hold in a file, in a workflow and on the command line."""
        if set(name) & set(",=\n"):  # such a name cannot be written in a line
            return f"set `maximum-feature-power` to {{{name}: 1}} in cd4ml.yaml"
        allowed = replace(self.feature, own={**self.feature.own, name: 1.0})
        return f"set `maximum-feature-power` to `{allowed}`"

    def of_pairs(self) -> float:
        """Return the limit of two columns."""
        return self._beside_model(self.pair)

    def of_identifiers(self, *, numeric: bool) -> float:
        """Return the limit of an identifier's order."""
        if self.identifier is not None:
            return self.identifier
        return IDENTIFIER_EXPLAINED if numeric else IDENTIFIER_AREA

    def _beside_model(self, limit: float) -> float:
        """Return a limit, or what the model reaches where that is less, within the margin."""
        if self.model is None or limit >= 1:
            return limit
        return min(limit, max(self.model, limit - MARGIN))


@dataclass(frozen=True, kw_only=True)
class PowerTest:
    """A power that is held to a limit.

    Attributes:
        floor: what it must exceed with certainty.
        weight: how many tests it stands for.
    """

    rule: str
    name: str
    told: str
    power: Power
    limit: float
    floor: float
    option: Sequence[str]
    advice: str
    weight: int = 1

    @property
    def chance(self) -> float:
        """The p-value of a power that is no greater than the floor."""
        return self.power.chance(self.floor)


def power_tests(found: Leakage, target: str, limits: Limits) -> list[PowerTest]:
    """Return every power with the limit that it is held to."""
    return [*_of_columns(found, target, limits), *_of_pairs(found, target, limits)]


def _of_columns(found: Leakage, target: str, limits: Limits) -> Iterator[PowerTest]:
    """Yield the tests of columns alone: of values, gaps and the order of identifiers."""
    for one in found.alone:
        if one.values is not None:
            of_values = _of_identifier if one.identifier else _of_values
            yield of_values(one, one.values, target, limits, numeric=found.numeric)
        if one.gaps is not None:
            yield PowerTest(
                rule=GAPS,
                name=one.name,
                told=f"Whether {one.name} is missing predicts {target}",
                power=one.gaps,
                limit=limits.of_gaps(one.name),
                floor=limits.of_gaps(one.name) - MARGIN,
                option=("maximum-feature-power", one.name),
                advice=f"Find out why {one.name} is missing: it looks as if it is filled in only after {target} is "
                f"known. If it is missing before that, allow it: {limits.allowing(one.name)}.",
            )


def _of_values(one: Alone, power: Power, target: str, limits: Limits, *, numeric: bool) -> PowerTest:
    """Return the test of a column's values."""
    return PowerTest(
        rule=FEATURE,
        name=one.name,
        told=f"{one.name} alone predicts {target}",
        power=power,
        limit=limits.of(one.name),
        floor=limits.of(one.name) - MARGIN,
        option=("maximum-feature-power", one.name),
        advice=known_before(one.name, target) + f"{limits.allowing(one.name)}.",
        weight=one.tried,
    )


def _of_identifier(one: Alone, power: Power, target: str, limits: Limits, *, numeric: bool) -> PowerTest:
    """Return the test of an identifier: what its order tells is not known of new rows."""
    limit = limits.of_identifiers(numeric=numeric)
    return PowerTest(
        rule=IDENTIFIER,
        name=one.name,
        told=f"The order of the identifier {one.name} predicts {target}",
        power=power,
        limit=limit,
        floor=limit,
        option=("maximum-identifier-power",),
        advice=f"Leave {one.name} out of the features, and name it in `exclude`.",
        weight=one.tried,
    )


def _of_pairs(found: Leakage, target: str, limits: Limits) -> Iterator[PowerTest]:
    """Yield the tests of pairs."""
    for pair in found.pairs:
        first, second = pair.names
        yield PowerTest(
            rule=PAIR,
            name=pair.formula,
            told=f"{first} and {second} together ({pair.formula}) predict {target}",
            power=pair.power,
            limit=limits.of_pairs(),
            floor=limits.of_pairs() - MARGIN,
            option=("maximum-pair-power",),
            advice=known_before(f"{first} and {second}", target)
            + "name one of them in `exclude`, or set `maximum-pair-power` to 1.",
        )


def known_before(names: str, target: str) -> str:
    """Say what to find out, up to the words that say how to allow it."""
    return (
        f"Find out when the values of {names} become known: after {target}, they must not be a feature. If it is "
        "before, allow it: "
    )


def power_checks(
    rule: str, tests: Sequence[tuple[PowerTest, float]], family: int, *, numeric: bool, n: int
) -> Iterator[Check]:
    """Yield the checks of a rule: one for each power above its limit, or one that names the largest."""
    above = [(test, p_value) for test, p_value in tests if test.power.value > test.limit]
    for test, p_value in above:
        yield _above(test, p_value, family, numeric=numeric)
    if not above and (tests or rule in (FEATURE, PAIR)):
        yield _within(rule, [test for test, _ in tests], family, numeric=numeric, n=n)


def _above(test: PowerTest, adjusted: float, family: int, *, numeric: bool) -> Check:
    """Return the check of a power above its limit: it fails if chance does not explain it, all tests together."""
    status = Status.FAILED if adjusted <= ALPHA else Status.INCONCLUSIVE
    doubt = f" Too few test rows to be certain of more than {as_set(test.floor)} ({chance(adjusted)})."
    return Check(
        **_numbers(test, family, numeric=numeric),
        id=check_id(test.rule, test.name),
        status=status,
        reason="gives-target-away" if status is Status.FAILED else "too-few-rows",
        message=f"{test.told}: {_power(test, family, numeric=numeric)}.{'' if status is Status.FAILED else doubt}",
        advice=test.advice,
    )


_NOTHING: Final = {
    FEATURE: "No column alone gives the target away",
    GAPS: "No gaps give the target away",
    PAIR: "No two columns together give away what neither does alone",
    IDENTIFIER: "No identifier gives the target away",
}


def _within(rule: str, tests: Sequence[PowerTest], family: int, *, numeric: bool, n: int) -> Check:
    """Return the check of a rule that nothing breaks, with the largest power."""
    most = max(tests, key=lambda test: test.power.value, default=None)
    if most is None:
        return Check(id=rule, status=Status.PASSED, n=n, message=f"{_NOTHING[rule]}.")
    named = f"the most powerful is {most.name}: {_power(most, family, numeric=numeric)}"
    return Check(
        **_numbers(most, family, numeric=numeric), id=rule, status=Status.PASSED, message=f"{_NOTHING[rule]}; {named}."
    )


def _numbers(test: PowerTest, family: int, *, numeric: bool) -> Mapping[str, Any]:
    """Return what the check of a power says in numbers."""
    bounds = test.power.interval(confidence(family))
    return {
        "metric": "power",
        "value": test.power.value,
        "interval": simultaneous(bounds, "influence" if numeric else "Newcombe", family),
        "limit": test.limit,
        "bound": Bound.AT_MOST,
        "option": test.option,
        "n": test.power.n,
    }


def _power(test: PowerTest, family: int, *, numeric: bool) -> str:
    """Return a power for people, with its interval and limit."""
    bounds = test.power.interval(confidence(family))
    between = f"{fixed(bounds.lower)} to {fixed(bounds.upper)}"
    name = "R²" if numeric else "AUC"
    return f"{name} {fixed(test.power.value, test.limit)} on {test.power.n:,} test rows ({between}; at most " + (
        f"{as_set(test.limit, test.power.value)})"
    )
