"""Test rows that repeat other test rows -> checks. Pure."""

from __future__ import annotations

from cd4ml.checks.split.beyond_chance import beyond_chance_check, said_beyond
from cd4ml.metrics.split.overlap import CONFIDENCE, Duplicates
from cd4ml.report import Check, percent


def duplicates_check(found: Duplicates, *, limit: float) -> Check:
    """Check that no more test rows repeat another test row than training rows do: copies narrow every interval."""
    told = f"{percent(found.share)} of {found.rows:,} test rows equal another test row in all compared columns"
    chance = f"chance explains {percent(found.by_chance)}"
    if found.excess > 0:
        chance += f", and {said_beyond(found.excess, found.bounds, limit)}"
    effective = f" They count as {found.effective_rows:,.0f} rows." if found.effective_rows < found.rows else ""
    return beyond_chance_check(
        "duplicates",
        found.excess,
        found.bounds,
        repeating=found.by_chance > 0,
        limit=limit,
        option=("maximum-duplicates",),
        confidence=CONFIDENCE,
        reason="repeated-test-rows",
        advice="Keep one of each: metrics of repeated rows look more certain than they are.",
        metric="duplicates-beyond-chance",
        n=found.rows,
        message=f"{told}; {chance}.{effective}",
    )
