"""Decide whether a test on these rows means anything: both tables are read once, through all parts side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.context import Context
from cd4ml.data.tables.frames import frames
from cd4ml.data.tables.header import lacking
from cd4ml.data.tables.opening import open_table
from cd4ml.data.tables.source import Source
from cd4ml.errors import OptionsError
from cd4ml.metrics.split.rows import Rows
from cd4ml.report import Check, Report, headline
from cd4ml.stages.check_split import contract, entities, leakage, overlap, time
from cd4ml.stages.check_split.options import Options
from cd4ml.stages.check_split.part import Part
from cd4ml.stages.check_split.preflight import check_options, in_neither, named_columns
from cd4ml.stages.check_split.signature import agreed

STAGE: Final = "check-split"
# The parts, in the order in which the report shows them; one that has nothing to look at is None.
PARTS: Final[Sequence[Callable[[Options, Source, Source], Part | None]]] = (
    overlap.part_of,
    entities.part_of,
    time.part_of,
    leakage.part_of,
    contract.part_of,
)


def run(options: Options, context: Context) -> Report:
    """Look at all rows of both tables.

    Raises:
        OptionsError: a table lacks a column that the options name, or has no rows, or both are the same.
        UnavailableError: a table cannot be read.
    """
    check_options(options)
    # `exclude` may stand under `defaults` and name the target, which is no feature here anyway.
    options = replace(options, exclude=tuple(name for name in options.exclude if name != options.target))
    context.progress(f"Opening {options.train_data} and {options.test_data}")
    train, test = (
        open_table(name, hashed=True, reading=options.reading).source()
        for name in (options.train_data, options.test_data)
    )
    _check_tables(options, train, test)
    columns_agree = agreed(options, train, test, context)
    parts = [part for make in PARTS if (part := make(options, train, test)) is not None]
    context.progress(f"Reading {train.rows:,} training rows")
    _read(train, parts, lambda part, rows: part.add_train(rows))
    context.progress(f"Reading {test.rows:,} test rows")
    _read(test, parts, lambda part, rows: part.add_test(rows))
    checks = [*columns_agree.checks, *(check for part in parts for check in part.checks())]
    report = Report(
        stage=STAGE,
        checks=checks,
        summary=_summary(checks, train, test),
        metrics={
            "rows": {"train": train.rows, "test": test.rows},
            **{name: value for part in parts for name, value in part.metrics.items()},
        },
        inputs=(train.digest("train-data"), test.digest("test-data")),
        candidate=columns_agree.candidate,
    )
    return remarked(report, options.reading)


def _check_tables(options: Options, train: Source, test: Source) -> None:
    """Refuse tables that nothing could be decided on."""
    problems = []
    for source in (train, test):
        problems += lacking(source.name, named_columns(options), list(source.schema))
        if not source.rows:
            problems.append(f"{source.name}: the table has no rows")
    problems += in_neither(options, [*train.schema, *test.schema])
    if not problems and train.digest("train-data").sha256 == test.digest("test-data").sha256:
        problems.append(f"{train.name} and {test.name} are the same rows: nothing of the test would be new")
    if problems:
        raise OptionsError(problems)


def _read(source: Source, parts: Sequence[Part], add: Callable[[Part, Rows], None]) -> None:
    """Hand every row to every part, and read only the columns that one of them asks for.

    Raises:
        OptionsError: the table has fewer or more rows than it says.
    """
    wanted = {name for part in parts for name in part.columns}
    seen = 0
    for frame in frames(source, [name for name in source.schema if name in wanted]):
        rows = Rows(frame)
        for part in parts:
            add(part, rows)
        seen += len(rows)
    if seen != source.rows:
        raise OptionsError(f"{source.name}: it says that it has {source.rows:,} rows, and has {seen:,}")


def _summary(checks: Sequence[Check], train: Source, test: Source) -> str:
    """Say in a sentence what was found."""
    fine = f"{test.rows:,} test rows beside {train.rows:,} training rows: all {len(checks):,} checks hold."
    return headline(checks) or fine
