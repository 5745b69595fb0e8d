"""What waits for labels, as the state file holds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from cd4ml.data.tables import by_name
from cd4ml.worker.awaiting import Awaited, Awaiting, Terms

_HEAD: Final = {"predictions": "awaiting-predictions-", "labels": "awaiting-labels-"}


def told_of(awaiting: Awaiting) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what waits as plain data, and its columns as arrays."""
    arrays: dict[str, Any] = {}
    for part, head in _HEAD.items():
        frame: pl.DataFrame = getattr(awaiting, part)
        # A label that has not come is told by a mask: no number is left to stand for none.
        arrays |= {head + name: _whole(by_name.values(frame, name)) for name in frame.columns}
        arrays[f"{head}known"] = by_name.values(frame, "label").is_not_null().to_numpy()
    told = {
        "windows": {str(number): asdict(window) for number, window in awaiting.windows.items()},
        "counts": awaiting.counts,
        "totals": awaiting.totals,
        "named": awaiting.named,
    }
    return told, arrays


def awaiting_of(terms: Terms, told: Mapping[str, Any], arrays: Any) -> Awaiting:
    """Return what waits from plain data and arrays."""
    found = Awaiting(terms=terms)
    for part, head in _HEAD.items():
        kinds: pl.Schema = getattr(found, part).schema
        frame = pl.DataFrame({name: arrays[head + name] for name in kinds}, schema=kinds)
        known = pl.Series(arrays[f"{head}known"], dtype=pl.Boolean)
        label = pl.when(known).then(pl.col("label"))
        expected = [pl.col("expected").fill_nan(None)] if "expected" in kinds else []
        setattr(found, part, frame.with_columns(label.alias("label"), *expected))
    found.windows = {int(number): Awaited(**window) for number, window in told["windows"].items()}
    found.counts, found.totals = Counter(told["counts"]), Counter(told["totals"])
    found.named = list(told["named"])
    return found


def _whole(values: pl.Series) -> npt.NDArray[Any]:
    """Return values as an array, in which something stands for those that are not there."""
    if values.dtype == pl.Boolean:
        return values.to_numpy()
    return values.fill_null(np.nan if values.dtype == pl.Float64 else 0).to_numpy()
