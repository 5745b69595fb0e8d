"""Rows as the gateway takes them, each with what score-model made of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from cd4ml.errors import OptionsError

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Rows as the gateway takes them, and what score-model made of each: same length, same order.

    Attributes:
        of: rows that there are; those here are every `step`-th of them.
        largest: of all of them, the largest `y_pred` and `y_score`, whatever its sign; 0 where these are no numbers.
        labels: whether `y_pred` is known to hold labels: there are scores beside it.
    """

    rows: Sequence[Mapping[str, Any]]
    y_pred: Sequence[Any]
    y_score: Sequence[Any] | None
    of: int
    largest: Mapping[str, float]
    labels: bool
    step: int = 1


def scored_rows(
    test: pd.DataFrame, predictions: pd.DataFrame, columns: Sequence[str], optional: Sequence[str] = ()
) -> Scored:
    """Pair rows of the test data with their predictions: by `row_id` where both have it, else by position.

    Args:
        columns: the model's columns.
        optional: those of them that may be left out.

    Raises:
        OptionsError: the tables cannot be paired, or the test data lacks a column of the model or cannot be sent.
    """
    absent = [name for name in columns if name not in test.columns and name not in optional]
    if absent:
        raise OptionsError(f"test-data lacks columns of the model: {', '.join(absent[:10])}")
    columns = [name for name in columns if name in test.columns]
    if "row_id" in test.columns and "row_id" in predictions.columns:
        test, predictions = _by_row_id(test, predictions)
    elif len(test) != len(predictions):
        raise OptionsError(
            f"test-data has {len(test)} rows and predictions {len(predictions)}: their rows cannot be matched",
            advice="Use the test data that score-model scored, or give both tables a column row_id.",
        )
    of, step = len(test), max(1, math.ceil(len(test) / _MOST_ROWS))
    greatest = {name: largest(predictions[name].tolist()) for name in ("y_pred", "y_score") if name in predictions}
    labels = any(str(name).startswith("y_score") for name in predictions.columns)
    test, predictions = test.iloc[::step], predictions.iloc[::step]
    rows = [
        {name: _json_value(value, name) for name, value in zip(columns, values, strict=True)}
        for values in test[list(columns)].astype(object).itertuples(index=False, name=None)
    ]
    score = predictions["y_score"].tolist() if "y_score" in predictions.columns else None
    labelled = predictions["y_pred"].tolist()
    return Scored(rows=rows, y_pred=labelled, y_score=score, of=of, step=step, largest=greatest, labels=labels)


def largest(values: Iterable[Any]) -> float:
    """Return the largest of the numbers, whatever its sign, 0 if there is none."""
    numbers = (abs(float(value)) for value in values if isinstance(value, int | float | Decimal))
    return max((number for number in numbers if math.isfinite(number)), default=0.0)


def columns_of(test: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of these columns as the gateway takes them; one that the table does not have is left out.

    Raises:
        OptionsError: JSON cannot express a value.
    """
    return {name: [_json_value(value, name) for value in test[name].astype(object)] for name in columns if name in test}


def _by_row_id(test: pd.DataFrame, predictions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that both tables have, in one order."""
    if test["row_id"].duplicated().any() or predictions["row_id"].duplicated().any():
        raise OptionsError("row_id is not unique: rows cannot be matched")
    test, predictions = test.set_index("row_id"), predictions.set_index("row_id")
    if not predictions.index.isin(test.index).all():
        raise OptionsError("predictions has row ids that test-data does not have: it belongs to other data")
    return test.loc[predictions.index], predictions


def _json_value(value: Any, column: str) -> Any:
    """Return a table's value as JSON writes it; missing is null."""
    import pandas as pd

    if isinstance(value, str):
        return value
    if isinstance(value, list) or type(value).__name__ == "ndarray":  # a row of a tensor
        return [_json_value(inner, column) for inner in (value if isinstance(value, list) else value.tolist())]
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    number = value.item() if hasattr(value, "item") else float(value) if isinstance(value, Decimal) else value
    if not isinstance(number, bool | int | float) or (isinstance(number, float) and not math.isfinite(number)):
        what = "an infinite number" if isinstance(number, float) else f"a value of the type {type(value).__name__}"
        raise OptionsError(
            f"test-data: column {column!r} holds {what}, which JSON cannot express: no caller can send it to the image",
            advice="Remove it from the test data, or give the column another type, and score the model again.",
        )
    return number
