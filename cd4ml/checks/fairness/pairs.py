"""The ratio of every two groups against production's, and a limit -> the check of a feature. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cd4ml.checks.fairness.decision import LEVEL, Limits, decide, exactly
from cd4ml.checks.fairness.limits import between
from cd4ml.metrics.fairness.pair_changes import PairChange
from cd4ml.report import Bound, Check, Interval, Status, as_set, chance, fixed
from cd4ml.report.ids import group_id

METRIC: Final = "pair-ratio"


def pair_drop_check(feature: str, pairs: Sequence[PairChange], p_values: Sequence[float], limits: Limits) -> Check:
    """Decide whether the ratio of any two groups fell too far below production's.

    Args:
        pairs: at least one.
        p_values: of the hypotheses that each ratio fell by the limit at most, adjusted for the family of tests.
    """
    limit = limits.maximum_pair_drop
    assert limit is not None
    told, p_value = _that_decides(pairs, p_values)
    beyond = _is_beyond(told, limit)
    status, reason = decide(
        limits.decision,
        beyond="above-maximum" if beyond else "",
        shown_beyond=p_value < LEVEL and told.n >= limits.minimum_group_size,
        small=min(pair.n for pair in pairs) < limits.minimum_group_size,
        shown_within=all(_is_shown_within(pair, limit) for pair in pairs),
    )
    candidate, production = fixed(told.candidate, told.production), fixed(told.production, told.candidate)
    sure = f" {'Chance does not explain it' if p_value < LEVEL else 'Could be chance'} ({chance(p_value)})."
    return Check(
        id=group_id("pair-drop", feature),
        status=status,
        reason=reason or None,
        metric=METRIC,
        value=told.candidate,
        baseline=told.production,
        interval=told.interval,
        limit=limit,
        bound=Bound.DECREASE,
        option=("maximum-pair-drop", feature),
        slice={feature: told.lower},
        n=told.n,
        message=f"{feature}: the ratio of {told.lower} to {told.higher} is {candidate}, production's of these groups "
        f"{production} on the same rows (at most {as_set(limit, abs(told.drop))} below is allowed)."
        f"{_between(told.interval)}{sure if beyond else ''}",
        advice=_ADVICE[reason],
    )


def _that_decides(pairs: Sequence[PairChange], p_values: Sequence[float]) -> tuple[PairChange, float]:
    """Return the pair that is shown to have lost most; if none is shown, the one that lost most."""
    both = list(zip(pairs, p_values, strict=True))
    shown = [one for one in both if one[1] < LEVEL]
    return max(shown or both, key=lambda one: one[0].drop)


def _is_beyond(pair: PairChange, limit: float) -> bool:
    """Whether the ratio fell by more than the limit; rounding of binary fractions does not count."""
    return pair.drop > float(exactly(limit)) + 1e-12


def _is_shown_within(pair: PairChange, limit: float) -> bool:
    """Whether the rows show that the ratio did not fall by more than the limit."""
    if pair.interval is None:
        return pair.changed == 0
    return pair.interval.lower >= -limit


def _between(interval: Interval | None) -> str:
    """Say how sure the change is, in a sentence of its own."""
    return "" if interval is None else f" The change:{between(interval)}"


_ADVICE: Final[dict[str, str | None]] = {
    "": None,
    "above-maximum": "Find the rows of these groups that the two models decide differently.",
    "not-shown": "Use more test rows of these groups; four times as many halve the interval.",
    "group-too-small": "Use more test rows of the smallest group.",
}


def no_pair_check(feature: str, n: int, limits: Limits, why: str) -> Check:
    """Return the check for a feature whose pairs of groups cannot be compared with production's."""
    return Check(
        id=group_id("pair-drop", feature),
        status=Status.ERROR,
        reason="no-production-ratio",
        metric=METRIC,
        limit=limits.maximum_pair_drop,
        bound=Bound.DECREASE,
        option=("maximum-pair-drop", feature),
        n=n,
        message=f"The change of {feature}'s pairs of groups cannot be computed: {why}.",
        advice="score-model writes production_y_pred; remove maximum-pair-drop for a first release.",
    )
