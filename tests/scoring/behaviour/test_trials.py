"""Which rows are changed, and how."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from cd4ml.scoring.behaviour.changes import UnfitColumnError, changed, differing, grid, stacked
from cd4ml.scoring.behaviour.declared import Change, DirectionTest, FlipTest, Trend
from cd4ml.scoring.behaviour.trials import sampled


def flip(change: Change, **more: Any) -> FlipTest:
    """Return a test of a column."""
    return FlipTest(line=1, rule="robustness", column="x", change=change, limit=None, **more)


def copies(values: list[Any], change: Change, dtype: Any = None, **more: Any) -> list[list[Any]]:
    """Return the changed copies of values, which are all that there are."""
    column = pd.Series(values, dtype=dtype)
    return [copy.tolist() for copy in changed(column, column, flip(change, **more)).values]


@pytest.mark.parametrize(
    ("values", "change", "expected"),
    [
        (["f", "m", "f"], Change.ANOTHER_VALUE, [["f"] * 3, ["m"] * 3]),
        ([True, False, True], Change.ANOTHER_VALUE, [[True] * 3, [False] * 3]),
        ([3, 2, 3], Change.ANOTHER_VALUE, [[3] * 3, [2] * 3]),
        (["a", "b", "c", "d"], Change.ANOTHER_ROW, [["c", "d", "a", "b"]]),
        (["Ab"], Change.CASE, [["AB"], ["ab"]]),
        (["Ab"], Change.SPACES, [[" Ab"], ["Ab "]]),
        (["a", "b", "a", "b"], Change.ANOTHER_ROW, [["b", "a", "b", "a"]]),
        (["a", "a", "a", "b"], Change.ANOTHER_ROW, [["b", "a", "a", "a"]]),
        ([1, 4, 6], Change.NOISE, [[2, 5, 6], [1, 3, 5]]),
        ([0.5, 0.75], Change.NOISE, [[0.75, 0.75], [0.5, 0.5]]),
        (["a"], Change.UNSEEN, [["cd4ml-unseen"]]),
        (["cd4ml-unseen"], Change.UNSEEN, [["cd4ml-unseen-"]]),
        ([2000, 1700], Change.UNIT, [[2_000_000, 1_700_000], [2, 2]]),
        ([1.5], Change.UNIT, [[1500.0], [0.0015]]),
    ],
)
def test_changes(values: list[Any], change: Change, expected: list[list[Any]]) -> None:
    """Each change does what it says, whole numbers stay whole, and noise stays within the range of the column."""
    found = copies(values, change)

    assert found == expected and [list(map(type, copy)) for copy in found] == [list(map(type, e)) for e in expected]


@pytest.mark.parametrize("values", [[1, 2], [1.5, None], ["a", "b"], [True, False], [pd.Timestamp("2024-01-01")] * 2])
def test_missing__of_every_type(values: list[Any]) -> None:
    """Values of every type go missing."""
    (copy,) = changed(pd.Series(values), pd.Series(values), flip(Change.MISSING)).values

    assert copy.isna().all() and len(copy) == 2


@pytest.mark.parametrize("step", [1e19, 1e300])
@pytest.mark.parametrize("values", [[1, 4, 6], [1, None, 6], [1 - 2**62, 0, 2**62], [0.5, 1.5]])
def test_noise__step_beyond_every_range(values: list[Any], step: float) -> None:
    """However large the step is, the numbers stay within the range of their column."""
    dtype = "Int64" if None in values else None
    least, most = (limit(value for value in values if value is not None) for limit in (min, max))

    up, down = copies(values, Change.NOISE, dtype, step=step)

    assert {value for value in up if not pd.isna(value)} == {most}
    assert {value for value in down if not pd.isna(value)} == {least}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (np.random.default_rng(0).integers(18, 90, 500), "1 (its unit of measurement)"),
        (np.random.default_rng(0).integers(18, 90, 500) * 100, "100 (its unit of measurement)"),
        (np.append(np.random.default_rng(0).integers(1, 50, 500) / 4, 3.3), "0.25 (its unit of measurement)"),
        ((np.random.default_rng(0).integers(1, 500, 500) / 10).astype("float32"), "0.1 (its unit of measurement)"),
        (np.linspace(0, np.sqrt(2), 500), "0.00707107 (1% of its interquartile range)"),
        (np.arange(500_000, step=997), "2497 (1% of its interquartile range)"),
        (np.append(np.zeros(500), [np.sqrt(2), np.sqrt(3)]), "0.000996036 (1% of its standard deviation)"),
    ],
)
def test_noise__step_that_is_measured(values: npt.NDArray[Any], told: str) -> None:
    """Numbers move by the unit in which nearly all were measured, or by a part of their spread, and it is said."""
    column = pd.Series(values)

    assert changed(column, column, flip(Change.NOISE)).told == f"moved by {told} up and down"


def test_gaps__stay() -> None:
    """Rows without a value keep it that way, and are no changed rows."""
    column = pd.Series([1, None, 3], dtype="Int64")

    for change in (Change.NOISE, Change.UNIT):
        for copy in changed(column, column, flip(change, step=1)).values:
            assert copy.isna().tolist() == [False, True, False] and str(copy.dtype) == "Int64"
            assert not differing(copy, column)[1]
    assert copies(["a", None], Change.CASE)[0][0] == "A"


def test_categories__stay_categories() -> None:
    """A column of categories is one after the change, with a category more where the change made one."""
    column = pd.Series(["a", "b", "a"], dtype="category")

    found = stacked(changed(column, column, flip(Change.UNSEEN)).values, column)

    assert list(found.cat.categories) == ["a", "b", "cd4ml-unseen"]


def test_many_values__the_most_frequent() -> None:
    """Of many values the ten most frequent are taken, and the words of the check say of how many."""
    column = pd.Series([n for n in range(15) for _ in range(n + 1)])

    found = changed(column, column, flip(Change.ANOTHER_VALUE))

    assert [copy[0] for copy in found.values] == list(range(14, 4, -1))
    assert found.told == "set to its 10 most frequent of 15"


@pytest.mark.parametrize(
    ("values", "change", "more"),
    [
        ([1, 2], Change.CASE, {}),
        ([1, 2], Change.UNSEEN, {}),
        (["a", 1], Change.SPACES, {}),
        (["a"], Change.NOISE, {}),
        ([True, False], Change.UNIT, {}),
        ([1, 2], Change.NOISE, {"step": 0.5}),
        ([1.0, np.inf], Change.NOISE, {}),
        ([[1], [2]], Change.ANOTHER_VALUE, {}),
        ([{"a": 1}, {}], Change.CASE, {}),
    ],
)
def test_column_of_another_kind__refused(values: list[Any], change: Change, more: dict[str, Any]) -> None:
    """A change that is none for the column is refused."""
    with pytest.raises(UnfitColumnError):
        copies(values, change, **more)


def test_grid__of_values_that_occur() -> None:
    """The grid has values of the column alone, from the least to the greatest, each once."""
    test = DirectionTest(line=1, column="x", trend=Trend.NEVER_FALLS, limit=0, points=5)

    assert grid(pd.Series([5, 1, 2, 9, 2, 2]), test).tolist() == [1, 2, 5, 9]
    assert grid(pd.Series([5, None, 9], dtype="Int64"), test).tolist() == [5, 9]
    assert grid(pd.Series([None, None], dtype="float64"), test).empty
    with pytest.raises(UnfitColumnError):
        grid(pd.Series(["a", "b"]), test)


def test_sample__follows_from_the_ids() -> None:
    """The same rows are chosen in whatever order they stand; fewer rows than asked for are all taken."""
    rows = pd.DataFrame({"row_id": [f"r{n}" for n in range(50)], "x": range(50), "y": 1})
    shuffled = rows.sample(frac=1, random_state=3).reset_index(drop=True)

    first, second = (sampled(frame, 10, hidden=["y"]) for frame in (rows, shuffled))

    assert sorted(first.ids) == sorted(second.ids) and len(first.ids) == 10 == len(set(first.ids))
    assert list(first.rows.columns) == ["row_id", "x"]
    assert first.rows["x"].tolist() == rows["x"].iloc[first.positions].tolist()
    assert sampled(rows, 99, hidden=[]).positions.tolist() == list(range(50))
    assert first.positions.tolist() != list(range(10))
