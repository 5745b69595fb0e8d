"""Test rows that stand in the training rows -> checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cd4ml.checks.split.beyond_chance import beyond_chance_check, said_beyond
from cd4ml.metrics.split.overlap import CONFIDENCE, Overlap
from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Check, percent

# Where so many training rows equal another one, that a test row does says nothing about where it comes from.
_LITTLE_INFORMATION: Final = 0.5
_ADVICE: Final = "Remove these rows from one of the tables, and train or test again."


def overlap_check(found: Overlap, *, conflicts: int, limit: float, features: int, aside: Sequence[str] = ()) -> Check:
    """Check that no more test rows have the features of a training row than chance explains.

    Args:
        conflicts: test rows that equal a training row in all features, but none of those has their label.
        features: how many columns are compared.
        aside: columns that are not, although a table has them.
    """
    equal = f"equal a training row in all {features:,} compared columns"
    equal += f", {conflicts:,} of them with another label" if conflicts else ""
    left_out = f" Not compared: {', '.join(f'`{name}`' for name in aside)}." if aside else ""
    return _check("overlap", found, found.bounds(), equal, limit=limit, option="maximum-overlap", more=left_out)


def near_overlap_check(found: Overlap, *, limit: float, features: int) -> Check:
    """Check that no more test rows nearly equal a training row than chance explains; exactly equal ones do not count.

    Args:
        features: how many columns are compared.
    """
    equal = f"nearly equal a training row in all {features:,} compared columns (rounded numbers, case, spaces)"
    return _check("near-overlap", found, found.bounds(), equal, limit=limit, option="maximum-near-overlap")


def all_but_one_overlap_check(by_column: Mapping[str, Overlap], *, limit: float) -> Check:
    """Check that no more test rows equal a training row in all columns but a certain one than chance explains.

    The column is the one for which that is most certain, or if it is for none, the one that has most such rows. All of
    them were tried, which the interval takes into account.

    Args:
        by_column: test rows that nearly equal a training row in all other columns, and not in this one.
    """
    confidence = 1 - (1 - CONFIDENCE) / len(by_column)
    bounds = {name: found.bounds(confidence) for name, found in by_column.items()}
    name = max(bounds, key=lambda one: (bounds[one].lower, by_column[one].excess))
    if bounds[name].lower <= 0:
        name = max(by_column, key=lambda one: (max(0.0, by_column[one].excess), by_column[one].found))
    but = f"but `{name}`" if by_column[name].found else "but one, whichever is left out"
    equal = f"nearly equal a training row in all columns {but}"
    rule, option = "all-but-one-overlap", "maximum-near-overlap"
    return _check(
        rule,
        by_column[name],
        bounds[name],
        equal,
        limit=limit,
        option=option,
        confidence=confidence,
        repeating=any(one.by_chance > 0 for one in by_column.values()),
    )


def _check(
    id: str,
    found: Overlap,
    bounds: Bounds,
    equal: str,
    *,
    limit: float,
    option: str,
    confidence: float = CONFIDENCE,
    more: str = "",
    repeating: bool = False,
) -> Check:
    """Return the check of one way to be equal.

    Args:
        repeating: whether training rows equal each other in ways that are looked at beside this one.
    """
    little = found.by_chance >= _LITTLE_INFORMATION
    chance = f"chance explains {percent(found.by_chance)}"
    if little:
        chance += ", so equal rows say nothing of where they come from"
    elif found.excess > 0:
        chance += f", and {said_beyond(found.excess, bounds, limit)}"
    sampled = f"In a sample of one row in {found.every:,}, chosen by content, " if found.every > 1 else ""
    told = f"{sampled}{found.found:,} of {found.rows:,} test rows ({percent(found.share)}) {equal}; {chance}.{more}"
    return beyond_chance_check(
        id,
        found.excess,
        bounds,
        repeating=repeating or found.by_chance > 0,
        limit=limit,
        option=(option,),
        confidence=confidence,
        reason="test-rows-in-training",
        advice=_ADVICE,
        remark="little-information" if little else None,
        metric=f"{id}-beyond-chance",
        n=found.rows,
        message=told,
    )
