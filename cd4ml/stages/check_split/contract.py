"""The contract as rows tell it: copies of the target, classes, categories that training never had, shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cd4ml.checks.split.classes import (
    class_balance_checks,
    class_rows_checks,
    no_classes_checks,
    too_many_classes_check,
)
from cd4ml.checks.split.contract import copied_checks, empty_column_checks
from cd4ml.checks.split.shift import Unseen, shift_checks, shifts, unseen, unseen_checks
from cd4ml.data.profile.cells import MOST_CATEGORIES, CategoryCells, Cells, Counters, refined_layout
from cd4ml.data.tables.by_name import values as values_of
from cd4ml.data.tables.columns import Family, as_label, family
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.evaluation import CLASS_FLOOR
from cd4ml.metrics.split.classes import MOST_NUMBERS, class_shares
from cd4ml.metrics.split.recoding import Recoding
from cd4ml.metrics.split.rows import Rows
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.preflight import not_features

if TYPE_CHECKING:
    import polars as pl

_COUNTED: Final = (Family.NUMBER, Family.TEXT, Family.BOOLEAN)


def part_of(options: Options, train: Source, test: Source) -> ContractPart:
    """Return the part that compares the values of both tables, column by column."""
    aside = {options.target, *options.exclude}
    shared = [name for name in train.schema if name in test.schema and name not in aside]
    of_row = not_features(options)
    families = {name: family(train.schema[name]) for name in shared}
    alike = [
        name
        for name in shared
        if name not in of_row and families[name] in _COUNTED and family(test.schema[name]) is families[name]
    ]
    numbers = [name for name in alike if families[name] is Family.NUMBER]
    categories = [name for name in alike if name not in numbers]
    layout = refined_layout(train, numbers, categories)
    # A column of which any power is allowed is known before the target, whatever it equals.
    limits = {name: options.maximum_feature_power.of(name) for name in shared}
    plain = [
        name
        for name, limit in limits.items()
        if families[name] in (*_COUNTED, Family.TIME) and (limit is None or limit < 1)
    ]
    readable = (*_COUNTED, Family.TIME, Family.EMPTY)
    features = [
        name
        for name in shared
        if name not in of_row and families[name] in readable and family(test.schema[name]) in readable
    ]
    return ContractPart(options, copies=plain, features=features, sides=(_Side(layout), _Side(layout)))


class _Side:
    """The values of one table: counted in cells, and compared with the target."""

    def __init__(self, layout: Mapping[str, Any]) -> None:
        self.counters = Counters(layout)
        self.names = list(layout)
        self.too_many: set[str] = set()
        self.recodings: dict[str, Recoding] = {}
        self.classes: dict[str, int] | None = {}
        self.valued: set[str] = set()

    def count(self, rows: Rows) -> None:
        """Count the values of some rows."""
        for name in self.names:
            if name not in self.too_many:
                try:
                    text = family(rows.frame.schema[name]) is Family.TEXT
                    self.counters.add(name, rows.coded(name) if text else values_of(rows.frame, name).to_arrow())
                except OptionsError:  # more categories than can be counted: the report names the column
                    self.too_many.add(name)

    def look_for_values(self, rows: pl.DataFrame, names: Sequence[str]) -> None:
        """Remember which columns have a value."""
        for name in names:
            if name not in self.valued:
                known = values_of(rows, name).drop_nulls()
                if len(known.drop_nans() if known.dtype.is_float() else known):
                    self.valued.add(name)

    def compare(self, rows: pl.DataFrame, names: Sequence[str], target: str) -> None:
        """Compare columns with the target, as long as they may be it."""
        wanted = values_of(rows, target)
        for name in names:
            recoding = self.recodings.setdefault(name, Recoding())
            if recoding.possible:
                recoding.add(values_of(rows, name), wanted)

    def count_classes(self, rows: pl.DataFrame, target: str) -> None:
        """Count the rows of each class, unless the target turns out to be a number."""
        if self.classes is None or len(self.classes) > MOST_CATEGORIES:
            return
        values = values_of(rows, target).drop_nulls()
        number = family(values.dtype) is Family.NUMBER
        values = values.drop_nans() if number else values
        if number and values.dtype.is_float() and not (values == values.floor()).all():
            self.classes = None
            return
        for label, n in values.value_counts().iter_rows():
            self.classes[as_label(label)] = self.classes.get(as_label(label), 0) + n
        if number and len(self.classes) > MOST_NUMBERS:
            self.classes = None

    def copies(self) -> dict[str, Any]:
        """Return the columns that are the target on every row."""
        found = {name: recoding.found() for name, recoding in self.recodings.items()}
        return {name: one for name, one in found.items() if one is not None}


class ContractPart:
    """What both tables hold, in counts."""

    def __init__(
        self, options: Options, *, copies: Sequence[str], features: Sequence[str], sides: tuple[_Side, _Side]
    ) -> None:
        self._options = options
        self._copies = copies
        self._features = features
        self._train, self._test = sides
        self._numbers: dict[str, Any] = {}

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return [*dict.fromkeys([*self._copies, *self._features]), self._options.target]

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

    def _add(self, side: _Side, rows: Rows) -> None:
        """Count rows."""
        side.count(rows)
        side.look_for_values(rows.frame, self._features)
        side.compare(rows.frame, self._copies, self._options.target)
        side.count_classes(rows.frame, self._options.target)

    def checks(self) -> list[Check]:
        """See Part."""
        options, copies = self._options, self._train.copies()
        found = [
            *copied_checks(copies, len(self._copies), target=options.target, in_test=list(self._test.copies())),
            *empty_column_checks(self._features, self._train.valued, self._test.valued),
            *self._class_checks(),
        ]
        train, test, aside = self._cells()
        moved = shifts(train, test)
        new = unseen(train, test)
        self._numbers = {
            "copies_of_target": list(copies),
            "shift": {one.name: one.corrected_psi for one in moved},
            "unseen_categories": {one.name: one.rows / one.n for one in new},
            **self._numbers,
        }
        return [
            *found,
            *unseen_checks(new, self._categories_aside(new), options.maximum_unseen_categories),
            *shift_checks(moved, aside, options.maximum_shift),
        ]

    def _class_checks(self) -> list[Check]:
        """Return the checks of a target of classes; of numbers, an error for each limit that is set."""
        train, test, options = self._train.classes, self._test.classes, self._options
        if not train or not test:
            number = f"is a number: it has fractions, or more than {MOST_NUMBERS} different values"
            why = number if train is None or test is None else "has no value in one of the tables"
            return [
                *no_classes_checks(options.target, why, options.minimum_class_rows, options.maximum_class_difference)
            ]
        if len({*train, *test}) > MOST_CATEGORIES:
            return [too_many_classes_check(options.target, MOST_CATEGORIES)]
        shares = class_shares(train, test)
        self._numbers["classes"] = {one.name: {"train": one.train, "test": one.test} for one in shares}
        return [
            *class_rows_checks(shares, options.minimum_class_rows, CLASS_FLOOR),
            *class_balance_checks(shares, options.maximum_class_difference, by_time=bool(options.time)),
        ]

    def _categories_aside(self, compared: Sequence[Unseen]) -> list[str]:
        """Return the columns of categories that have values, and whose categories could not be compared."""
        known = {one.name for one in compared} - self._train.too_many - self._test.too_many
        categories = [name for name, cells in self._train.counters.cells().items() if isinstance(cells, CategoryCells)]
        valued = self._train.valued | self._test.valued
        return [name for name in categories if name not in known and name in valued]

    def _cells(self) -> tuple[dict[str, Cells], dict[str, Cells], list[str]]:
        """Return the counted values of training and test rows, and the columns that could not be compared."""
        many = self._train.too_many | self._test.too_many
        train, test = self._train.counters.cells(), self._test.counters.cells()
        kept = [name for name in train if name not in many and train[name].n and test[name].n]
        aside = [name for name in train if name in many or (name not in kept and (train[name].n or test[name].n))]
        return {name: train[name] for name in kept}, {name: test[name] for name in kept}, aside
