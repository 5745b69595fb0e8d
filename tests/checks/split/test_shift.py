"""Shift between training and test rows, and categories that training never had."""

from __future__ import annotations

import numpy as np
import pytest

from cd4ml.checks.split.shift import shift_checks, shifts, unseen, unseen_checks
from cd4ml.data.profile.cells import CategoryCells, Cells, NumberCells
from cd4ml.data.profile.grids import Grid
from cd4ml.report import Status

GRID = Grid.linear(-5, 5)
RNG = np.random.default_rng(1)


def numbers(mean: float, n: int = 2_000) -> NumberCells:
    """Return counted numbers around a mean."""
    positions = GRID.positions(RNG.normal(mean, 1, n))
    return NumberCells(grid=GRID, counts=np.bincount(positions, minlength=GRID.cells + 2))


def categories(**counts: int) -> CategoryCells:
    """Return counted categories."""
    return CategoryCells(counts=counts)


TRAIN: dict[str, Cells] = {"income": numbers(0), "age": numbers(0), "city": categories(rome=500, oslo=500)}
SAME: dict[str, Cells] = {"income": numbers(0), "age": numbers(0), "city": categories(rome=260, oslo=240)}
MOVED: dict[str, Cells] = {**SAME, "income": numbers(1)}


def test_shift__reported() -> None:
    """Without a limit a shift is told, the largest first, and passes."""
    (check,) = shift_checks(shifts(TRAIN, MOVED), [], None)

    assert (check.status, check.reason) == (Status.PASSED, "shifted")
    assert check.message.startswith("1 of 3 features are distributed differently in the test rows: income (PSI 0.")


def test_shift__limit() -> None:
    """With a limit a feature that moved further blocks, and those that stayed pass."""
    checks = {check.id: check.status for check in shift_checks(shifts(TRAIN, MOVED), [], 0.25)}

    assert checks == {"shift:income": Status.FAILED, "shift:age": Status.PASSED, "shift:city": Status.PASSED}


def test_shift__none() -> None:
    """Parts of one population show no shift, with a limit and without."""
    (check,) = shift_checks(shifts(TRAIN, SAME), [], None)

    assert (check.status, check.reason) == (Status.PASSED, None)
    assert {check.status for check in shift_checks(shifts(TRAIN, SAME), [], 0.1)} == {Status.PASSED}


def test_shift__not_compared() -> None:
    """A feature that could not be compared is named; with a limit it is inconclusive."""
    (check,) = shift_checks([], ["note"], None)
    (limited,) = shift_checks([], ["note"], 0.25)

    assert "1 could not be compared: `note`." in check.message
    assert (limited.id, limited.status) == ("shift:note", Status.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("paris", "limit", "status"),
    [
        (0, 0.01, Status.PASSED),
        (2, 0.01, Status.PASSED),
        (3, 0.01, Status.INCONCLUSIVE),
        (40, 0.01, Status.FAILED),
        (40, None, Status.PASSED),
        (1, 0.0, Status.FAILED),
    ],
)
def test_unseen(paris: int, limit: float | None, status: Status) -> None:
    """A share of categories that training never had blocks beyond the limit, if chance does not explain it."""
    test: dict[str, Cells] = {**SAME, "city": categories(rome=100, oslo=100 - paris, paris=paris)}

    (check,) = unseen_checks(unseen(TRAIN, test), [], limit)

    assert check.status is status
    assert check.value == pytest.approx(paris / 200)
    assert check.interval is not None
    assert check.interval.lower <= paris / 200 <= check.interval.upper


def test_limits__nothing_to_hold_them_to() -> None:
    """A limit that no column can be held to is inconclusive, and so is each column that it cannot be applied to."""
    (shift,) = shift_checks([], [], 0.25)
    (unseen,) = unseen_checks([], [], 0.01)
    (note,) = unseen_checks([], ["note"], 0.01)

    assert [(one.id, one.status) for one in (shift, unseen, note)] == [
        ("shift", Status.INCONCLUSIVE),
        ("unseen-categories", Status.INCONCLUSIVE),
        ("unseen-categories:note", Status.INCONCLUSIVE),
    ]
    assert list(unseen_checks([], ["note"], None)) == []


def test_unseen__identifiers() -> None:
    """Columns that name rows have no categories that the training could have had."""
    train: dict[str, Cells] = {"id": CategoryCells(counts={}, identifiers=20_000)}

    assert unseen(train, train) == []
