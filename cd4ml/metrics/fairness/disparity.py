"""Each group's selection rate against a reference group's: the ratio, how sure it is, what is shown, what is not.

fairlearn's own interval of the lowest over the highest rate covers the true ratio of equal groups in 0 % of cases (a
minimum over a maximum is never above 1). Here every group is compared with one other, by an interval that has 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import permutations
from typing import Final

from cd4ml.metrics.fairness.rates import Group, Reference
from cd4ml.metrics.statistics.multiplicity import holm
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.metrics.statistics.ratio_interval import koopman, ratio_statistic, shown_below
from cd4ml.report import Interval

METHOD: Final = "Koopman"


@dataclass(frozen=True, kw_only=True)
class RatioTest:
    """The hypothesis that one group's rate is at least the minimum ratio of another's.

    Attributes:
        p_value: one-sided; of the family that the test belongs to, once it is adjusted.
    """

    group: str
    against: str
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Disparity:
    """One group against the reference group.

    Attributes:
        ratio: selection rate over that of the reference, exact; None if nobody in the reference is selected.
        interval: of the ratio, two-sided 95 %; None for the reference group itself.
        statistic: score statistic of the hypothesis that the ratio is the minimum; below 0 where it is less.
        against: the test by which the group is shown to be selected too rarely, the clearest one; None without tests.
        favoured: the test by which the reference is shown to be selected too rarely against this group.
        tests: number of tests of the family.
    """

    group: Group
    reference: Group
    ratio: Fraction | None
    interval: Interval | None
    statistic: float
    against: RatioTest | None = None
    favoured: RatioTest | None = None
    tests: int = 0

    @property
    def is_reference(self) -> bool:
        """Whether this is the reference group itself."""
        return self.group is self.reference


def choose(
    groups: Sequence[Group], rule: Reference, named: str | None = None, *, minimum_size: int = 1
) -> Group | None:
    """Return the reference group; None if the one that is named does not occur.

    Args:
        minimum_size: rows that a group needs to be the best one, if any group has so many: three rows that are all
            selected are no measure of the others.
    """
    if named is not None:
        return next((group for group in groups if group.name == named), None)
    if rule is Reference.LARGEST:
        return max(groups, key=lambda group: (group.n, group.selection_rate))
    large = [group for group in groups if group.n >= minimum_size]
    return max(large or groups, key=lambda group: (group.selection_rate, group.n))


def disparities(groups: Sequence[Group], reference: Group, minimum: float) -> list[Disparity]:
    """Compare every group with the reference.

    Args:
        minimum: the ratio of which it is tested whether a group's is lower, in (0, 1].
    """
    return [_disparity(group, reference, minimum) for group in groups]


def _disparity(group: Group, reference: Group, minimum: float) -> Disparity:
    """Compare one group with the reference."""
    first, second = group.rates["selection_rate"].counts, reference.rates["selection_rate"].counts
    defined = reference.selected > 0
    interval = None
    if defined and group is not reference:
        interval = koopman(first, second, CONFIDENCE).named(CONFIDENCE, METHOD)
    return Disparity(
        group=group,
        reference=reference,
        ratio=group.selection_rate / reference.selection_rate if defined else None,
        interval=interval,
        statistic=ratio_statistic(first, second, minimum),
    )


def ratio_tests(groups: Sequence[Group], reference: Group, minimum: float, *, of_all_pairs: bool) -> list[RatioTest]:
    """Return the tests that groups are selected too rarely.

    Args:
        of_all_pairs: whether the data chose the reference. Then the group with the highest rate got there partly by
            luck, and only tests of all pairs of groups, in both directions, keep their level. With a reference fixed
            in advance it takes each group against it, in both directions.
    """
    pairs = [
        (group, other)
        for group, other in permutations(groups, 2)
        if of_all_pairs or group is reference or other is reference
    ]
    counts = {group.name: group.rates["selection_rate"].counts for group in groups}
    return [
        RatioTest(
            group=group.name,
            against=other.name,
            p_value=shown_below(counts[group.name], counts[other.name], minimum),
        )
        for group, other in pairs
    ]


def adjusted(families: Mapping[str, Sequence[RatioTest]]) -> dict[str, list[RatioTest]]:
    """Return the tests with p-values that hold for all of them together (Holm), by the name they came under."""
    flat = [(name, test) for name, family in families.items() for test in family]
    result: dict[str, list[RatioTest]] = {name: [] for name in families}
    for (name, test), p_value in zip(flat, holm([test.p_value for _, test in flat]), strict=True):
        result[name].append(replace(test, p_value=p_value))
    return result


def with_tests(found: Sequence[Disparity], family: Sequence[RatioTest], size: int) -> list[Disparity]:
    """Attach to each comparison the clearest test against the group, and against the reference in its favour.

    Args:
        family: adjusted tests of these groups.
        size: number of tests that they were adjusted for.
    """
    clearest: dict[str, RatioTest] = {}
    favoured: dict[str, RatioTest] = {}
    for test in family:
        known = clearest.get(test.group)
        if known is None or test.p_value < known.p_value:
            clearest[test.group] = test
        if found and test.group == found[0].reference.name:
            favoured[test.against] = test
    return [
        replace(one, against=clearest.get(one.group.name), favoured=favoured.get(one.group.name), tests=size)
        for one in found
    ]
