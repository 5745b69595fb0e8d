"""Metrics of predictions and of the rows they were made for, by which drift is noticed before labels come."""

from __future__ import annotations

import math
import operator
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from cd4ml.serving.exchange import Answers, Batch, Exchange
from cd4ml.serving.signature import Column
from cd4ml.serving.telemetry.metrics.board import Page
from cd4ml.serving.telemetry.metrics.families import (
    ENTROPY,
    MISSING,
    OUT_OF_RANGE,
    PREDICTIONS,
    SCORE,
    VALUE,
    Family,
)
from cd4ml.serving.telemetry.metrics.ranges import UNKNOWN, Range

_MOST_CLASSES: Final = 50
_MOST_FEATURES: Final = 200
_OTHER: Final = "other"
# A whole number may be greater, and has no place in a sum of doubles.
_GREATEST: Final = sys.float_info.max
# From so many rows on, what runs over all values runs in C, and single values are looked at only where one is odd.
_MANY: Final = 8


class _Feature(NamedTuple):
    """A feature, the places of its two counts, and what it may be."""

    name: str
    missing: int
    outside: int
    minimum: float
    maximum: float
    categories: frozenset[Any] | None


class Quality:
    """Counts classes, scores, and values that are missing or out of range."""

    def __init__(
        self, page: Page, *, columns: Sequence[Column], classes: Sequence[Any], ranges: Mapping[str, Range]
    ) -> None:
        self._page, self._numbers = page, page.numbers
        self._labels: dict[Any, int] = {}
        self._classifier = bool(classes)
        for label in classes[:_MOST_CLASSES]:
            plain = label.item() if hasattr(label, "item") else label
            self._labels[plain] = page.place(PREDICTIONS, (str(plain),))
        self._value = 0 if self._classifier else page.place(VALUE)
        self._score = page.place(SCORE) if self._classifier else 0
        self._entropy = page.place(ENTROPY) if self._classifier else 0
        self._features = [self._feature(at, column, ranges) for at, column in enumerate(columns)]

    def _feature(self, at: int, column: Column, ranges: Mapping[str, Range]) -> _Feature:
        """Return a feature with its places; features past the most share theirs."""
        label = (column.name,) if at < _MOST_FEATURES else (_OTHER,)
        known = ranges.get(column.name)
        outside = 0 if known is None else self._page.place(OUT_OF_RANGE, label)
        bounds = known or UNKNOWN
        missing = self._page.place(MISSING, label)
        return _Feature(column.name, missing, outside, bounds.minimum, bounds.maximum, bounds.categories)

    def finished(self, exchange: Exchange) -> None:
        """See Observer."""
        answers, batch = exchange.answers, exchange.batch
        if batch is None:
            return
        few = batch.rows < _MANY
        if few:
            self._few_inputs(batch)
        else:
            self._many_inputs(batch)
        if answers is None or exchange.status != 200:
            return  # the rows were refused, of which the inputs may say why, or an output that the model has not
        if not self._classifier:
            self._values(answers)
        elif few:
            self._few_predictions(answers)
        else:
            self._many_predictions(answers)

    def _values(self, answers: Answers) -> None:
        """Count predicted numbers."""
        values = [value for value in answers.y_pred if isinstance(value, int | float) and abs(value) <= _GREATEST]
        self._numbers[self._value] += len(values)
        self._numbers[self._value + 1] += math.fsum(values)

    def _few_predictions(self, answers: Answers) -> None:
        """Count classes, scores and their entropy, one by one."""
        numbers, labels, score, entropy = self._numbers, self._labels, self._score, self._entropy
        for label in answers.y_pred:
            numbers[labels.get(label) or self._other()] += 1.0
        for value in answers.y_score or ():
            numbers[score + bisect_left(SCORE.buckets, value)] += 1.0
            numbers[score + len(SCORE.buckets) + 1] += value
        for bits in _entropies(answers):
            numbers[entropy + bisect_left(ENTROPY.buckets, bits)] += 1.0
            numbers[entropy + len(ENTROPY.buckets) + 1] += bits

    def _many_predictions(self, answers: Answers) -> None:
        """Count the same of many rows."""
        for label, count in Counter(answers.y_pred).items():
            self._numbers[self._labels.get(label) or self._other()] += count
        self._observe(self._score, SCORE, answers.y_score or ())
        self._observe(self._entropy, ENTROPY, _entropies(answers))

    def _observe(self, place: int, family: Family, values: Sequence[float]) -> None:
        """Add many values to a histogram."""
        numbers, ordered, before = self._numbers, sorted(values), 0
        for at, bound in enumerate(family.buckets):
            upto = bisect_right(ordered, bound)
            numbers[place + at] += upto - before
            before = upto
        numbers[place + len(family.buckets)] += len(ordered) - before
        numbers[place + len(family.buckets) + 1] += math.fsum(ordered)

    def _other(self) -> int:
        """Return the place of classes past the most."""
        return self._page.place(PREDICTIONS, (_OTHER,))

    def _few_inputs(self, batch: Batch) -> None:
        """Count the values that are missing or out of range, one by one."""
        numbers, given = self._numbers, batch.columns
        absent = [None] * batch.rows
        for name, missing, outside, minimum, maximum, categories in self._features:
            for value in given.get(name) or absent:
                if value is None or value != value:
                    numbers[missing] += 1.0
                elif not outside:
                    continue
                elif categories is not None:
                    if value not in categories:
                        numbers[outside] += 1.0
                elif not minimum <= value <= maximum:
                    numbers[outside] += 1.0

    def _many_inputs(self, batch: Batch) -> None:
        """Count the same of many rows, column by column."""
        numbers = self._numbers
        for feature in self._features:
            values = batch.columns.get(feature.name)
            if values is None:
                numbers[feature.missing] += batch.rows
                continue
            if _gaps(values):
                present = [value for value in values if value is not None and value == value]
                numbers[feature.missing] += len(values) - len(present)
                values = present
            if feature.outside and values:
                numbers[feature.outside] += _outside(values, feature)


def _entropies(answers: Answers) -> list[float]:
    """Return the entropy of each row's probabilities, in bits; of two classes one share is enough."""
    if answers.probabilities is not None:
        return [-math.fsum(share * math.log2(share) for share in row if share > 0.0) for row in answers.probabilities]
    log2 = math.log2
    return [
        -(share * log2(share) + (1.0 - share) * log2(1.0 - share)) if 0.0 < share < 1.0 else 0.0
        for share in answers.y_score or ()
        if 0.0 <= share <= 1.0
    ]


def _gaps(values: list[Any]) -> bool:
    """Whether a value may be missing: adding up finds a gap among numbers faster than looking at each."""
    try:
        total = sum(values)
    except (TypeError, OverflowError):  # a whole number may be greater than any that has a fraction
        return None in values or any(map(operator.ne, values, values))
    return bool(total != total)


def _outside(values: list[Any], feature: _Feature) -> int:
    """Return how many values are none of the usual ones."""
    _, _, _, minimum, maximum, categories = feature
    if categories is not None:
        return 0 if categories.issuperset(values) else sum(value not in categories for value in values)
    if minimum <= min(values) and max(values) <= maximum:
        return 0
    return sum(not minimum <= value <= maximum for value in values)
