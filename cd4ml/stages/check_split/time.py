"""The test later than the training, and no feature known later than its label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cd4ml.checks.split.time import late_feature_check, time_overlap_check
from cd4ml.data.tables.by_name import values
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.data.tables.moments import are_comparable, are_times, moments, said_apart
from cd4ml.metrics.split.rows import Rows
from cd4ml.report import Check
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.preflight import times

if TYPE_CHECKING:
    import polars as pl


def part_of(options: Options, train: Source, test: Source) -> TimePart | None:
    """Return the part that compares times, None where none is declared.

    Raises:
        OptionsError: a column holds no times, or not the same kind of them in both tables.
    """
    if not times(options):
        return None
    label = options.label_time or str(options.time)
    problems = []
    for name in dict.fromkeys(times(options)):
        kinds = (train.schema[name], test.schema[name])
        beside = [source.schema[label] for source in (train, test)] if name in options.feature_times else []
        if not are_comparable([*kinds, *beside]):
            stored = ", ".join(dict.fromkeys(str(kind) for kind in (*kinds, *beside)))
            problems.append(f"`{name}` holds no times that can be compared ({stored})")
    if problems:
        raise OptionsError(problems, advice="Times are dates, times or texts in ISO 8601, or all of them are numbers.")
    return TimePart(options, label, train, test)


class TimePart:
    """The latest training row, the test rows before it, and rows with a feature that is later than the label."""

    def __init__(self, options: Options, label: str, train: Source, test: Source) -> None:
        self._options = options
        self._label = label
        self._sources = {"training": train, "test": test}
        self._latest: float | None = None
        self._earliest: float | None = None
        self._earlier = 0
        self._missing: dict[tuple[str, str], int] = {}
        self._late = dict.fromkeys(options.feature_times, 0)
        self._unknown = dict.fromkeys(options.feature_times, 0)

    @property
    def columns(self) -> Sequence[str]:
        """See Part."""
        return times(self._options)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """See Part."""
        return {"test_rows_before_training_ends": self._earlier} if self._options.time else {}

    def add_train(self, rows: Rows) -> None:
        """See Part."""
        found = self._moments(rows.frame, "training")
        if self._options.time:
            self._latest = _outermost(max, self._latest, found[self._options.time].max())

    def add_test(self, rows: Rows) -> None:
        """See Part."""
        found = self._moments(rows.frame, "test")
        if self._options.time and self._latest is not None:
            self._earliest = _outermost(min, self._earliest, found[self._options.time].min())
            self._earlier += int((found[self._options.time] < self._latest).sum())

    def _moments(self, rows: pl.DataFrame, table: str) -> dict[str, pl.Series]:
        """Return the times of rows by column; count what is missing, and features that are late."""
        found = {
            name: rows.select(moments(name, self._sources[table].schema[name]).alias("moment")).to_series()
            for name in dict.fromkeys(times(self._options))
        }
        for name in found:
            gaps = found[name].null_count()
            if name in self._late:
                self._late[name] += int((found[name] > found[self._label]).sum())
                self._unknown[name] += gaps
                if name not in (self._label, self._options.time):  # a text that is no time is an error all the same
                    gaps -= values(rows, name).null_count()
            self._missing[name, table] = self._missing.get((name, table), 0) + gaps
        return found

    def checks(self) -> Iterator[Check]:
        """See Part.

        Raises:
            OptionsError: a row holds no time.
        """
        problems = [
            f"{self._sources[table].name}: `{name}` holds no time in {n:,} of {self._sources[table].rows:,} rows"
            for (name, table), n in self._missing.items()
            if n
        ]
        if problems:
            raise OptionsError(problems, advice="Times are written in ISO 8601: 2026-05-01 or 2026-05-01T12:00:00Z.")
        rows = {table: source.rows for table, source in self._sources.items()}
        if self._options.time:
            name = self._options.time
            apart = (self._latest or 0) - (self._earliest or 0) if self._earlier else 0
            kinds = [source.schema[name] for source in self._sources.values()]
            yield time_overlap_check(
                name,
                earlier=self._earlier,
                rows=rows["test"],
                by=said_apart(apart, times=are_times(kinds)) if self._earlier else "",
                limit=self._options.maximum_time_overlap,
            )
        for name, late in self._late.items():
            yield late_feature_check(
                name,
                self._label,
                late=late,
                unknown=self._unknown[name],
                rows=sum(rows.values()),
                limit=self._options.maximum_late_features,
            )


def _outermost(of: Any, known: float | None, found: Any) -> float | None:
    """Return the greater or lesser of two values, of which either may not be there."""
    there = [value for value in (known, found) if value is not None]
    return of(there) if there else None
