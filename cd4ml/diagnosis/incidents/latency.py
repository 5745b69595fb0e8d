"""Incident A: latency explodes with the size of the input. Large requests break the limit, smaller ones do not so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from cd4ml.data.tables import by_name
from cd4ml.diagnosis.incidents.events import Events, requests
from cd4ml.diagnosis.incidents.metrics import DURATION, Metrics
from cd4ml.diagnosis.incidents.values import Values
from cd4ml.metrics.statistics.intervals import newcombe, wilson
from cd4ml.metrics.statistics.proportion import ONE_SIDED, Bounds
from cd4ml.report import Interval
from cd4ml.report.diagnosis import Answer, Change, Evidence, Incident, Judged

# The share of requests that may be slower than the limit of a 99th percentile.
_MAY: Final = 0.01
# Two-sided confidence whose bounds are one-sided ones of 95 % each.
_BOTH: Final = 2 * ONE_SIDED - 1
# With no slow request among so many, at most 1 % are slow.
_ENOUGH: Final = 268
# Of fewer requests of a size nothing is said.
_FEWEST: Final = 10
_THIS: Final = Incident.LATENCY
_SIZES: Final = {"rows": ("MAX_ROWS", 1000), "characters": ("BODY_BYTES", 1024 * 1024)}


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What 99 of 100 requests may take.

    Attributes:
        source: who says so.
    """

    milliseconds: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Requests of one order of magnitude.

    Attributes:
        slow: those beyond the limit, of `n`.
        median: of their milliseconds.
    """

    smallest: int
    largest: int
    n: int
    slow: int
    median: float

    def bounds(self, groups: int) -> Bounds:
        """Return the bounds of the share of slow ones: one-sided, all of so many groups at once."""
        return wilson(self.slow, self.n, 1 - (1 - _BOTH) / groups)


def judge(events: Events | None, metrics: Metrics | None, values: Values | None, limit: Limit) -> Judged:
    """Say whether latency grows with the input beyond the limit."""
    counted = _counted(metrics, limit)
    if events is None:
        return _without_events(metrics, counted, limit)
    asked = requests(events)
    if asked.is_empty():
        lacking = "answered requests with their latency in the events"
        return Judged(incident=_THIS, answer=Answer.CANNOT_TELL, told="no request is known", lacking=[lacking])
    slow = int((asked["latency_ms"] > limit.milliseconds).sum())
    evidence = [_overall(slow, len(asked), events.place, limit)]
    sizes = {size: groups for size in _SIZES if len(groups := _groups(asked, size, limit)) > 1}
    for size, groups in sizes.items():
        if beyond := _beyond(groups):
            evidence += [_of_group(one, size, events.place, len(groups), limit) for one in groups]
            return _found(groups, beyond, size, values, limit, [*evidence, *_contradicting(counted)])
    evidence += [
        _of_group(one, size, events.place, len(groups), limit) for size, groups in sizes.items() for one in groups
    ]
    answer, told, needed = _otherwise(sizes, slow, len(asked), limit)
    return Judged(incident=_THIS, answer=answer, told=told, evidence=[*evidence, *counted], lacking=needed)


def _beyond(groups: Sequence[Group]) -> list[Group]:
    """Return the groups of larger requests that break the limit, and do so more often than the smallest ones."""
    first, *larger = groups
    return [
        one
        for one in larger
        if one.n >= _FEWEST
        and one.bounds(len(groups)).lower > _MAY
        and newcombe((one.slow, one.n), (first.slow, first.n), 1 - (1 - _BOTH) / len(larger)).lower > 0
    ]


def _otherwise(
    sizes: Mapping[str, Sequence[Group]], slow: int, n: int, limit: Limit
) -> tuple[Answer, str, Sequence[str]]:
    """Return what to say where larger requests do not break the limit more often than small ones."""
    for size, groups in sizes.items():
        if rare := [one for one in groups if one.slow and one.n < _FEWEST]:
            told = f"{rare[-1].slow} of only {rare[-1].n} requests of {rare[-1].smallest:,} {size} and more are slow"
            return Answer.CANNOT_TELL, told, [f"at least {_FEWEST} requests of this size"]
    bounds = wilson(slow, n, _BOTH)
    if bounds.upper <= _MAY:
        return Answer.NOT_THIS, f"99 of 100 requests take at most {limit.milliseconds:g} ms, whatever their size", ()
    small = all(groups[0].bounds(1).lower > _MAY for groups in sizes.values())
    if bounds.lower > _MAY and small:
        return Answer.NOT_THIS, "requests are slow whatever their size: something else makes them slow", ()
    told = f"{slow:,} of {n:,} requests are slow, which is too few requests to tell"
    return Answer.CANNOT_TELL, told, [f"about {max(_ENOUGH, 2 * n):,} requests instead of {n:,}"]


def _found(
    groups: Sequence[Group],
    beyond: Sequence[Group],
    size: str,
    values: Values | None,
    limit: Limit,
    evidence: Sequence[Evidence],
) -> Judged:
    """Return that it is this, with how latency grows and the largest size that meets the limit."""
    first, last = groups[0], beyond[-1]
    power = math.log(last.median / max(first.median, 1e-3)) / math.log(last.largest / first.largest)
    told = (
        f"requests of {beyond[0].smallest:,} {size} and more break the limit of {limit.milliseconds:g} ms: "
        f"{last.median:,.3g} ms at {last.largest:,} {size}, {first.median:,.3g} ms at {first.largest:,} "
        f"(medians; about {size} to the power of {power:.1f})"
    )
    fine = groups[groups.index(beyond[0]) - 1]
    meets = fine.bounds(1).lower <= _MAY
    changes = _changes(size, fine.largest if meets else None, values)
    return Judged(incident=_THIS, answer=Answer.FOUND, told=told, evidence=evidence, changes=changes)


def _groups(asked: pl.DataFrame, size: str, limit: Limit) -> list[Group]:
    """Return the requests by order of magnitude of their size, ascending; those of size 0 are of none."""
    sized = asked.select(by_name.column(size).alias("size"), pl.col("latency_ms")).filter(pl.col("size") > 0)
    # 10 is of the first order, 11 of the second: round numbers are what callers send at most.
    order = (pl.col("size") - 0.5).log10().floor()
    grouped = (
        sized.group_by(order.alias("order"))
        .agg(
            pl.col("size").min().alias("smallest"),
            pl.col("size").max().alias("largest"),
            pl.len().alias("n"),
            (pl.col("latency_ms") > limit.milliseconds).sum().alias("slow"),
            pl.col("latency_ms").median().alias("median"),
        )
        .sort("order")
        .drop("order")
    )
    return [Group(**row) for row in grouped.iter_rows(named=True)]


def _changes(size: str, most: int | None, values: Values | None) -> list[Change]:
    """Return what to change: what the gateway takes at most, and how much a pod computes."""
    setting, default = _SIZES[size]
    place = values.place if values else "the chart's values file"
    changes = []
    if most is not None:
        now = values.text("env", setting) if values else None
        where = values.where("env", setting) if values else place
        told = f'"{most}", and larger tables in several requests'
        changes.append(Change(place=where, key=f"env.{setting}", now=now or f"{default} (default)", to=told))
    cpu = values.text("resources", "limits", "cpu") if values else None
    where = values.where("resources", "limits", "cpu") if values else place
    more = "more, or a faster model or runtime, if requests of this size must be answered"
    return [*changes, Change(place=where, key="resources.limits.cpu", now=cpu or "1 (default)", to=more)]


def _overall(slow: int, n: int, place: str, limit: Limit) -> Evidence:
    """Return how many requests are slow."""
    says = f"{slow:,} of {n:,} requests take more than {limit.milliseconds:g} ms ({limit.source}); 1 % may"
    return Evidence(says=says, source=place, value=slow / n, interval=_interval(wilson(slow, n, _BOTH), _BOTH))


def _of_group(group: Group, size: str, place: str, groups: int, limit: Limit) -> Evidence:
    """Return how slow the requests of one order of magnitude are."""
    sizes = f"{group.smallest:,}" if group.smallest == group.largest else f"{group.smallest:,} to {group.largest:,}"
    says = (
        f"{sizes} {size}: {group.slow:,} of {group.n:,} requests beyond {limit.milliseconds:g} ms, "
        f"median {group.median:,.3g} ms"
    )
    confidence = 1 - (1 - _BOTH) / groups
    return Evidence(
        says=says,
        source=place,
        value=group.slow / group.n,
        interval=_interval(group.bounds(groups), confidence),
    )


def _counted(metrics: Metrics | None, limit: Limit) -> list[Evidence]:
    """Return what the metrics say of slow requests, whatever their size."""
    found = metrics.slower(limit.milliseconds / 1000) if metrics else None
    if metrics is None or found is None:
        return []
    least, most, total = found
    slow = f"{most:,.0f}" if least == most else f"{least:,.0f} to {most:,.0f}"
    says = f"{slow} of {total:,.0f} requests take more than {limit.milliseconds:g} ms"
    bounds = _interval(wilson(most, total, _BOTH), _BOTH)
    return [Evidence(says=says, source=f"{metrics.place}, {DURATION}", value=most / total, interval=bounds)]


def _contradicting(counted: Sequence[Evidence]) -> list[Evidence]:
    """Return what the metrics say, as a contradiction where they show that 1 % at most are slow."""
    return [replace(one, contradicts=one.interval is not None and one.interval.upper <= _MAY) for one in counted]


def _without_events(metrics: Metrics | None, counted: Sequence[Evidence], limit: Limit) -> Judged:
    """Say what metrics alone tell: not which requests were slow, but that none was."""
    found = metrics.slower(limit.milliseconds / 1000) if metrics else None
    if found and not found[1] and found[2] >= _ENOUGH:
        told = f"none of {found[2]:,.0f} requests took more than {limit.milliseconds:g} ms"
        return Judged(incident=_THIS, answer=Answer.NOT_THIS, told=told, evidence=counted)
    told = "only events say how large a slow request was: metrics count latency and rows apart"
    lacking = ["events were not given, or could not be read"]
    return Judged(incident=_THIS, answer=Answer.CANNOT_TELL, told=told, evidence=counted, lacking=lacking)


def _interval(bounds: Bounds, confidence: float) -> Interval:
    """Return bounds as reports have them."""
    return bounds.named(round(confidence, 6), "Wilson")
