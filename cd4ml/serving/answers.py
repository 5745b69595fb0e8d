"""Predictions as JSON values."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pandas as pd

from cd4ml.serving.exchange import Answers
from cd4ml.serving.model import Answer, ModelError


def of(answer: Answer) -> Answers:
    """Return a model's answer in JSON values; None where it gives no value or no finite number.

    Raises:
        ModelError: a value is of a type that JSON cannot express.
    """
    y_pred, y_score = answer
    return Answers(values(y_pred), None if y_score is None else values(y_score))


def gaps(found: Answers) -> list[int]:
    """Return the rows that have no label, or no score or probability though the model gives them."""
    scores = found.y_pred if found.y_score is None else found.y_score
    bad = {at for at, pair in enumerate(zip(found.y_pred, scores, strict=True)) if None in pair}
    return sorted(bad | {at for at, row in enumerate(found.probabilities or ()) if not all(map(math.isfinite, row))})


def values(found: Iterable[Any]) -> list[Any]:
    """Return predicted values as JSON has them.

    Raises:
        ModelError: JSON cannot express one.
    """
    return [json_value(value) for value in found]


def json_value(value: Any) -> Any:
    """Return a predicted value as JSON has it: times and durations in ISO 8601, None for what is missing or infinite.

    Raises:
        ModelError: JSON cannot express it.
    """
    if not isinstance(value, str | bytes) and hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0:
        value = pd.Timestamp(value) if value.dtype.kind == "M" else value.item()
    if isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float | Decimal):
        return _number(value)
    if isinstance(value, datetime.timedelta):
        return pd.Timedelta(value).isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise ModelError(f"the model predicts values of the type {type(value).__name__}, which JSON cannot express")


def _number(value: float | Decimal) -> int | float | None:
    """Return a finite number; a decimal without a fraction stays whole."""
    if not math.isfinite(value):
        return None
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else float(value)
