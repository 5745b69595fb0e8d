"""Shares of rows, of which every row was looked at, held to a limit. Pure."""

from __future__ import annotations

from cd4ml.report import Bound, Check, Status, percent


def within_limit_check(
    id: str,
    found: int,
    rows: int,
    *,
    unknown: int = 0,
    limit: float,
    option: str,
    reason: str,
    told: str,
    gaps: str = "",
    advice: str,
    gaps_advice: str = "Fill in the missing values, or take these rows out of both tables.",
) -> Check:
    """Check that a share of rows is within its limit; rows that cannot be judged leave it open, if they could break it.

    Args:
        found: rows that break the rule.
        rows: all of them.
        unknown: others of them that may break it as well, for all that missing values let one know.
        told: what was found, up to the limit.
        gaps: which values are missing, as a sentence.
        advice, gaps_advice: what to do about rows that break the rule, and about missing values that leave it open.
    """
    share = found / rows
    status = Status.PASSED if share <= limit else Status.FAILED
    if status is Status.PASSED and (found + unknown) / rows > limit:
        status, reason, advice = Status.INCONCLUSIVE, "missing-values", gaps_advice
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
        message=f"{told} (at most {percent(limit)} of the rows).{' ' if gaps else ''}{gaps}",
        advice=None if status is Status.PASSED else advice,
    )
