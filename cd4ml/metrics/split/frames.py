"""Columns of two tables as numbers, and a target as labels or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from cd4ml.data.predictions.labels import common_names, label_text
from cd4ml.data.tables.by_name import values
from cd4ml.data.tables.columns import Family, family
from cd4ml.metrics.split.classes import MOST_NUMBERS
from cd4ml.metrics.split.columns import Column, Kind, Target
from cd4ml.metrics.split.power import Floats

if TYPE_CHECKING:
    import polars as pl

# The most frequent labels that are looked at; the others are what these are held against.
MOST_LABELS: Final = 50
_READ: Final = frozenset({Family.NUMBER, Family.BOOLEAN, Family.TIME, Family.TEXT})


def comparable(train: pl.Schema, test: pl.Schema, names: Sequence[str]) -> list[str]:
    """Return the columns that both tables have with values of one family that can be read."""
    return [name for name in names if name in train and name in test and _common_family(train[name], test[name])]


def _common_family(train: pl.DataType, test: pl.DataType) -> bool:
    """Whether values of two types can be held against each other."""
    first, second = family(train), family(test)
    return first is second and first in _READ


def column_of(name: str, train: pl.DataFrame, test: pl.DataFrame) -> Column:
    """Return a column of both tables."""
    sides = values(train, name), values(test, name)
    if family(sides[0].dtype) is Family.TEXT:
        first, second = _places(*sides)
        return Column(name=name, kind=Kind.CATEGORY, train=first, test=second)
    first, second = (_numbers(side) for side in sides)
    return Column(name=name, kind=Kind.NUMBER, train=first, test=second)


def _places(train: pl.Series, test: pl.Series) -> tuple[Floats, Floats]:
    """Return the place of each text in the order of all texts, nan for a missing one."""
    import polars as pl

    places = pl.concat([train.cast(pl.String), test.cast(pl.String)]).rank("dense").cast(pl.Float64).to_numpy()
    return places[: len(train)], places[len(train) :]


def _numbers(side: pl.Series) -> Floats:
    """Return numbers, times in microseconds; nan for what is missing."""
    import polars as pl

    if side.dtype in (pl.Date, pl.Datetime):
        side = side.dt.epoch("us")
    elif side.dtype == pl.Duration:
        side = side.dt.total_microseconds()
    elif side.dtype == pl.Time:
        side = side.to_physical()
    return side.cast(pl.Float64).to_numpy()


def with_target(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the rows that have a target."""
    side = values(rows, name)
    known = side.is_not_null()
    return rows.filter(known & side.is_finite() if side.dtype.is_float() else known)


def target_of(train: pl.Series, test: pl.Series) -> Target:
    """Return the target of rows that all have one.

    It is one of numbers if both tables have numbers, and one of them has many different values; else one of labels.
    """
    import polars as pl

    if family(train.dtype) is family(test.dtype) is Family.NUMBER:
        sides = [side.cast(pl.Float64).to_numpy() for side in (train, test)]
        if max(len(np.unique(side)) for side in sides) > MOST_NUMBERS:
            return Target(labels=(), train=sides[0][:, None], test=sides[1][:, None])
    different = [side.unique(maintain_order=True).to_list() for side in (train, test)]
    names = common_names([{label_text(one) for one in several} for several in different])
    named = [
        side.to_frame().select(pl.first().replace_strict(several, _named(several, names), return_dtype=pl.String))
        for side, several in zip((train, test), different, strict=True)
    ]
    labels = [side.to_series().to_numpy() for side in named]
    known, counts = np.unique(labels[0], return_counts=True)
    kept = sorted(known[np.argsort(-counts, kind="stable")[:MOST_LABELS]])
    found = sorted({*kept, *np.unique(labels[1])}) if len(kept) < 2 else kept
    only_two = len(found) == 2
    asked = np.array(found[1:] if only_two else found)
    has = [(side[:, None] == asked).astype(float) for side in labels]
    return Target(labels=tuple(map(str, found)), train=has[0], test=has[1])


def _named(labels: Sequence[object], names: dict[str, str]) -> list[str]:
    """Return labels as both tables name them."""
    return [names[label_text(label)] for label in labels]
