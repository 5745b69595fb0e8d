"""Keys that occur twice, and keys and entities that are in both tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from cd4ml.checks.split.entities import Entities, group_overlap_check, key_checks
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.split.row_hashes import Comparable, added, compared, hashes
from cd4ml.metrics.split.rows import Rows
from cd4ml.metrics.split.row_keys import Keys, are_among, multiplicities
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options


def part_of(options: Options, train: Source, test: Source) -> EntitiesPart | None:
    """Return the part that compares keys and entities, None where none are declared.

    Raises:
        OptionsError: a column has types in the two tables that have no value in common.
    """
    declared = ([options.key] if options.key else []) + [(name,) for name in options.group]
    if not declared:
        return None
    found = compared(train.schema, test.schema, ())
    problems = [
        f"`{name}` is {train.schema[name]} in {train.name} and {test.schema[name]} in {test.name}"
        for name in dict.fromkeys(name for names in declared for name in names)
        if name in found.unlike
    ]
    if problems:
        raise OptionsError(problems, advice="Store the column with one type, so that its values can be compared.")
    by_name = {one.name: one for one in found.compared}
    kinds = [_Kind([by_name[name] for name in names], train.rows, test.rows) for names in declared]
    return EntitiesPart(options, kinds)


class _Kind:
    """The hashes of a key or a group, of all rows that have one."""

    def __init__(self, columns: Sequence[Comparable], train: int, test: int) -> None:
        self.columns = columns
        self.train, self.test = Keys(train), Keys(test)
        self._rows = (train, test)

    def add(self, kept: Keys, rows: Rows) -> None:
        """Keep the hashes of rows that have a value in every column."""
        whole = np.ones(len(rows), dtype=np.bool_)
        for one in self.columns:
            whole &= rows.frame.select(one.values().is_not_null()).to_series().to_numpy()
        kept.add(added(hashes(rows, self.columns), len(rows))[whole])

    def found(self) -> Entities:
        """Return what both tables have in common."""
        train, test = self.train.sorted(), self.test.sorted()
        same = are_among(test, train)
        times = multiplicities(test)
        return Entities(
            names=[one.name for one in self.columns],
            rows=self._rows[1],
            missing=self._rows[1] - len(test),
            missing_train=self._rows[0] - len(train),
            shared_rows=int(same.sum()),
            shared=len(np.unique(test[same])),
            repeated=times.rows - times.once,
        )


class EntitiesPart:
    """The key of each row and its entities, in both tables."""

    def __init__(self, options: Options, kinds: Sequence[_Kind]) -> None:
        self._options = options
        self._kinds = kinds
        self._numbers: dict[str, Any] = {}

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return [one.name for kind in self._kinds for one in kind.columns]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """See Part."""
        return self._numbers

    def add_train(self, rows: Rows) -> None:
        """See Part."""
        for kind in self._kinds:
            kind.add(kind.train, rows)

    def add_test(self, rows: Rows) -> None:
        """See Part."""
        for kind in self._kinds:
            kind.add(kind.test, rows)

    def checks(self) -> Iterator[Check]:
        """See Part."""
        options = self._options
        for position, kind in enumerate(self._kinds):
            found = kind.found()
            self._numbers.setdefault("entities", {})["&".join(found.names)] = found.numbers()
            if options.key and not position:
                yield from key_checks(
                    found,
                    maximum_duplicate_keys=options.maximum_duplicate_keys,
                    maximum_key_overlap=options.maximum_key_overlap,
                )
            else:
                yield group_overlap_check(found, limit=options.maximum_group_overlap)
