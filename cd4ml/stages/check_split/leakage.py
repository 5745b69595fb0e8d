"""Columns that give the target away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cd4ml.checks.split.leakage import Scope, leakage_checks, nothing_to_look_at_check
from cd4ml.checks.split.powers import Limits
from cd4ml.data.tables.by_name import values
from cd4ml.data.tables.columns import Family, family
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.split.frames import column_of, comparable, target_of, with_target
from cd4ml.metrics.split.held_rows import HeldRows
from cd4ml.metrics.split.leakage import Leakage, leakage
from cd4ml.metrics.split.rows import Rows
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options
from cd4ml.wording import nearest


def part_of(options: Options, train: Source, test: Source) -> LeakagePart:
    """Return the part that looks for columns that give the target away.

    Raises:
        OptionsError: a limit names a column that is no feature, or the target is no label and no number.
    """
    aside = {options.target, *options.key, *options.group, *options.exclude, options.time}
    features = [name for name in dict.fromkeys([*train.schema, *test.schema]) if name not in aside]
    unknown = [name for name in options.maximum_feature_power.own if name not in features]
    problems = [
        f"maximum-feature-power: `{name}` is not a feature of these tables{nearest(name, features)}" for name in unknown
    ]
    problems += [
        f"{source.name}: `{options.target}` holds neither labels nor numbers"
        for source in (train, test)
        if family(source.schema[options.target]) is Family.OTHER
    ]
    if problems:
        raise OptionsError(problems)
    compared = comparable(train.schema, test.schema, features)
    left_out = [name for name in features if name not in compared]
    return LeakagePart(options, compared, left_out, train, test)


class LeakagePart:
    """Rows of both tables up to a bound, and what their columns tell of the target."""

    def __init__(
        self, options: Options, features: Sequence[str], left_out: Sequence[str], train: Source, test: Source
    ) -> None:
        self._options = options
        self._features = features
        self._left_out = left_out
        self._rows = (train.rows, test.rows)
        self._train, self._test = (HeldRows(rows, self.columns) for rows in self._rows)
        self._numbers: dict[str, Any] = {}

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return [*self._features, self._options.target]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """See Part."""
        return self._numbers

    def add_train(self, rows: Rows) -> None:
        """See Part."""
        self._train.add(rows.frame)

    def add_test(self, rows: Rows) -> None:
        """See Part."""
        self._test.add(rows.frame)

    def checks(self) -> list[Check]:
        """See Part."""
        options, name = self._options, self._options.target
        held = [side.frame() for side in (self._train, self._test)]
        train, test = (with_target(side, name) for side in held)
        scope = Scope(train=len(train), test=len(test), of=self._rows, left_out=self._left_out)
        limits = Limits(
            feature=options.maximum_feature_power,
            pair=options.maximum_pair_power,
            identifier=options.maximum_identifier_power,
            one_label=options.maximum_one_label_power,
            model=options.model_power,
        )
        if not len(train) or not len(test):
            return leakage_checks(Leakage(numeric=False, alone=(), pairs=(), one_label=(), n=0), name, limits, scope)
        target = target_of(values(train, name), values(test, name))
        columns = [column_of(feature, train, test) for feature in self._features]
        if not any(column.varies for column in columns):
            return [nothing_to_look_at_check(scope)]
        found = leakage(columns, target, sum(self._rows), limits)
        self._numbers = {"leakage": {"rows": {"train": len(train), "test": len(test)}, **_numbers(found)}}
        return leakage_checks(found, name, limits, scope)


def _numbers(found: Leakage) -> dict[str, Any]:
    """Return the powers for the report, the largest first."""
    powers = {one.name: one.values.value for one in found.alone if one.values is not None}
    return {
        "measure": "explained-variance" if found.numeric else "area-under-the-roc-curve",
        "power": dict(sorted(powers.items(), key=lambda one: -one[1])),
        "power_of_gaps": {one.name: one.gaps.value for one in found.alone if one.gaps is not None},
        "power_of_pairs": {pair.formula: pair.power.value for pair in found.pairs},
        "identifiers": [one.name for one in found.alone if one.identifier],
    }
