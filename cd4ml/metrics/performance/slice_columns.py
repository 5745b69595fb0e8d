"""Which columns are searched for bad slices, and the parts that they are cut into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.slices import coded, text_edges
from cd4ml.wording import nearest

# A column with more values holds names rather than groups.
MOST_VALUES: Final = 50
BINS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What is searched.

    Attributes:
        codes: by column each row's index into the names of its parts, shape (n,).
        names: by column the names of its parts.
        skipped: by column why it is not searched.
    """

    codes: Mapping[str, npt.NDArray[np.int16]]
    names: Mapping[str, Sequence[str]]
    skipped: Mapping[str, str]


def searchable(frame: pd.DataFrame, names: Sequence[str], bins: Mapping[str, str], *, strict: bool) -> Columns:
    """Cut the columns into parts: numbers with many values by quintiles, unless bins says where.

    Args:
        bins: edges by column, as for declared slices.
        strict: whether a column that cannot be searched is an error, and not just skipped.

    Raises:
        OptionsError: no column can be searched, or one of `strict` ones; edges of a column that there is not.
    """
    unknown = [f"slice-bins: no column `{name}`{nearest(name, names)}" for name in bins if name not in frame.columns]
    if unknown:
        raise OptionsError(unknown)
    codes: dict[str, npt.NDArray[np.int16]] = {}
    parts: dict[str, Sequence[str]] = {}
    skipped: dict[str, str] = {}
    for name in names:
        problem = "" if name in bins else _unsearchable(frame[name])
        if not problem:
            try:
                edges = bins.get(name) or text_edges(frame[name], BINS)
                found, parts[name] = coded(frame[name], name, edges)
                codes[name] = found.astype(np.int16)
            except OptionsError as error:
                if name in bins:
                    raise
                problem = error.message
        if problem:
            skipped[name] = problem
    if skipped and (strict or not codes):
        problems = [f"slice-search: `{name}` cannot be searched: {problem}" for name, problem in skipped.items()]
        raise OptionsError(problems, advice="Name other columns, or cut the values into fewer categories.")
    if not codes:
        raise OptionsError("slice-search: the table has no column to search but the standard ones")
    return Columns(codes=codes, names=parts, skipped=skipped)


def _unsearchable(values: pd.Series[Any]) -> str:
    """Say why a column cannot be searched; empty if it can."""
    kind = values.dtype
    if pd.api.types.is_datetime64_any_dtype(kind) or pd.api.types.is_timedelta64_dtype(kind):
        return "it holds times"
    try:
        distinct = int(values.nunique())
    except TypeError:
        return "its values are not plain numbers or texts"
    if distinct == 0 or (distinct == 1 and not values.isna().any()):
        return "it has one value"
    if not pd.api.types.is_numeric_dtype(kind) and distinct > MOST_VALUES:
        return f"it has {distinct:,} different values"
    return ""
