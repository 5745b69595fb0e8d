"""What check-freshness can be told, and what of it would decide nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from cd4ml.data.tables.dialect import TableOptions
from cd4ml.errors import OptionsError
from cd4ml.inputs import vocabulary
from cd4ml.inputs.options import Group, option
from cd4ml.metrics.freshness.schedule import Schedule, parsed

EXAMPLE: Final = "--table data/scores.parquet --column scored_at --maximum-age 26"
OUTPUTS: Final[dict[str, str]] = {
    "stale": "`true` if a table is older than it may be, missed its deadline, or has no stamp to go by, else `false`.",
}


class Stamp(StrEnum):
    """What a table's age is counted from."""

    COLUMN = "column"
    METADATA = "metadata"
    FILE = "file"


@dataclass(frozen=True, kw_only=True)
class Options(TableOptions):
    """Options of check-freshness."""

    table: tuple[str, ...] = option(
        "The tables that must be fresh: files, folders of Parquet, Delta tables, addresses; with backend, names of "
        "tables there.",
        required=True,
        example="data/scores.parquet",
        group=Group.INPUT,
    )
    maximum_age: float | None = option("Largest age of the latest stamp, in hours.", example="26", group=Group.LIMITS)
    column: str | None = option(
        "Column of times whose latest value is the stamp; times without an offset count as UTC.",
        example="scored_at",
        group=Group.INPUT,
    )
    stamp: Stamp | None = option(
        "What the age is counted from: the latest value of `column`; `metadata`, which is the last commit that brought "
        "rows to a Delta table, or the time in a Parquet file under metadata-key; the time of the newest `file` "
        "(default: column if it is set, metadata for Delta tables and with metadata-key, else file).",
        group=Group.INPUT,
    )
    metadata_key: str | None = option(
        "Key of a Parquet file's own metadata that holds the time at which it was written (RFC 3339).",
        example="written_at",
        group=Group.INPUT,
    )
    schedule: str | None = option(
        "When the pipeline that writes the table starts: the five fields of cron, in UTC.",
        example="0 4 * * 1-5",
        group=Group.LIMITS,
    )
    deadline: float | None = option(
        "Hours after each start of the schedule by which the table must have been written.",
        example="2.5",
        group=Group.LIMITS,
    )
    runs: str | None = option(
        "Table of past runs with the columns `started_at` and `finished_at`, which is empty for runs that did not end, "
        "to tell an overrun before the deadline (default: the commits of a Delta table).",
        example="runs.csv",
        group=Group.INPUT,
    )
    maximum_overrun_chance: float = option(
        "Largest chance that the present run misses its deadline, by past runs that took as long.",
        default=0.5,
        group=Group.LIMITS,
    )
    backend: str = vocabulary.BACKEND.here("Stamps in columns are read there.", default=vocabulary.LOCAL)
    textfile: str | None = option(
        "Where to write the numbers for Prometheus (node exporter's textfile collector).",
        example="freshness.prom",
        group=Group.OUTPUT,
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The schedule that the options declare, read."""

    schedule: Schedule
    deadline: timedelta


def plan(options: Options) -> Plan | None:
    """Return the schedule, None if there is none.

    Raises:
        OptionsError: options contradict each other, or decide nothing.
    """
    problems, schedule = list(_problems(options)), None
    if options.schedule is not None:
        try:
            schedule = parsed(options.schedule)
        except ValueError as error:
            problems.append(f"schedule: {error}")
    if problems:
        raise OptionsError(problems)
    if schedule is None or options.deadline is None:
        return None
    return Plan(schedule=schedule, deadline=timedelta(hours=options.deadline))


def _problems(options: Options) -> Iterator[str]:
    """Yield what contradicts itself, or decides nothing."""
    if options.maximum_age is None and options.schedule is None:
        yield "set maximum-age, or schedule and deadline: without them any age passes"
    if (options.schedule is None) is not (options.deadline is None):
        yield "schedule and deadline need each other"
    for name, hours in (("maximum-age", options.maximum_age), ("deadline", options.deadline)):
        if hours is not None and not 0 < hours < 24 * 366 * 10:
            yield f"{name} must be above 0 and at most ten years of hours, got {hours:g}"
    if not 0 <= options.maximum_overrun_chance < 1 or math.isnan(options.maximum_overrun_chance):
        yield f"maximum-overrun-chance must be at least 0 and below 1, got {options.maximum_overrun_chance:g}"
    if options.runs and options.schedule is None:
        yield "runs needs schedule and deadline"
    if len(set(options.table)) < len(options.table):
        yield "table: one is named twice"
    yield from _of_stamps(options)


def _of_stamps(options: Options) -> Iterator[str]:
    """Yield what contradicts itself about stamps."""
    if options.stamp is Stamp.COLUMN and options.column is None:
        yield "stamp: column needs column"
    if options.stamp not in (None, Stamp.COLUMN) and options.column is not None:
        yield f"column is not used with stamp: {options.stamp}"
    if options.stamp not in (None, Stamp.METADATA) and options.metadata_key is not None:
        yield f"metadata-key is not used with stamp: {options.stamp}"
    if options.stamp is None and options.column is not None and options.metadata_key is not None:
        yield "column and metadata-key: only one can be the stamp"
    if options.backend != vocabulary.LOCAL and options.column is None:
        yield "backend needs column: tables there have no stamp of their own that cd4ml could ask for"
