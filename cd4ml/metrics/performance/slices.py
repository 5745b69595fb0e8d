"""Slices: the rows by the values of a column, by bins of a number, or by combinations; no row is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cd4ml.data.predictions.groups import distinct_values
from cd4ml.errors import OptionsError
from cd4ml.inputs.values import number

MISSING: Final = "(missing)"
MOST_NUMBERS: Final = 20
MOST_SLICES: Final = 200
MOST_CODES: Final = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some of the rows.

    Attributes:
        values: the slice's value by column.
        n: number of its rows.
        codes: shape (n of all rows,), shared by the slices of a declaration; `code` marks the rows of this one.
    """

    values: Mapping[str, str]
    n: int
    codes: npt.NDArray[np.int32]
    code: int

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Indices of its rows, ascending."""
        return np.flatnonzero(self.codes == self.code)

    @property
    def name(self) -> str:
        """The slice as checks name it, e.g. `region=north&sex=f`."""
        return "&".join(f"{column}={value}" for column, value in self.values.items())


def columns_of(declared: str) -> tuple[str, ...]:
    """Return the columns of a declared slice: one, or several joined by `&`."""
    return tuple(part.strip() for part in declared.split("&"))


def slices(frame: pd.DataFrame, declared: Sequence[str], bins: Mapping[str, str]) -> list[Slice]:
    """Cut the rows into the declared slices.

    Args:
        declared: names of the frame's columns; `a & b` stands for every combination that occurs.
        bins: edges by column: `25:40:62` cuts numbers into `<25`, `25 to <40`, `40 to <62` and `>=62`.

    Raises:
        OptionsError: a quantity has no bins, or there are more slices than can be judged.
    """
    names = list(dict.fromkeys(name for one in declared for name in columns_of(one)))
    parts = {name: coded(frame[name], name, bins.get(name)) for name in names}
    found = [part for one in dict.fromkeys(declared) for part in _cut(columns_of(one), parts)]
    if len(found) > MOST_SLICES:
        raise OptionsError(
            f"{len(found)} slices; at most {MOST_SLICES} are judged", advice="Declare fewer columns, or slice-bins."
        )
    return found


Coded = tuple["npt.NDArray[np.int32]", list[str]]


def coded(values: pd.Series[Any], name: str, edges: str | None) -> Coded:
    """Return each row's index into the names of the column's parts, and these; missing values are the last part.

    Raises:
        OptionsError: a quantity has no edges, or there are too many values, or edges for what is not a number.
    """
    if edges is not None:
        return _binned(values, name, edges)
    codes, distinct = distinct_values(values)
    if pd.api.types.is_numeric_dtype(distinct) and len(distinct) > MOST_NUMBERS:
        raise OptionsError(
            f"slices: `{name}` has {len(distinct)} different numbers: a quantity, not groups",
            advice=f"Declare where it is cut, e.g. slice-bins: {name}=25:40:62.",
        )
    if len(distinct) > MOST_SLICES:
        raise OptionsError(f"slices: `{name}` has {len(distinct)} different values; is it an identifier?")
    # Missing values have the code -1: the last name.
    shown = np.where(codes < 0, len(distinct), codes).astype(np.int32)
    return shown, [*(_text(value) for value in distinct), MISSING]


def _text(value: object) -> str:
    """Return a value as people write it: 1.0 is 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _binned(values: pd.Series[Any], name: str, edges: str) -> Coded:
    """Return the bin of each number, lower edge included."""
    cuts = parsed_edges(name, edges)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    unreadable = int((np.isnan(numbers) & values.notna().to_numpy()).sum())
    if unreadable:
        raise OptionsError(f"slice-bins: {name}: {unreadable} values are not numbers")
    shown = [f"{cut:g}" for cut in cuts]
    names = [f"<{shown[0]}", *(f"{low} to <{high}" for low, high in pairwise(shown)), f">={shown[-1]}", MISSING]
    codes = np.searchsorted(cuts, numbers, side="right").astype(np.int32)
    codes[np.isnan(numbers)] = len(names) - 1
    return codes, names


def text_edges(values: pd.Series[Any], count: int) -> str | None:
    """Return edges that cut numbers into `count` bins of about equal size, None if they are few values, or no numbers.

    Edges have six digits, as people read them: equal edges are one, so that there may be fewer bins.
    """
    if not pd.api.types.is_numeric_dtype(values) or values.nunique() <= MOST_NUMBERS:
        return None
    known = values.dropna().to_numpy(dtype=float)
    cuts = np.quantile(known[np.isfinite(known)], np.arange(1, count) / count)
    return ":".join(dict.fromkeys(f"{cut:.6g}" for cut in cuts))


def parsed_edges(name: str, edges: str) -> list[float]:
    """Return the edges of bins.

    Raises:
        OptionsError: they are not numbers, or do not increase.
    """
    try:
        cuts = [number(edge) for edge in edges.split(":")]
    except ValueError as error:
        raise OptionsError(f"slice-bins: {name}: {error}") from error
    if any(left >= right for left, right in pairwise(cuts)):
        raise OptionsError(f"slice-bins: {name}: the edges {edges} do not increase")
    return cuts


def _cut(columns: Sequence[str], coded: Mapping[str, Coded]) -> Iterator[Slice]:
    """Yield the combinations of the columns' values that occur, largest first."""
    size = prod(len(coded[name][1]) for name in columns)
    if size > MOST_CODES:
        raise OptionsError(
            f"slices: {' & '.join(columns)} has {size} combinations; declare fewer columns, or slice-bins"
        )
    flat = np.zeros(len(coded[columns[0]][0]), dtype=np.int32)
    for name in columns:
        codes, names = coded[name]
        flat *= len(names)
        flat += codes
    counts = np.bincount(flat)
    for code in np.argsort(-counts, kind="stable").tolist():
        if counts[code]:
            yield Slice(values=_values(code, columns, coded), n=int(counts[code]), codes=flat, code=code)


def _values(flat: int, columns: Sequence[str], coded: Mapping[str, Coded]) -> dict[str, str]:
    """Return the values that a combined code stands for."""
    values: dict[str, str] = {}
    for name in reversed(columns):
        names = coded[name][1]
        flat, own = divmod(flat, len(names))
        values[name] = names[own]
    return {name: values[name] for name in columns}
