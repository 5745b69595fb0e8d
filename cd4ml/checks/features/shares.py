"""Shares of sampled entities, held to a limit: one found decides, and none found among few does not. Pure."""

from __future__ import annotations

from typing import Final

from cd4ml.metrics.features.scale import Scale
from cd4ml.metrics.statistics.proportion import ONE_SIDED, quantile, score_interval
from cd4ml.report import Bound, Check, Status, percent

# Two-sided, so that each bound alone has the confidence of a decision.
_CONFIDENCE: Final = 2 * ONE_SIDED - 1


def share_check(
    id: str,
    found: int,
    n: int,
    *,
    limit: float,
    minimum: int,
    option: str,
    reason: str,
    told: str,
    advice: str,
) -> Check:
    """Check that a share of entities is within its limit.

    It fails if the lower bound of its interval lies above the limit: of a limit of 0, as soon as one is found.

    Args:
        found: entities that break the rule, among those sampled.
        n: entities that were sampled.
        minimum: below which nothing that was not found is known to be absent.
        told: what was found, up to the limit.
    """
    bounds = score_interval(found, n, quantile(_CONFIDENCE)) if n else None
    if bounds is not None and bounds.lower > limit:
        status = Status.FAILED
    elif n < minimum:
        status, reason = Status.INCONCLUSIVE, "too-few-entities"
        advice = f"At least {minimum:,} entities are needed; lower minimum-entities if there are no more."
    elif found > limit * n:
        status, reason = Status.INCONCLUSIVE, "limit-in-interval"
        advice = "Raise sample-size: the share lies above the limit, and may do so by chance."
    else:
        status = Status.PASSED
    passed = status is Status.PASSED
    return Check(
        id=id,
        status=status,
        reason=None if passed else reason,
        metric="share-of-entities",
        value=found / n if n else None,
        interval=None if bounds is None else bounds.named(_CONFIDENCE, "wilson"),
        limit=limit,
        bound=Bound.AT_MOST,
        option=(option,),
        n=n,
        message=f"{told} (at most {percent(limit)}).",
        advice=None if passed else advice,
    )


def scaled(told: str, scale: Scale | None) -> str:
    """Return what was found, with the unit that explains it if there is one."""
    return told if scale is None else f"{told}; {percent(scale.share)} of those that differ have {scale.told}"


def late_features_check(late: int, rows: int, *, timestamp: str, label: str, limit: float) -> Check:
    """Check that no feature is later than its label: every row is looked at, so that no interval is needed.

    Args:
        late: rows whose moment is later than the time of their label, or whose label has no time.
    """
    share = late / rows
    passed = share <= limit
    return Check(
        id="late-features",
        status=Status.PASSED if passed else Status.FAILED,
        reason=None if passed else "feature-after-label",
        metric="share-of-rows",
        value=share,
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-late-features",),
        n=rows,
        message=f"`{timestamp}` is later than `{label}`, or that is missing, in {late:,} of {rows:,} rows "
        f"(at most {percent(limit)} of the rows).",
        advice=None if passed else "Take the value that was known then: a model in production will have no other.",
    )
