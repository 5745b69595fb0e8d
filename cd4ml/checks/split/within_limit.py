"""Shares of rows, of which every row was looked at, held to a limit. Pure."""

from __future__ import annotations

from cd4ml.report import Bound, Check, Status, percent


def within_limit_check(
    id: str, found: int, rows: int, *, unknown: int, limit: float, option: str, reason: str, told: str, advice: str
) -> Check:
    """Check that a share of rows is within its limit; rows that cannot be judged leave it open, if they could break it.

    Args:
        found: rows that break the rule.
        rows: all of them.
        unknown: those of them with a missing value.
        told: what was found, up to the limit.
    """
    share = found / rows
    status = Status.PASSED if share <= limit else Status.FAILED
    if status is Status.PASSED and (found + unknown) / rows > limit:
        status, reason = Status.INCONCLUSIVE, "missing-values"
    said = f" {unknown:,} row{' has' if unknown == 1 else 's have'} no value there." if unknown else ""
    return Check(
        id=id,
        status=status,
        reason=None if status is Status.PASSED else reason,
        metric="share-of-rows",
        value=share,
        limit=limit,
        bound=Bound.AT_MOST,
        option=(option,),
        n=rows,
        message=f"{told} (at most {percent(limit)} of the rows).{said}",
        advice=None if status is Status.PASSED else advice,
    )
