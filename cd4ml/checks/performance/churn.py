"""Decisions that change against production -> checks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cd4ml.checks.performance import threshold
from cd4ml.metrics.performance.churn import Churn, ShareOfRows
from cd4ml.report import Bound, Check, Interval, Status, percent

# Slices that a message names.
_MOST_NAMED: Final = 3
_ADVICE: Final = {
    "churn": "Look at the rows that are decided differently, or allow more churn in a reviewed change.",
    "breaks": "Find the rows that the candidate gets wrong and production does not.",
}


def churn_checks(
    whole: Churn, parts: Sequence[tuple[str, Churn]], *, maximum_churn: float | None, maximum_breaks: float | None
) -> Iterator[Check]:
    """Check the shares that have a limit.

    Args:
        parts: the churn of each declared slice, by the slice's name.
    """
    if maximum_churn is not None:
        split = f"{whole.fixes.rows:,} of these rows are fixed, {whole.breaks.rows:,} are broken"
        shares = {name: part.changed for name, part in parts}
        yield _check(
            "churn", whole.changed, maximum_churn, whole.n, "are decided differently than in production", shares, split
        )
    if maximum_breaks is not None:
        shares = {name: part.breaks for name, part in parts}
        yield _check("breaks", whole.breaks, maximum_breaks, whole.n, "are wrong where production is right", shares)


def _rows(share: ShareOfRows) -> str:
    """Return a share of the rows, for people."""
    return f"{share.rows:,} rows ({percent(share.share, 2)})"


def _check(
    name: str,
    found: ShareOfRows,
    limit: float,
    n: int,
    told: str,
    slices: Mapping[str, ShareOfRows],
    split: str = "",
) -> Check:
    """Return the check of a share.

    Args:
        told: what is so of these rows.
        split: what they consist of.
    """
    passed = threshold.at_most(found.share, limit)
    more = f"; {split}" if split else ""
    message = f"{_rows(found)} {told} (at most {limit * 100:g} %){more}.{_between(found.interval)}"
    return Check(
        id=f"maximum-{name}",
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "above-maximum",
        metric=name,
        value=found.share,
        interval=found.interval,
        limit=limit,
        bound=Bound.AT_MOST,
        option=(f"maximum-{name}",),
        n=n,
        message=message + _carried(found, slices),
        advice=None if passed else _ADVICE[name],
    )


def _between(interval: Interval | None) -> str:
    """Return the interval of a share as a sentence, empty if there is none."""
    if interval is None:
        return ""
    return f" {interval.confidence * 100:g} % interval: {percent(interval.lower, 2)} to {percent(interval.upper, 2)}."


def _carried(found: ShareOfRows, slices: Mapping[str, ShareOfRows]) -> str:
    """Name the slices with the largest shares, if they lie above that of all rows."""
    above = [(name, part) for name, part in slices.items() if part.rows and part.share > found.share]
    above.sort(key=lambda one: -one[1].share)
    if not above:
        return ""
    named = ", ".join(f"{name} ({percent(part.share, 2)} of its rows)" for name, part in above[:_MOST_NAMED])
    return f" Most affected: {named}."
