"""Columns of numbers, whatever they are stored as: decimals, nullable or narrow types count like any others."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


def is_decimal(values: pd.Series[Any]) -> bool:
    """Whether every value of a column is a decimal; Parquet and databases give such for amounts of money."""
    if str(values.dtype).startswith("decimal"):
        return True
    return values.dtype == object and len(values) > 0 and all(isinstance(value, Decimal) for value in values.dropna())


def is_number(values: pd.Series[Any]) -> bool:
    """Whether a column holds numbers; booleans are none."""
    import pandas as pd

    kind = values.dtype
    return (pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)) or is_decimal(values)


def as_numbers(values: pd.Series[Any]) -> npt.NDArray[np.generic]:
    """Return a column of numbers without gaps as NumPy's: floats as they are stored, all else that may need it as
    64-bit ones.

    Whole numbers without a sign would wrap around where one is taken from another, and decimals are not numbers of
    NumPy's.
    """
    import numpy as np

    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fi":
        return values.to_numpy()
    return values.to_numpy(dtype=np.float64)
