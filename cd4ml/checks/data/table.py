"""Facts about a table that no schema states and every gate must hold: rows, values, infinities, lossless types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from cd4ml.report import Bound, Check, Status, percent
from cd4ml.report.ids import check_id


def minimum_rows_check(n: int, minimum: int) -> Check:
    """Check that the table is not empty or cut short: an empty one meets every rule about rows."""
    enough = n >= minimum
    return Check(
        id="minimum-rows",
        status=Status.PASSED if enough else Status.FAILED,
        reason=None if enough else "too-few-rows",
        metric="rows",
        value=n,
        limit=minimum,
        bound=Bound.AT_LEAST,
        option=("minimum-rows",),
        n=n,
        message=(
            f"{n:,} rows (at least {minimum:,})."
            if enough
            else f"The table has {n:,} rows; at least {minimum:,} are needed."
        ),
        advice=None if enough else "Find out where the rows went, or lower minimum-rows in a reviewed change.",
    )


def finite_checks(infinite: Iterable[tuple[str, int]], n: int, allowed: Sequence[str]) -> Iterator[Check]:
    """Check columns for infinities, which meet `ge(0)` and every other one-sided bound.

    Args:
        infinite: columns with their number of infinities.
        n: rows of the table.
        allowed: columns that may hold some.
    """
    for name, count in infinite:
        if name not in allowed:
            yield Check(
                id=check_id("finite", name),
                status=Status.FAILED if count else Status.PASSED,
                reason="infinite-values" if count else None,
                metric="failing-rows",
                value=count,
                limit=0,
                bound=Bound.AT_MOST,
                n=n,
                message=(
                    f"`{name}`: {count:,} of {n:,} values are infinite."
                    if count
                    else f"`{name}` has no infinite value."
                ),
                advice="Fix the data, or name the column in allow-infinite." if count else None,
            )


def lossless_checks(changed: Iterable[tuple[str, int]], n: int) -> Iterator[Check]:
    """Check that values survive the type that the schema coerces them to.

    Args:
        changed: columns with their number of values that coercion changes.
        n: rows of the table.
    """
    for name, count in changed:
        yield Check(
            id=check_id("lossless", name),
            status=Status.FAILED if count else Status.PASSED,
            reason="coercion-changes-values" if count else None,
            metric="failing-rows",
            value=count,
            limit=0,
            bound=Bound.AT_MOST,
            n=n,
            message=(
                f"`{name}`: coercing to the schema's type would change {count:,} of {n:,} values."
                if count
                else f"`{name}`: coercing to the schema's type changes no value."
            ),
            advice="Store the column with the schema's type, or require the type that it has." if count else None,
        )


def has_values_checks(filled: Iterable[tuple[str, int]], n: int) -> Iterator[Check]:
    """Check that a nullable column holds any value at all: one without meets every rule about values.

    Args:
        filled: nullable columns with their number of rows that have a value.
        n: rows of the table.
    """
    for name, count in filled:
        yield Check(
            id=check_id("has-values", name),
            status=Status.PASSED if count else Status.FAILED,
            reason=None if count else "all-null",
            metric="rows-with-value",
            value=count,
            limit=1,
            bound=Bound.AT_LEAST,
            n=n,
            message=(
                f"`{name}` has a value in {count:,} of {n:,} rows."
                if count
                else f"`{name}` is empty: none of {n:,} rows has a value."
            ),
            advice=None if count else "Find out why the column is empty.",
        )


def columns_checks(columns: int, source: str, n: int) -> Iterator[Check]:
    """Check that the schema is about this table: one whose columns are all optional is about none without them."""
    if not columns:
        yield Check(
            id="columns",
            status=Status.FAILED,
            reason="no-column-in-common",
            metric="columns",
            value=0,
            limit=1,
            bound=Bound.AT_LEAST,
            n=n,
            message=f"The table has none of the columns of {source}.",
            advice="Compare the column names; check that this is the right table.",
        )


def freshness_check(column: str, youngest: datetime | None, now: datetime, hours: float, n: int) -> Check:
    """Check that the latest time in a column is not too long ago, and not in the future.

    Args:
        youngest: in UTC without a time zone, None if the column holds no time.
        now: in UTC without a time zone.
    """
    age = None if youngest is None else (now - youngest).total_seconds() / 3600
    passed = age is not None and 0 <= age <= hours
    found = "it holds no time" if age is None else f"the latest time is {abs(age):.1f} hours "
    found += "" if age is None else "ago" if age >= 0 else "in the future"
    return Check(
        id=check_id("fresh", column),
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "no-time" if age is None else "stale" if age > hours else "in-the-future",
        metric="age-in-hours",
        value=age,
        limit=hours,
        bound=Bound.AT_MOST,
        option=("freshness", column),
        n=n,
        message=f"`{column}`: {found} (at most {hours:g} hours).",
        advice=None if passed else "Check that the data still arrive and that their clock is right (UTC).",
    )


def row_change_check(n: int, before: int, maximum: float) -> Check:
    """Check that the number of rows has not changed by more than a share since the last accepted data."""
    share = abs(n - before) / before if before else math.inf
    passed = share <= maximum
    return Check(
        id="row-change",
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "row-count-changed",
        metric="rows",
        value=n,
        baseline=before,
        limit=maximum,
        bound=Bound.CHANGE,
        option=("maximum-row-change",),
        n=n,
        message=f"{n:,} rows, {_than(n, before)} (at most a {100 * maximum:.4g} % change).",
        advice=(
            None if passed else "Find out what was added or lost; if it is right, accept these data as the baseline."
        ),
    )


def _than(n: int, before: int) -> str:
    """Say how a number of rows stands to an earlier one."""
    if n == before:
        return "as before"
    share = f"{percent(abs(n - before) / before)} " if before else ""
    return f"{share}{'more' if n > before else 'fewer'} than the {before:,} before"
