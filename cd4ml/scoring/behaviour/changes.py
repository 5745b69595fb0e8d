"""What is done to a column: its values in a sample of rows -> one or several changed copies of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from cd4ml.scoring.behaviour.declared import Change, DirectionTest, FlipTest
from cd4ml.scoring.behaviour.steps import step_of

MOST_VALUES: Final = 10
_LARGEST: Final = 2**63 - 1
_UNSEEN: Final = "cd4ml-unseen"


class UnfitColumnError(Exception):
    """A column cannot be changed so, whatever its rows hold."""


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Changed copies of a column of n rows.

    Attributes:
        values: each of n values.
        told: what was done, as the beginning of a sentence about the column.
    """

    values: Sequence[pd.Series[Any]]
    told: str


def changed(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    """Return copies of a column's sampled values as a test changes them.

    Args:
        whole: the column in all rows, for what else it holds.

    Raises:
        UnfitColumnError: the change is none for such a column.
    """
    if whole.dtype == object and not whole.map(pd.api.types.is_hashable).all():
        raise UnfitColumnError("holds lists or mappings, no single values")
    return _CHANGES[test.change](_without_categories(sample), _without_categories(whole), test)


def stacked(copies: Sequence[pd.Series[Any]], original: pd.Series[Any]) -> pd.Series[Any]:
    """Return copies one below the other, as categories where the column has such."""
    values = pd.concat(list(copies), ignore_index=True)
    if not isinstance(original.dtype, pd.CategoricalDtype):
        return values
    known = original.dtype.categories
    categories = [*known, *(value for value in values.dropna().unique() if value not in known)]
    return pd.Series(pd.Categorical(values, categories=categories, ordered=bool(original.dtype.ordered)))


def differing(copy: pd.Series[Any], original: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return in which rows a copy differs; two missing values are the same."""
    one, other = copy.astype(object).reset_index(drop=True), original.astype(object).reset_index(drop=True)
    missing = one.isna().to_numpy(), other.isna().to_numpy()
    unlike = np.asarray([left != right for left, right in zip(one, other, strict=True)], dtype=object)
    return np.where(missing[0] | missing[1], missing[0] != missing[1], unlike).astype(bool)


def grid(whole: pd.Series[Any], test: DirectionTest) -> pd.Series[Any]:
    """Return quantiles of a column, each one of its own values, ascending and once each.

    Raises:
        UnfitColumnError: it holds no numbers.
    """
    numbers = _numbers(whole).dropna()
    if numbers.empty:
        return numbers
    at = np.linspace(0, 1, test.points)
    chosen = np.unique(np.quantile(numbers.to_numpy(), at, method="inverted_cdf"))
    return pd.Series(chosen).astype(numbers.dtype)


def _without_categories(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return categories as what they stand for."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return values
    return values.astype(values.dtype.categories.dtype if values.notna().all() else object)


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of numbers as it is."""
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        raise UnfitColumnError("holds no numbers")
    finite = np.isfinite(values.dropna().to_numpy(dtype=float))
    if not finite.all():
        raise UnfitColumnError("holds infinite numbers")
    return values


def _demand_texts(values: pd.Series[Any]) -> None:
    """Refuse a column that holds anything but texts."""
    known = values.dropna().unique()
    if not len(known) or not all(isinstance(value, str) for value in known):
        raise UnfitColumnError("holds no texts")


def _each(values: pd.Series[Any], change: Callable[[Any], Any]) -> pd.Series[Any]:
    """Return texts changed one by one; a missing one stays so."""
    return values.map(change, na_action="ignore")


def _filled(values: pd.Series[Any], value: Any) -> pd.Series[Any]:
    """Return as many rows of one value."""
    return pd.Series([value] * len(values), dtype=values.dtype)


def _another_value(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    counts = whole.dropna().value_counts()
    ranked = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
    values = [value for value, _ in ranked[:MOST_VALUES]]
    kept = "each of its values" if len(ranked) <= MOST_VALUES else f"its {MOST_VALUES} most frequent of {len(ranked):,}"
    return Copies(values=[_filled(sample, value) for value in values], told=f"set to {kept}")


def _another_row(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    """Exchange the values of rows, so that as many as possible get one unlike their own.

    Equal values stand together, and all move on by half of the rows, or by the largest number of equal ones.
    """
    codes, _ = pd.factorize(sample, use_na_sentinel=False)
    order = np.argsort(codes, kind="stable")
    source = np.empty_like(order)
    source[order] = np.roll(order, -max(len(order) // 2, int(np.bincount(codes).max(initial=0))))
    return Copies(values=[sample.iloc[source].reset_index(drop=True)], told="set to another row's value")


def _case(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    _demand_texts(whole)
    return Copies(values=[_each(sample, str.upper), _each(sample, str.lower)], told="in upper and in lower case")


def _spaces(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    _demand_texts(whole)
    padded = [_each(sample, lambda text: f" {text}"), _each(sample, lambda text: f"{text} ")]
    return Copies(values=padded, told="with a space before and after it")


def _noise(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    """Move each number by a step up and down, within the range that the column has."""
    numbers = _numbers(whole).dropna()
    if numbers.empty:
        return Copies(values=[sample], told="moved up and down")
    whole_numbers = pd.api.types.is_integer_dtype(whole.dtype)
    least, most = numbers.min(), numbers.max()
    if not np.isfinite(float(most) - float(least)):
        raise UnfitColumnError("holds numbers too far apart")
    step, named = (test.step, "") if test.step else step_of(numbers.to_numpy(), whole_numbers=whole_numbers)
    told = f"moved by {step:g}{named} up and down"
    if whole_numbers:
        if step != int(step):
            raise UnfitColumnError(f"holds whole numbers, and `step` is {step:g}")
        least, most, step = int(least), int(most), int(step)
        if max(most, most - least) > _LARGEST:
            raise UnfitColumnError(f"holds whole numbers beyond {_LARGEST:,}")
        sample = sample.astype("Int64" if sample.isna().any() else "int64")
        # No further than the column's range, so that no type is too small for the sum.
        step = min(step, most - least)
        moved = [sample.clip(upper=most - step) + step, sample.clip(lower=least + step) - step]
    else:
        moved = [(sample + sign * min(step, most - least)).clip(least, most) for sign in (1, -1)]
    return Copies(values=moved, told=told)


def _missing(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    if pd.api.types.is_datetime64_any_dtype(whole.dtype):
        gaps = pd.Series([pd.NaT] * len(sample), dtype=whole.dtype)
    elif pd.api.types.is_numeric_dtype(whole.dtype) and not pd.api.types.is_bool_dtype(whole.dtype):
        gaps = pd.Series([np.nan] * len(sample), dtype="float64")
    else:
        gaps = pd.Series([None] * len(sample), dtype="object")
    return Copies(values=[gaps], told="missing")


def _unseen(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    _demand_texts(whole)
    known = set(whole.dropna().unique())
    word = _UNSEEN
    while word in known:
        word += "-"
    return Copies(values=[_filled(sample, word)], told="set to a category that no row has")


def _unit(sample: pd.Series[Any], whole: pd.Series[Any], test: FlipTest) -> Copies:
    """Write each number in a unit that is so many times smaller, and larger; whole numbers stay whole."""
    numbers = _numbers(whole)
    moved: list[pd.Series[Any]] = [sample.astype("float64") * test.factor, sample.astype("float64") / test.factor]
    if pd.api.types.is_integer_dtype(numbers.dtype) and max(abs(one).max() for one in moved) < 2**53:
        moved = [one.round().astype("Int64" if one.isna().any() else "int64") for one in moved]
    return Copies(values=moved, told=f"multiplied and divided by {test.factor:,g}")


_CHANGES: Final[Mapping[Change, Callable[[pd.Series[Any], pd.Series[Any], FlipTest], Copies]]] = {
    Change.ANOTHER_VALUE: _another_value,
    Change.ANOTHER_ROW: _another_row,
    Change.CASE: _case,
    Change.SPACES: _spaces,
    Change.NOISE: _noise,
    Change.MISSING: _missing,
    Change.UNSEEN: _unseen,
    Change.UNIT: _unit,
}
