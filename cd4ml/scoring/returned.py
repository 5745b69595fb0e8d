"""What a model's process wrote, which may be anything: a model file can run code in it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cd4ml.data.predictions.table import CLASS_SCORE
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.refusals import refused
from cd4ml.data.tables.table import as_frame
from cd4ml.errors import OptionsError
from cd4ml.scoring.batch.pipes import REFUSED
from cd4ml.scoring.scorer import ScoringError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MOST_BYTES: Final = 16384
_LONGEST: Final = 300
# How the names of the files end in which the process says that the model refused a trial, or gave what is no answer.
_REFUSED: Final = ".error"
_UNUSABLE: Final = ".unusable"


def each(made: Sequence[Path], sizes: Sequence[int], ended: ScoringError | None) -> list[pd.DataFrame | ScoringError]:
    """Return the predictions of each table; the one at which the process ended early, if it did, has none."""
    last = next((position for position, path in enumerate(made) if not _is_over(path)), len(made) - 1)
    found: list[pd.DataFrame | ScoringError] = []
    for position, (path, n) in enumerate(zip(made, sizes, strict=True)):
        if ended and position >= last:
            found.append(ended if position == last else ScoringError("its process ended before scoring them"))
            continue
        try:
            found.append(predictions(path, n))
        except ScoringError as error:
            found.append(error)
    return found


def predictions(path: Path, n: int) -> pd.DataFrame:
    """Return the predictions of one table.

    Raises:
        ScoringError: they are not one usable prediction for each of its n rows.
    """
    return as_frame(table(path, n))


def table(path: Path, n: int) -> pa.Table:
    """Return the predictions of one table, as `predictions` does."""
    if path.is_symlink() or not path.is_file():
        if unusable := _said(path.with_suffix(_UNUSABLE)):
            raise ScoringError(unusable)
        why = _said(path.with_suffix(_REFUSED))
        raise ScoringError(why or "the model's process ended without predictions", refused=bool(why))
    try:
        opened = open_table(path)
        with refused(opened.name):
            found = opened.dataset().to_table()
    except OptionsError as error:
        raise ScoringError(f"its predictions cannot be read: {error}") from error
    if refusal := (found.schema.metadata or {}).get(REFUSED):
        raise ScoringError(refusal.decode("utf-8", "replace")[:_LONGEST], refused=True)
    names = [name for name in found.column_names if not name.startswith(CLASS_SCORE)]
    if names not in (["y_pred"], ["y_pred", "y_score"]):
        raise ScoringError("its predictions have other columns than y_pred and y_score")
    if found.num_rows != n:
        raise ScoringError(f"{found.num_rows} predictions for {n} rows")
    for name in found.column_names:
        _refuse_gaps(name, found.column(name), n)
    return found


def _refuse_gaps(name: str, values: pa.ChunkedArray, n: int) -> None:
    """Refuse predictions of which one is missing or infinite, and scores that are no numbers.

    Raises:
        ScoringError: with the first row, where it is about single ones.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    gaps = pc.is_null(values, nan_is_null=True)
    if missing := pc.sum(gaps).as_py():
        raise ScoringError(f"{name} is missing for {missing} of {n} rows", pc.index(gaps, True).as_py())
    kind = values.type
    fraction = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if pa.types.is_floating(kind) and not pc.all(finite := pc.is_finite(values)).as_py():
        raise ScoringError(f"{name} is infinite for some of {n} rows", pc.index(finite, False).as_py())
    if name != "y_pred" and not (fraction or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise ScoringError(f"{name} is not a number")


def _is_over(path: Path) -> bool:
    """Whether the process got past a table: it left predictions, or why there are none."""
    return any(one.is_file() for one in (path, path.with_suffix(_REFUSED), path.with_suffix(_UNUSABLE)))


def _said(path: Path) -> str:
    """Return why a trial has no predictions, on one line; empty if nothing was said."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as stream:
        told = stream.read(_MOST_BYTES).decode("utf-8", "replace")
    return " ".join(told.split())[:_LONGEST]


def seconds(path: Path) -> list[float]:
    """Return how long repeated predictions took.

    Raises:
        ScoringError: it does not say.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise ScoringError("the model's process ended without reporting its timings")
    try:
        found = [float(one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError) as error:
        raise ScoringError("the timings that the model's process reported cannot be read") from error
    if not found or not all(0 < one < math.inf for one in found):
        raise ScoringError("the model's process reported invalid timings")
    return found
