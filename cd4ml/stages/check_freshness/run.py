"""Decide whether tables are as fresh as they must be: the pipeline that stalled is found before its readers notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cd4ml.checks.data.remarks import remarked
from cd4ml.checks.freshness.schedule import due, on_time_check, overdue_at, overrun_check
from cd4ml.checks.freshness.stamp import age_check, rows_check, stamp_check
from cd4ml.context import Context
from cd4ml.data.tables.places import addresses
from cd4ml.metrics.freshness.overrun import overrun
from cd4ml.report import Check, Report, Status, headline
from cd4ml.report.ids import table_id
from cd4ml.stages.check_freshness import prometheus
from cd4ml.stages.check_freshness.options import Options, Plan, plan
from cd4ml.stages.check_freshness.runs import Present, by_commits, by_table
from cd4ml.stages.check_freshness.stamp import Written, written
from cd4ml.writing import result, write_atomically

STAGE: Final = "check-freshness"
# What says of a table that it is not as new as it must be; an overrun is about one that will not be.
_STALE: Final = frozenset({"empty-table", "no-stamp", "in-the-future", "stale", "deadline-missed"})


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found of a table."""

    name: str
    found: Written
    checks: list[Check]
    overdue: datetime | None


def run(options: Options, context: Context) -> Report:
    """Look at every table. Their rows are not hashed: nothing is read but stamps and numbers of rows.

    Raises:
        OptionsError: options contradict each other or decide nothing, or a column is missing or holds no times.
        UnavailableError: a table is not there, or its engine does not answer.
    """
    declared = plan(options)
    target = None
    if options.textfile:
        endings, ours = (".prom",), prometheus.is_ours
        target = result("textfile", options.textfile, context.environ, endings=endings, ours=ours)
    judged = []
    for name in options.table:
        context.progress(f"Looking at {_public(name)}")
        found = written(name, options, context.checkout)
        judged.append(judge(_public(name), found, options, declared, datetime.now(UTC)))
    if target:
        write_atomically(target, prometheus.text([_seen(one) for one in judged], datetime.now(UTC)))
    return remarked(_report(judged), options.reading)


def judge(name: str, found: Written, options: Options, declared: Plan | None, now: datetime) -> Judged:
    """Decide on a table."""
    checks = [rows_check(found.rows), stamp_check(found.stamp, found.where, now)]
    overdue = None
    if found.stamp is not None and checks[1].status is Status.PASSED:
        checks += _of_stamp(found.stamp, found, options, declared, now)
        overdue = _overdue(found.stamp, options, declared)
    return Judged(name=name, found=found, checks=checks, overdue=overdue)


def _of_stamp(
    stamp: datetime, found: Written, options: Options, declared: Plan | None, now: datetime
) -> Iterator[Check]:
    """Yield the checks of a stamp that can be believed."""
    if options.maximum_age is not None:
        yield age_check(stamp, now, options.maximum_age)
    if declared is None:
        return
    owed = due(declared.schedule, declared.deadline, now)
    yield on_time_check(stamp, owed)
    if owed.pending is not None and stamp < owed.pending:
        if options.runs:
            present = by_table(options.runs, owed, now, options.reading)
        else:
            present = by_commits(found.commits, declared.schedule, owed, now)
        if present is not None:
            yield _overrun(present, options)


def _overrun(present: Present, options: Options) -> Check:
    """Return the check of the run that is to write the table next."""
    elapsed, allowed = present.elapsed, present.allowed
    seen = overrun(present.durations, elapsed=elapsed, allowed=allowed)
    return overrun_check(seen, elapsed=elapsed, allowed=allowed, most=options.maximum_overrun_chance)


def _overdue(stamp: datetime, options: Options, declared: Plan | None) -> datetime:
    """Return when a table with this stamp is overdue, unless it is written again."""
    limits = [] if declared is None else [overdue_at(declared.schedule, declared.deadline, stamp)]
    limits += [] if options.maximum_age is None else [stamp + timedelta(hours=options.maximum_age)]
    return min(limits)


def _seen(one: Judged) -> prometheus.Seen:
    """Return what Prometheus is told of a table."""
    fresh = all(check.status is Status.PASSED for check in one.checks)
    return prometheus.Seen(table=one.name, stamp=one.found.stamp, overdue=one.overdue, fresh=fresh)


def _report(judged: list[Judged]) -> Report:
    """Return the report of all tables."""
    checks = [
        replace(check, id=table_id(check.id, one.name)) if len(judged) > 1 else check
        for one in judged
        for check in one.checks
    ]
    stale = any(check.reason in _STALE for check in checks)
    names = ", ".join(one.name for one in judged)
    return Report(
        stage=STAGE,
        checks=checks,
        summary=headline(checks) or f"{names}: as fresh as {'it' if len(judged) == 1 else 'they'} must be.",
        metrics={"tables": {one.name: _numbers(one) for one in judged}},
        outputs={"stale": str(stale).lower()},
    )


def _numbers(one: Judged) -> dict[str, Any]:
    """Return what the report says of a table."""
    stamp, overdue = one.found.stamp, one.overdue
    return {
        "rows": one.found.rows,
        "stamp": stamp.isoformat() if stamp else None,
        "stamp_from": one.found.where,
        "overdue_at": overdue.isoformat() if overdue else None,
    }


def _public(name: str) -> str:
    """Return a table's name without what may be secret in its address."""
    return addresses.public(name) if addresses.is_address(name) else name
