"""Declared tests and rows -> the tables that a model is asked for: changed copies of a sample of the test rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cd4ml.errors import OptionsError
from cd4ml.scoring.behaviour.changes import UnfitColumnError, changed, differing, grid, stacked
from cd4ml.scoring.behaviour.declared import Behaviour, DirectionTest, FlipTest, KnownAnswersTest, Test

_LEAST_POINTS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The test rows that are changed.

    Attributes:
        rows: n of them, as the model gets them.
        positions: of each among the test rows.
        ids: what each is called.
        of: how many test rows there are.
    """

    rows: pd.DataFrame
    positions: npt.NDArray[np.int64]
    ids: Sequence[str]
    of: int


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One test, and the rows that a model is asked for because of it.

    Attributes:
        rows: of k copies of the sample, one below the other; None if there is nothing to ask.
        told: what was done to the rows.
        differs: shape (k, n), which rows of each copy differ from the sample's.
        grid: of a direction test, the k values of its column.
        truth: of known answers, one for each row.
        problem: why there is nothing to ask.
    """

    test: Test
    rows: pd.DataFrame | None = None
    told: str = ""
    differs: npt.NDArray[np.bool_] | None = None
    grid: pd.Series[Any] | None = None
    truth: pd.Series[Any] | None = None
    problem: str = ""


def sampled(rows: pd.DataFrame, most: int, *, hidden: Sequence[str]) -> Sample:
    """Choose rows by the hashes of their ids: the same rows in every run, in whatever order they stand.

    Args:
        most: rows to choose, all if there are fewer.
        hidden: columns that no model sees.
    """
    ids = rows["row_id"] if "row_id" in rows.columns else pd.Series(np.arange(len(rows)))
    hashes = pd.util.hash_pandas_object(ids.astype(str), index=False).to_numpy()
    chosen = np.sort(np.argsort(hashes, kind="stable")[:most])
    shown = rows.iloc[chosen].drop(columns=list(hidden)).reset_index(drop=True)
    return Sample(rows=shown, positions=chosen, ids=[str(one) for one in ids.iloc[chosen]], of=len(rows))


def trials(
    behaviour: Behaviour, sample: Sample, whole: pd.DataFrame, known: Callable[[str], pd.DataFrame], target: str
) -> list[Trial]:
    """Return what to ask, in the order of the tests.

    Args:
        whole: all test rows, for what a column holds.
        known: reads a table of known answers.
        target: the column of answers in a table that has no other.

    Raises:
        OptionsError: all tests that cannot be made of these columns; a table of known answers lacks its target.
    """
    problems: list[str] = []
    made: list[Trial] = []
    for test in behaviour.tests:
        try:
            made.append(_trial(test, sample, whole, known, target))
        except UnfitColumnError as error:
            problems.append(f"{behaviour.path}:{test.line}: {error}")
    if problems:
        raise OptionsError(problems)
    return made


def _trial(test: Test, sample: Sample, whole: pd.DataFrame, known: Callable[[str], pd.DataFrame], target: str) -> Trial:
    """Return what to ask for one test."""
    if isinstance(test, KnownAnswersTest):
        return _known(test, known(test.table), test.target or target)
    try:
        return _flips(test, sample, whole) if isinstance(test, FlipTest) else _direction(test, sample, whole)
    except UnfitColumnError as error:
        what = f"`change: {test.change}`" if isinstance(test, FlipTest) else "a direction"
        raise UnfitColumnError(f"`{test.column}` {error}: {what} cannot be tested on it") from error


def _flips(test: FlipTest, sample: Sample, whole: pd.DataFrame) -> Trial:
    """Return copies in which one column is changed; rows that a copy leaves as they are stay among them."""
    original = sample.rows[test.column]
    copies = changed(original, whole[test.column], test)
    differs = np.array([differing(values, original) for values in copies.values], dtype=bool)
    if not differs.any():
        return Trial(
            test=test,
            told=copies.told,
            problem=f"no row of `{test.column}` is any different when it is " f"{copies.told}",
        )
    rows = _with(sample.rows, test.column, stacked(copies.values, original), len(copies.values))
    return Trial(test=test, rows=rows, told=copies.told, differs=differs)


def _direction(test: DirectionTest, sample: Sample, whole: pd.DataFrame) -> Trial:
    """Return a copy for each value of the grid."""
    values = grid(whole[test.column], test)
    if len(values) < _LEAST_POINTS:
        return Trial(test=test, problem=f"`{test.column}` has only one value")
    n = len(sample.rows)
    rows = _with(sample.rows, test.column, values.repeat(n).reset_index(drop=True), len(values))
    return Trial(test=test, rows=rows, told=f"along {len(values)} of its quantiles", grid=values)


def _with(rows: pd.DataFrame, column: str, values: pd.Series[Any], copies: int) -> pd.DataFrame:
    """Return copies of rows, one below the other, with these values in a column."""
    found = rows.iloc[np.tile(np.arange(len(rows)), copies)].reset_index(drop=True)
    found[column] = values
    return found


def _known(test: KnownAnswersTest, table: pd.DataFrame, target: str) -> Trial:
    """Return rows with known answers, without these."""
    if target not in table.columns:
        raise UnfitColumnError(f"{test.table} has no column `{target}`; name its answers with `target`")
    if table.empty:
        return Trial(test=test, problem=f"{test.table} has no rows")
    missing = int(table[target].isna().sum())
    if missing:
        raise UnfitColumnError(f"{test.table}: `{target}` is missing in {missing} rows")
    rows = table.drop(columns=target).reset_index(drop=True)
    return Trial(test=test, rows=rows, truth=table[target].reset_index(drop=True))
