"""The contract as rows tell it: copies of the target, classes, categories that training never had, shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cd4ml.checks.split.classes import class_balance_checks, class_rows_checks, too_many_classes_check
from cd4ml.checks.split.contract import copied_checks
from cd4ml.checks.split.shift import shift_checks, shifts, unseen, unseen_checks
from cd4ml.data.profile.cells import MOST_CATEGORIES, Cells, Counters, refined_layout
from cd4ml.data.tables.by_name import values as values_of
from cd4ml.data.tables.columns import Family, as_label, family
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.performance.evaluation import CLASS_FLOOR
from cd4ml.metrics.split.classes import class_shares
from cd4ml.metrics.split.recoding import Recoding
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.preflight import not_features

if TYPE_CHECKING:
    import polars as pl

# Numbers of more values than this are not classes.
_MOST_NUMBERS: Final = 20
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
    return ContractPart(options, copies=plain, sides=(_Side(layout), _Side(layout)))


class _Side:
    """The values of one table: counted in cells, and compared with the target."""

    def __init__(self, layout: Mapping[str, Any]) -> None:
        self.counters = Counters(layout)
        self.names = list(layout)
        self.too_many: set[str] = set()
        self.recodings: dict[str, Recoding] = {}
        self.classes: dict[str, int] | None = {}

    def count(self, rows: pl.DataFrame) -> None:
        """Count the values of some rows."""
        for name in self.names:
            if name not in self.too_many:
                try:
                    self.counters.add(name, values_of(rows, name).to_arrow())
                except OptionsError:  # more categories than can be counted: the report names the column
                    self.too_many.add(name)

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
        if number and len(self.classes) > _MOST_NUMBERS:
            self.classes = None

    def copies(self) -> dict[str, Any]:
        """Return the columns that are the target on every row."""
        found = {name: recoding.found() for name, recoding in self.recodings.items()}
        return {name: one for name, one in found.items() if one is not None}


class ContractPart:
    """What both tables hold, in counts."""

    def __init__(self, options: Options, *, copies: Sequence[str], sides: tuple[_Side, _Side]) -> None:
        self._options = options
        self._copies = copies
        self._train, self._test = sides
        self._numbers: dict[str, Any] = {}

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return [*self._copies, self._options.target]

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

    def _add(self, side: _Side, rows: pl.DataFrame) -> None:
        """Count rows."""
        side.count(rows)
        side.compare(rows, self._copies, self._options.target)
        side.count_classes(rows, self._options.target)

    def checks(self) -> list[Check]:
        """See Part."""
        options, copies = self._options, self._train.copies()
        found = [
            *copied_checks(copies, len(self._copies), target=options.target, in_test=list(self._test.copies())),
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
            *unseen_checks(new, options.maximum_unseen_categories),
            *shift_checks(moved, aside, options.maximum_shift),
        ]

    def _class_checks(self) -> list[Check]:
        """Return the checks of a target of classes; none of numbers."""
        train, test, options = self._train.classes, self._test.classes, self._options
        if not train or not test:
            return []
        if len({*train, *test}) > MOST_CATEGORIES:
            return [too_many_classes_check(options.target, MOST_CATEGORIES)]
        shares = class_shares(train, test)
        self._numbers["classes"] = {one.name: {"train": one.train, "test": one.test} for one in shares}
        return [
            *class_rows_checks(shares, options.minimum_class_rows, CLASS_FLOOR),
            *class_balance_checks(shares, options.maximum_class_difference),
        ]

    def _cells(self) -> tuple[dict[str, Cells], dict[str, Cells], list[str]]:
        """Return the counted values of training and test rows, and the columns that could not be compared."""
        many = self._train.too_many | self._test.too_many
        train, test = self._train.counters.cells(), self._test.counters.cells()
        kept = [name for name in train if name not in many and train[name].n and test[name].n]
        aside = [name for name in train if name in many or (name not in kept and (train[name].n or test[name].n))]
        return {name: train[name] for name in kept}, {name: test[name] for name in kept}, aside
