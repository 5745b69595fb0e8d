"""Test rows that stand in the training rows, exactly or nearly, and those that repeat each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cd4ml.checks.split.duplicates import duplicates_check
from cd4ml.checks.split.overlap import all_but_one_overlap_check, near_overlap_check, overlap_check
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.split.overlap import beside_equal, duplicates_of, overlap_of
from cd4ml.metrics.split.row_hashes import Columns, added, compared, hashes, near_hashes
from cd4ml.metrics.split.rows import Rows
from cd4ml.metrics.split.row_keys import Keys, SampledKeys, are_among, multiplicities, packed
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.preflight import not_features

# Of larger tables, so many rows are looked at for rows that nearly are equal, and so many for all columns together.
_MOST_NEAR: Final = 1 << 20
_MOST_ALL_BUT_ONE: Final = 1 << 21


def part_of(options: Options, train: Source, test: Source) -> OverlapPart:
    """Return the part that compares rows.

    Raises:
        OptionsError: the tables have no feature in common.
    """
    aside = (options.target, *not_features(options))
    features = compared(train.schema, test.schema, aside)
    if not features.compared:
        raise OptionsError(f"{train.name} and {test.name} have no feature in common: there is nothing to compare")
    target = compared({options.target: train.schema[options.target]}, {options.target: test.schema[options.target]}, ())
    return OverlapPart(options, features, target, train.rows, test.rows)


@dataclass(frozen=True, kw_only=True)
class _Hashes:
    """What is kept of the rows of a table: their features with the label beside them; their features as they are
    written carelessly, with the exact ones beside them; and for each column all others of these, with this one beside.
    """

    exact: Keys
    near: SampledKeys
    all_but_one: Sequence[SampledKeys]


class OverlapPart:
    """Hashes of the features of all rows of both tables."""

    def __init__(self, options: Options, features: Columns, target: Columns, train: int, test: int) -> None:
        self._options = options
        self._features = features
        self._target = target
        self._train, self._test = (self._rows(n, max(train, test)) for n in (train, test))
        self._numbers: dict[str, Any] = {}

    def _rows(self, rows: int, most: int) -> _Hashes:
        """Return an empty store for a table, given the rows of the larger one."""
        columns = len(self._features.compared)
        single = _every(most * columns, _MOST_ALL_BUT_ONE)
        return _Hashes(
            exact=Keys(rows),
            near=SampledKeys(_every(most, _MOST_NEAR)),
            all_but_one=[SampledKeys(single) for _ in self._features.compared] if columns > 1 else [],
        )

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return [*self._features.names, *self._target.names]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """See Part."""
        return self._numbers

    def add_train(self, rows: Rows) -> None:
        """See Part."""
        self._add(self._train, rows)

    def add_test(self, rows: Rows) -> None:
        """See Part."""
        self._add(self._test, rows)

    def _add(self, kept: _Hashes, rows: Rows) -> None:
        """Keep the hashes of rows."""
        both = hashes(rows, [*self._features.compared, *self._target.compared])
        values, labels = both[: len(self._features.compared)], both[len(self._features.compared) :]
        exact = added(values, len(rows))
        kept.exact.add(packed(exact, added(labels, len(rows))))
        values = near_hashes(rows, self._features.compared, values)
        near = added(values, len(rows))
        kept.near.add(near, exact)
        for keys, value in zip(kept.all_but_one, values, strict=False):
            keys.add(np.subtract(near, value), value)

    def checks(self) -> Iterable[Check]:
        """See Part."""
        yield from self._exact()
        columns, limit = self._features.names, self._options.maximum_near_overlap
        near = beside_equal(self._test.near, self._train.near)
        self._numbers["near_overlap"] = near.numbers()
        yield near_overlap_check(near, limit=limit, features=len(columns))
        pairs = zip(columns, self._test.all_but_one, self._train.all_but_one, strict=False)
        single = {name: beside_equal(test, train) for name, test, train in pairs}
        if single:
            self._numbers["all_but_one_overlap"] = {name: found.numbers() for name, found in single.items()}
            yield all_but_one_overlap_check(single, limit=limit)

    def _exact(self) -> Iterator[Check]:
        """Yield the checks of rows that are equal in all features."""
        train, test = self._train.exact.sorted(), self._test.exact.sorted()
        with_label = are_among(test, train)
        train, test = self._train.exact.narrowed(), self._test.exact.narrowed()
        conflicts = int((are_among(test, train) & ~with_label).sum())
        of_train, of_test = multiplicities(train), multiplicities(test)
        found, repeated = overlap_of(test, train, of_train), duplicates_of(of_test, of_train)
        self._numbers["overlap"] = {**found.numbers(), "other_label": conflicts}
        self._numbers["duplicates"] = repeated.numbers()
        self._numbers["effective_test_rows"] = repeated.effective_rows
        yield overlap_check(
            found,
            conflicts=conflicts,
            limit=self._options.maximum_overlap,
            features=len(self._features.compared),
            aside=[*self._features.unlike, *self._features.missing],
        )
        yield duplicates_check(repeated, limit=self._options.maximum_duplicates)


def _every(keys: int, most: int) -> int:
    """Return of how many keys one is kept, a power of 2, so that no more than so many are."""
    return 1 << max(0, (keys - 1) // most).bit_length()
