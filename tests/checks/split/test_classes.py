"""Classes of training and test rows."""

from __future__ import annotations

import pytest
from scipy import stats

from cd4ml.checks.split.classes import class_balance_checks, class_rows_checks
from cd4ml.metrics.performance.evaluation import CLASS_FLOOR
from cd4ml.metrics.split.classes import class_shares, left_out_by_chance, share_above
from cd4ml.report import Check, Status


def blocking(checks: list[Check]) -> list[tuple[str, Status]]:
    """Return the checks that did not pass."""
    return [(check.id, check.status) for check in checks if check.status is not Status.PASSED]


def test_rows__enough() -> None:
    """Classes with as many test rows as the floor pass."""
    checks = list(
        class_rows_checks(
            class_shares({"no": 900, "yes": 100}, {"no": 400, "yes": CLASS_FLOOR}), CLASS_FLOOR, CLASS_FLOOR
        )
    )

    assert blocking(checks) == []
    assert checks[0].message == "The rarest class, yes, has 50 test rows."


def test_rows__too_few() -> None:
    """A class with one row less is inconclusive, and the advice says how many test rows would do."""
    (check,) = class_rows_checks(
        class_shares({"no": 900, "yes": 100}, {"no": 480, "yes": 20}), CLASS_FLOOR, CLASS_FLOOR
    )

    assert (check.id, check.status, check.reason) == ("class-rows:yes", Status.INCONCLUSIVE, "too-few-rows")
    assert check.advice == "About 1,250 rows are needed, with the same class frequencies; there are 500."


def test_rows__reported() -> None:
    """Without a limit few test rows of a class are told and pass."""
    (check,) = class_rows_checks(class_shares({"no": 900, "yes": 100}, {"no": 480, "yes": 20}), None, CLASS_FLOOR)

    assert (check.status, check.reason, check.limit) == (Status.PASSED, "too-few-rows", None)


def test_rows__none() -> None:
    """A class that the test lacks is inconclusive."""
    (check,) = class_rows_checks(class_shares({"no": 900, "yes": 100}, {"no": 480}), CLASS_FLOOR, CLASS_FLOOR)

    assert (check.id, check.status) == ("class-rows:yes", Status.INCONCLUSIVE)


def test_balance__reported() -> None:
    """Without a limit shares that lie apart are told and pass."""
    (check,) = class_balance_checks(class_shares({"no": 900, "yes": 100}, {"no": 100, "yes": 100}), None)

    assert check.status is Status.PASSED
    assert check.limit is None
    assert check.value == pytest.approx(0.4)
    assert "no 90.0 %, 50.0 %; yes 10.0 %, 50.0 %" in check.message


@pytest.mark.parametrize(
    ("test", "status"),
    [
        ({"no": 100, "yes": 100}, Status.FAILED),
        ({"no": 14, "yes": 6}, Status.INCONCLUSIVE),
        ({"no": 180, "yes": 20}, Status.PASSED),
    ],
)
def test_balance__limit(test: dict[str, int], status: Status) -> None:
    """With a limit a difference that is shown blocks, and one that chance may explain is inconclusive."""
    (check,) = class_balance_checks(class_shares({"no": 900, "yes": 100}, test), 0.1)

    assert check.status is status
    assert check.interval is not None
    assert check.interval.lower <= float(check.value or 0.0) <= check.interval.upper


def unseen(train: dict[str, int], test: dict[str, int], *, by_time: bool = False) -> list[Check]:
    """Return the checks of classes that training never had."""
    checks = class_balance_checks(class_shares(train, test), None, by_time=by_time)
    return [check for check in checks if check.rule == "unseen-class"]


def test_unseen_class__never_passes() -> None:
    """A class that training never had blocks, limit or not; one so rare that chance leaves it out is inconclusive."""
    found = [unseen({"no": 900, "yes": 100}, {"no": 90, "yes": 9, "maybe": rows}) for rows in (1, 2, 3)]

    assert [[check.status for check in checks] for checks in found] == [
        [Status.INCONCLUSIVE],
        [Status.FAILED],
        [Status.FAILED],
    ]
    assert [checks[0].reason for checks in found] == ["too-few-rows", "unseen-class", "unseen-class"]
    assert "1 test row and no training row" in found[0][0].message and "by chance (p = 0.27)" in found[0][0].message


def test_unseen_class__many_classes_and_a_large_test() -> None:
    """Neither many classes nor a test of nearly all rows lets a class pass that training never had."""
    many = {f"c{number}": 10 for number in range(1_000)}
    (of_many,) = unseen(many, {**many, "new": 4})
    (of_large,) = unseen({"no": 500, "yes": 500}, {"no": 4_500, "yes": 4_500, "new": 20})

    assert of_many.status is of_large.status is Status.INCONCLUSIVE


def test_unseen_class__of_a_later_time() -> None:
    """Rows of a later time were not drawn at random: chance excuses no class that training never had."""
    (check,) = unseen({"no": 900, "yes": 100}, {"no": 90, "yes": 9, "maybe": 1}, by_time=True)

    assert check.status is Status.FAILED and "chance" not in check.message


@pytest.mark.parametrize("spelt", ["Y", " y", "y\u00a0", "\uff59"])
def test_unseen_class__spelt_otherwise(spelt: str) -> None:
    """A label that differs from one of training by case, spaces or characters fails, however rare, and says so."""
    (check,) = unseen({"y": 4_000, "n": 4_000}, {"y": 1_000, "n": 1_000, spelt: 1})

    assert check.status is Status.FAILED and check.reason == "unseen-class"
    assert "the training rows spell it y, with other capitals, spaces or characters" in check.message
    assert check.advice == "Write the class as the training rows do."


def test_left_out_by_chance() -> None:
    """The chance that no row of a class is a training row is that of Fisher's exact test, as SciPy has it."""
    for rows, train, test in ((1, 100, 50), (4, 100, 50), (7, 3_000, 90)):
        expected = stats.hypergeom(train + test, rows, test).sf(rows - 1)
        assert left_out_by_chance(rows, train, test) == pytest.approx(expected)


def test_share_above() -> None:
    """The chance of as many rows or more is that of the binomial distribution (Clopper & Pearson 1934)."""
    assert share_above(0, 10, 0.1) == 1.0
    assert share_above(1, 10, 0.1) == pytest.approx(1 - 0.9**10)
    assert share_above(10, 10, 0.1) == pytest.approx(0.1**10)
