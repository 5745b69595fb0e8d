"""What a window of events holds: counts, in the cells of the reference, however many events there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import polars as pl

from cd4ml.data.profile.cells import MOST_CATEGORIES, CategoryCells, Cells, Counters, NumberCells
from cd4ml.data.tables import by_name
from cd4ml.metrics.drift.estimate import Expected, expected
from cd4ml.worker.decoding import Decoder
from cd4ml.worker.demands import Demand

# Stands for new categories beyond those that are kept apart: a stream may make up names without end.
OVERFLOW: Final = "(further new categories)"
_MOST_MODELS: Final = 20


@dataclass(kw_only=True)
class Counted:
    """What was counted of the events of a window.

    Attributes:
        events: all of them.
        featured: those that say their features; values are counted of these alone.
        cells: counted values, by feature.
        mistyped: values of another type than in the reference, by feature.
        broken: rows that break a demand of the schema, by its id.
        models: events by the digest of the model that answered.
        expected: confusion matrix by the model's own probabilities.
    """

    events: int = 0
    featured: int = 0
    cells: dict[str, Cells] = field(default_factory=dict)
    mistyped: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    expected: Expected = Expected()


class Counting:
    """How events are counted: in the cells of the reference, and against the demands of a schema."""

    def __init__(
        self,
        reference: Mapping[str, Cells],
        decoder: Decoder,
        demands: Iterable[Demand] = (),
        positive_label: str | None = None,
    ) -> None:
        """Prepare.

        Args:
            reference: counted values of the features that are compared.
            positive_label: whose probability the scores are; None if nobody says.
        """
        self._positive_label = positive_label
        self._reference = reference
        self._decoder = decoder
        self._demands = tuple(demands)
        self._grids = {name: cells.grid for name, cells in reference.items() if isinstance(cells, NumberCells)}

    def empty(self) -> Counted:
        """Return a window of no event."""
        return Counted(cells={name: _empty(cells) for name, cells in self._reference.items()})

    def add(self, counted: Counted, events: pl.DataFrame) -> None:
        """Count events.

        Args:
            events: of the columns `READ`.
        """
        counted.events += len(events)
        _add_models(counted.models, events)
        if self._positive_label is not None:
            counted.expected += _expected(events, self._positive_label)
        told = events.filter(pl.col("features").is_not_null())
        if not len(told):
            return
        counted.featured += len(told)
        decoded = self._decoder.decoded(told)
        counted.mistyped.update(decoded.mistyped)
        self._count(counted, decoded.frame)
        self._hold(counted, decoded.frame)

    def _count(self, counted: Counted, frame: pl.DataFrame) -> None:
        """Count the values of each feature."""
        counters = Counters(self._grids)
        for name in self._grids:
            counters.add(name, by_name.values(frame, name).to_arrow())
        found = counters.cells()
        for name, before in counted.cells.items():
            if isinstance(before, NumberCells):
                counted.cells[name] = _joined(before, found[name])
            else:
                counted.cells[name] = _with_categories(before, by_name.values(frame, name), self._reference[name])

    def _hold(self, counted: Counted, frame: pl.DataFrame) -> None:
        """Hold the values against the demands of the schema."""
        if not self._demands:
            return
        expressions = [demand.broken(frame.schema).sum().alias(str(at)) for at, demand in enumerate(self._demands)]
        for demand, number in zip(self._demands, frame.select(expressions).row(0), strict=True):
            if number:
                counted.broken[demand.id] += number


def _empty(cells: Cells) -> Cells:
    """Return cells of no value, like those of the reference."""
    if isinstance(cells, NumberCells):
        return NumberCells(grid=cells.grid, counts=np.zeros_like(cells.counts))
    return CategoryCells(counts={})


def _joined(before: NumberCells, found: Cells) -> NumberCells:
    """Return the counts of both; they have one grid."""
    assert isinstance(found, NumberCells)
    return NumberCells(
        grid=before.grid,
        counts=before.counts + found.counts,
        nulls=before.nulls + found.nulls,
        nans=before.nans + found.nans,
        infinite=before.infinite + found.infinite,
        fractional=before.fractional or found.fractional,
    )


def _with_categories(before: CategoryCells, values: pl.Series, reference: Cells) -> CategoryCells:
    """Return the counts with further values; of what are identifiers in the reference, only how many there are."""
    assert isinstance(reference, CategoryCells)
    nulls = before.nulls + values.null_count()
    if reference.identifiers:
        return replace(before, nulls=nulls, identifiers=before.identifiers + len(values) - values.null_count())
    counts = dict(before.counts)
    new = MOST_CATEGORIES - sum(label not in reference.counts for label in counts)
    kept = values.drop_nulls().value_counts(name="count")
    for label, number in zip(kept.to_series(0), kept.to_series(1), strict=True):
        if label not in counts and label not in reference.counts:
            new -= 1
            label = label if new > 0 else OVERFLOW
        counts[label] = counts.get(label, 0) + number
    return replace(before, counts=counts, nulls=nulls)


def _expected(events: pl.DataFrame, positive_label: str) -> Expected:
    """Return the expected confusion matrix of predictions that have a probability."""
    predictions = events["prediction"].struct.unnest()
    scored = predictions.filter(pl.col("y_score").is_between(0, 1) & pl.col("y_pred").is_not_null())
    positive = scored.select((pl.col("y_pred") == positive_label).alias("positive")).to_series()
    return expected(positive.to_numpy(), scored["y_score"].to_numpy())


def _add_models(models: Counter[str], events: pl.DataFrame) -> None:
    """Count events by the model that answered; those beyond some models are counted together."""
    digests = events.select(pl.col("model").struct.field("sha256").fill_null("")).to_series()
    for digest, number in digests.value_counts(name="count").iter_rows():
        models[digest if digest in models or len(models) < _MOST_MODELS else "others"] += number
