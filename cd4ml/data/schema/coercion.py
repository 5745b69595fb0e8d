"""Types that pandas finds, and what coercion to the schema's types would do to values."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cd4ml.user_code import UserCodeError, user_code

if TYPE_CHECKING:
    import pandas as pd


def type_found(column: pd.Series[Any]) -> str:
    """Return the type of a column, and of objects what they are."""
    from pandas.api.types import infer_dtype

    if column.dtype != object:
        return str(column.dtype)
    gaps = " with gaps" if column.isna().any() else ""
    return f"object ({infer_dtype(column, skipna=True)}{gaps})"


def lossy(frame: pd.DataFrame, columns: Mapping[str, Any]) -> dict[str, int]:
    """Return how many values coercion changes, by column that is coerced from one kind of number to another.

    Coercion to integers cuts 1.5 down to 1 and wraps 300 around to 44; the type then holds, but not for this table.

    Args:
        columns: the type that each column is coerced to, None if it is not.
    """
    from pandas.api.types import is_bool_dtype, is_float_dtype, is_numeric_dtype
    from pandera.dtypes import is_bool, is_float, is_int

    found = {}
    for name, dtype in columns.items():
        if dtype is None or not (is_int(dtype) or is_bool(dtype) or is_float(dtype)):
            continue
        source = frame[name].dropna()
        number = is_numeric_dtype(source.dtype) or is_bool_dtype(source.dtype)
        changed = _changed(source, dtype) if number and not (is_float_dtype(source.dtype) and is_float(dtype)) else None
        filled = _filled(frame[name][frame[name].isna()], dtype) if is_bool(dtype) else 0
        if changed is not None or filled:
            found[name] = (changed or 0) + filled
    return found


def _changed(source: pd.Series[Any], dtype: Any) -> int | None:
    """Return how many values coercion changes, None if they cannot be coerced: pandera reports that."""
    coerced = _coerced(source, dtype)
    if coerced is None:
        return None
    try:
        return int((coerced.astype(source.dtype) != source).sum())
    except (TypeError, ValueError):
        return None


def _filled(gaps: pd.Series[Any], dtype: Any) -> int:
    """Return how many gaps coercion turns into true or false, by the kind of gap; `boolean` keeps them."""
    coerced = None if gaps.empty else _coerced(gaps, dtype)
    return 0 if coerced is None else int(coerced.notna().sum())


def _coerced(values: pd.Series[Any], dtype: Any) -> Any:
    """Return values as pandera coerces them, None if they cannot be."""
    import numpy as np

    try:
        with user_code(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dtype.coerce(values)
    except UserCodeError:
        return None


def infinite(frame: pd.DataFrame, columns: Mapping[str, Any]) -> dict[str, int]:
    """Return how many infinities there are, by column of floating-point numbers.

    Columns that coercion makes such numbers are among them: the text `inf` becomes one, and so does 1e300 in 32 bits.

    Args:
        columns: the type that each column is coerced to, None if it is not.
    """
    import numpy as np
    import pandas as pd
    from pandera.dtypes import is_float

    found = {}
    for name, dtype in columns.items():
        becomes_float = dtype is not None and is_float(dtype)
        if becomes_float or pd.api.types.is_float_dtype(frame[name].dtype):
            values = pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
            if becomes_float:
                with np.errstate(over="ignore"):
                    values = values.astype(str(dtype).lower())
            found[name] = int(np.isinf(values).sum())
    return found
