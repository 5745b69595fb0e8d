"""What is said of shares of test rows that stand in the training rows."""

from __future__ import annotations

import pytest

from cd4ml.checks.split.beyond_chance import BY_CHANCE
from cd4ml.checks.split.overlap import all_but_one_overlap_check, near_overlap_check
from cd4ml.metrics.split.overlap import Overlap
from cd4ml.report import Status


@pytest.mark.parametrize(
    ("found", "train_found", "status", "doubt"),
    [
        (4, 2, Status.PASSED, True),
        (4, 0, Status.INCONCLUSIVE, True),
        (5, 0, Status.INCONCLUSIVE, False),
        (8, 0, Status.FAILED, False),
    ],
)
def test_share_above_the_limit__that_chance_may_explain(
    found: int, train_found: int, status: Status, doubt: bool
) -> None:
    """A share above its limit that passes is one that repeated training rows explain, and its reason says so."""
    check = near_overlap_check(
        Overlap(rows=50, found=found, train_rows=100, train_found=train_found, train_twice=train_found // 2),
        limit=0.015,
        features=3,
    )

    assert isinstance(check.value, float) and check.value > 0.015
    assert check.status is status and ("which chance may explain as well" in check.message) is doubt
    assert (check.reason == BY_CHANCE) is (status is Status.PASSED)


def of_500(found: int, train_found: int) -> Overlap:
    """Return test rows of 500 that equal training rows, and training rows of 2,000 that equal others."""
    return Overlap(rows=500, found=found, train_rows=2_000, train_found=train_found, train_twice=train_found // 2)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"a": of_500(0, 40), "b": of_500(0, 0)}, "0 of 500 test rows (0.0 %) nearly equal"),
        ({"a": of_500(0, 40), "b": of_500(0, 0)}, "in all columns but one, whichever is left out;"),
        ({"a": of_500(2, 40), "b": of_500(0, 0)}, "2 of 500 test rows (0.4 %)"),
        ({"a": of_500(2, 40), "b": of_500(3, 2)}, "in all columns but `b`;"),
        ({"a": of_500(90, 400), "b": of_500(60, 2)}, "in all columns but `b`;"),
    ],
)
def test_all_but_one__names_the_column_that_stands_out(found: dict[str, Overlap], said: str) -> None:
    """The column that is named is one for which rows were found; where there are none, no column is named."""
    assert said in all_but_one_overlap_check(found, limit=0.01).message
