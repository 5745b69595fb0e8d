"""Test rows that stand in the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cd4ml.checks.split.overlap import overlap_check
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.split.overlap import Keys, Overlap, among, occurrences, runs
from cd4ml.metrics.split.row_hashes import Columns, added, compared, hashes
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options

if TYPE_CHECKING:
    import polars as pl


def part_of(options: Options, train: Source, test: Source) -> OverlapPart:
    """Return the part that compares rows.

    Raises:
        OptionsError: the tables have no feature in common.
    """
    aside = (options.target, *options.key, *options.group, *options.exclude, *([options.time] if options.time else []))
    features = compared(train.schema, test.schema, aside)
    if not features.compared:
        raise OptionsError(f"{train.name} and {test.name} have no feature in common: there is nothing to compare")
    return OverlapPart(
        options, features, compared(train.schema, test.schema, [*features.names, *aside[1:]]), train, test
    )


class OverlapPart:
    """Hashes of the features of all rows, with their labels beside them."""

    def __init__(self, options: Options, features: Columns, target: Columns, train: Source, test: Source) -> None:
        self._options = options
        self._features = features
        self._target = target
        self._train, self._test = Keys(train.rows), Keys(test.rows)
        self._numbers: dict[str, Any] = {}

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return [*self._features.names, *self._target.names]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """See Part."""
        return self._numbers

    def add_train(self, rows: pl.DataFrame) -> None:
        """See Part."""
        self._add(self._train, rows)

    def add_test(self, rows: pl.DataFrame) -> None:
        """See Part."""
        self._add(self._test, rows)

    def _add(self, keys: Keys, rows: pl.DataFrame) -> None:
        """Keep the hashes of rows."""
        features = added(hashes(rows, self._features.compared), len(rows))
        keys.add(features, added(hashes(rows, self._target.compared), len(rows)))

    def checks(self) -> list[Check]:
        """See Part."""
        self._train.sort()
        self._test.sort()
        known, counts = runs(self._train.compared())
        same = among(self._test.compared(), known)
        conflicts = int(np.count_nonzero(same & ~among(self._test.whole(), self._train.whole())))
        found = Overlap(rows=len(same), found=int(np.count_nonzero(same)), train=occurrences(counts))
        self._numbers = {"overlap": {**found.numbers(), "other_label": conflicts}}
        return [
            overlap_check(
                found,
                conflicts=conflicts,
                limit=self._options.maximum_overlap,
                features=len(self._features.compared),
                aside=[*self._features.unlike, *self._features.missing],
            )
        ]
