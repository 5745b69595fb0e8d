"""The decision on drift from counts alone, as a process that counts events asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from cd4ml.checks.drift.effects import Limits
from cd4ml.checks.drift.verdict import Verdict, decide
from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells
from cd4ml.data.profile.grids import Grid
from cd4ml.report import Check, Status

GRID = Grid.of_integers(0, 9)
EVEN = np.array([0, *[100] * 10, 0])
CITIES = {"Bern": 600, "Basel": 400}
REFERENCE: dict[str, Cells] = {"age": NumberCells(grid=GRID, counts=EVEN), "city": CategoryCells(counts=CITIES)}


def decided(
    ages: list[int] | None = None, cities: Mapping[str, int] | None = None, limits: Limits = Limits(), missing: int = 0
) -> Verdict:
    """Return the verdict on counts of the current data, those of the reference where none are given."""
    counts = EVEN if ages is None else np.array([0, *ages, 0])
    current: dict[str, Cells] = {
        "age": NumberCells(grid=GRID, counts=counts, nulls=missing),
        "city": CategoryCells(counts=CITIES if cities is None else cities),
    }
    return decide(REFERENCE, current, limits)


def told(verdict: Verdict) -> dict[str, tuple[Status, str | None]]:
    """Return status and reason of each check."""
    return {check.id: (check.status, check.reason) for check in verdict.checks}


def test_same_counts__no_drift() -> None:
    """Counts like those of the reference drift nowhere and call for nothing."""
    verdict = decided()

    assert {status for status, _ in told(verdict).values()} == {Status.PASSED}
    assert (verdict.drifted, verdict.retrain, verdict.worst_feature) == (False, False, "")


def test_shifted_numbers__significant() -> None:
    """Numbers that moved to the upper half are significant drift of that feature, which calls for retraining."""
    verdict = decided(ages=[20] * 5 + [180] * 5)

    assert told(verdict)["drift:age"] == (Status.FAILED, "significant-drift")
    assert told(verdict)["drift:city"] == (Status.PASSED, None)
    assert (verdict.drifted, verdict.retrain, verdict.worst_feature) == (True, True, "age")
    assert [feature.name for feature in verdict.features] == ["age", "city"]


def test_new_category__failed() -> None:
    """Rows in a category that the reference does not have block above their limit, and below it do not."""
    cities = {"Bern": 580, "Basel": 380, "Chur": 40}

    assert told(decided(cities=cities))["unseen-categories:city"] == (Status.FAILED, "unseen-categories")
    assert told(decided(cities=cities, limits=Limits(maximum_unseen=0.05)))["unseen-categories:city"][1] is None


def test_missing_values__failed_without_retraining() -> None:
    """More rows without a value are a fault to repair: they block, and no retraining follows from them."""
    verdict = decided(missing=500)

    assert told(verdict)["missing-rate:age"] == (Status.FAILED, "missing-rate-changed")
    assert (verdict.drifted, verdict.retrain, verdict.worst_feature) == (True, False, "age")


def test_few_counts__undecided() -> None:
    """Too few counts are inconclusive: nothing is called stable on them."""
    verdict = decided(ages=[5] * 10)

    assert told(verdict)["drift:age"] == (Status.INCONCLUSIVE, "too-few-rows")
    assert verdict.drifted is None


def test_nothing_usable__error() -> None:
    """A feature of which no value was counted is an error, and the others are still decided."""
    verdict = decided(ages=[0] * 10, missing=1000)

    assert told(verdict)["drift:age"] == (Status.ERROR, "no-usable-value")
    assert told(verdict)["drift:city"] == (Status.PASSED, None)
    assert (verdict.drifted, [feature.name for feature in verdict.features]) == (None, ["city"])


def test_limits_of_a_feature__decide_on_it_alone() -> None:
    """A feature with limits of its own is held to these, whatever those of the others."""
    lenient = replace(Limits(), own={"age": Limits(significant=9.0, significant_distance=1.0, moderate=8.0)})

    assert told(decided(ages=[20] * 5 + [180] * 5, limits=lenient))["drift:age"][0] is Status.PASSED


@pytest.mark.parametrize(("reason", "retrain"), [("concept-drift", False), ("covariate-shift", True)])
def test_further_checks__count(reason: str, retrain: bool) -> None:
    """What labels tell counts for the verdict: old rows teach nothing where the relation to the target changed."""
    after = Check(id="drift-origin", status=Status.FAILED, reason=reason, message="It got worse.")
    verdict = decided().beside(after=[after])

    assert (verdict.drifted, verdict.retrain, verdict.checks[-1]) == (True, retrain, after)


def test_unknown_feature__refused() -> None:
    """A feature that was never counted in the reference is not passed over."""
    with pytest.raises(KeyError, match="income"):
        decide(REFERENCE, {"income": CategoryCells(counts={"a": 500})}, Limits())


def test_other_kind_of_counts__refused() -> None:
    """Numbers are not compared with categories."""
    with pytest.raises(ValueError, match="age: numbers cannot be compared with categories"):
        decide(REFERENCE, {"age": CategoryCells(counts={"a": 500})}, Limits())
