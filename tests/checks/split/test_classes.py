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


def test_balance__unseen_class() -> None:
    """A class that training never had blocks, limit or not, unless it is so rare that chance leaves it out."""
    shares = [class_shares({"no": 900, "yes": 100}, {"no": 90, "yes": 9, "maybe": rows}) for rows in (1, 2, 3)]
    checks = [list(class_balance_checks(one, None)) for one in shares]

    failed = [("unseen-class:maybe", Status.FAILED)]
    assert [blocking(one) for one in checks] == [[], failed, failed]
    assert checks[0][0].reason == "unseen-class" and "chance explains that" in checks[0][0].message


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
