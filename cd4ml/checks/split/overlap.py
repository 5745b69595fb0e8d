"""Test rows that stand in the training rows -> checks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.metrics.split.overlap import CONFIDENCE, Overlap
from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Bound, Check, Interval, Status, percent

# Where so many training rows equal another one, that a test row does says nothing about where it comes from.
_LITTLE_INFORMATION: Final = 0.5
_METHOD: Final = "newcombe-good-turing"


def overlap_check(found: Overlap, *, conflicts: int, limit: float, features: int, aside: Sequence[str] = ()) -> Check:
    """Check that no more test rows have the features of a training row than chance explains.

    It fails if the share beyond chance is certain to be above the limit, and is inconclusive if there is such a share
    and only its size is in doubt.

    Args:
        conflicts: test rows that equal a training row in all features, but none of those has their label.
        features: how many columns are compared.
        aside: columns that are not, although a table has them.
    """
    bounds = found.bounds()
    status = status_of(found.excess, bounds, limit)
    reason = "test-rows-in-training" if status is not Status.PASSED else None
    if reason is None and found.train.repeated >= _LITTLE_INFORMATION:
        reason = "little-information"
    return Check(
        id="overlap",
        status=status,
        reason=reason,
        metric="overlap-beyond-chance",
        value=found.excess,
        interval=Interval(lower=bounds.lower, upper=bounds.upper, confidence=CONFIDENCE, method=_METHOD),
        limit=limit,
        bound=Bound.AT_MOST,
        option=("maximum-overlap",),
        n=found.rows,
        message=_message(found, bounds, conflicts=conflicts, limit=limit, features=features, aside=aside),
        advice=(
            None if status is Status.PASSED else "Remove these rows from one of the tables, and train or test again."
        ),
    )


def status_of(value: float, bounds: Bounds, limit: float) -> Status:
    """Return the verdict on a share beyond what chance explains."""
    if value <= limit or bounds.lower <= 0:
        return Status.PASSED
    return Status.FAILED if bounds.lower > limit else Status.INCONCLUSIVE


def _message(
    found: Overlap, bounds: Bounds, *, conflicts: int, limit: float, features: int, aside: Sequence[str]
) -> str:
    """Say how many rows overlap, and how many would by chance."""
    told = (
        f"{found.found:,} of {found.rows:,} test rows ({percent(found.share)}) equal a training row in all "
        f"{features:,} compared columns"
    )
    told += f", {conflicts:,} of them with another label" if conflicts else ""
    chance = f"chance explains {percent(found.train.repeated)}"
    if found.train.repeated >= _LITTLE_INFORMATION:
        chance += ", so rows of so little information say nothing of their origin"
    elif found.found:
        chance += (
            f", and {percent(found.excess)} ({percent(bounds.lower)} to {percent(bounds.upper)}) is beyond it "
            f"(at most {percent(limit)})"
        )
    left_out = f" Not compared: {', '.join(f'`{name}`' for name in aside)}." if aside else ""
    return f"{told}; {chance}.{left_out}"
