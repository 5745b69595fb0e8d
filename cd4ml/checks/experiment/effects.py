"""Effects of a variant against the control -> checks, and which variant they speak for. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cd4ml.report import Bound, Check, Interval, Status, as_set, chance, fixed, percent, worst
from cd4ml.report.ids import check_id


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A metric of a variant against the control's.

    Attributes:
        value, control: estimates, in the units of the metric.
        interval: of value - control, at the confidence of the decision.
        p_value: of no difference, corrected for all variants and metrics that decide.
        lower_is_better: whether a decrease is an improvement.
        reduction: share of the variance that the covariate took away, None without one.
        effect: the smallest one that matters; None if none was declared.
        units, needed: units of the experiment so far, and those that would show `effect`, or else the one observed,
            with 80 % power; None if no number would.
        days: that the units so far took, None if that is unknown.
    """

    metric: str
    variant: str
    value: float
    control: float
    interval: Interval
    p_value: float
    n: int
    tests: int
    lower_is_better: bool = False
    reduction: float | None = None
    effect: float | None = None
    units: int
    needed: int | None = None
    detectable: float
    days: float | None = None

    @property
    def difference(self) -> float:
        """The variant's estimate less the control's."""
        return self.value - self.control

    @property
    def gain(self) -> Interval:
        """The interval of the improvement: of the difference, or of its negative where less is better."""
        if not self.lower_is_better:
            return self.interval
        return replace(self.interval, lower=-self.interval.upper, upper=-self.interval.lower)


def effect_check(found: Effect, alpha: float) -> Check:
    """Decide whether a variant is better: passed if it is shown to be, failed if it is shown to be worse."""
    better = (found.difference < 0) if found.lower_is_better else (found.difference > 0)
    shared = _shared("effect", found)
    corrected = f" after Holm's correction for {found.tests} tests" if found.tests > 1 else ""
    words = f"{_told(found)} {chance(found.p_value)}{corrected}."
    if found.p_value <= alpha and not better:
        advice = "Keep the control."
        return Check(
            **shared, status=Status.FAILED, reason="worse", message=f"{words} The variant is worse.", advice=advice
        )
    if found.effect is not None and found.gain.upper < found.effect:
        return Check(
            **shared,
            status=Status.FAILED,
            reason="below-minimum-effect",
            message=f"{words} An improvement of {as_set(found.effect)} is ruled out.",
            advice="Keep the control, or look for a smaller effect in a larger experiment.",
        )
    if found.p_value <= alpha:
        return Check(**shared, status=Status.PASSED, message=f"{words} The variant is better.")
    return Check(
        **shared,
        status=Status.INCONCLUSIVE,
        reason="no-difference-shown",
        message=f"{words} No difference is shown.",
        advice=_still_needed(found),
    )


def guardrail_check(found: Effect, limit: float) -> Check:
    """Decide whether a metric is shown to lose less than its limit.

    Args:
        limit: largest loss that is allowed, in the units of the metric, at least 0.
    """
    shared = _shared("guardrail", found) | {
        "limit": limit,
        "bound": Bound.INCREASE if found.lower_is_better else Bound.DECREASE,
        "option": ("guardrails", found.metric),
    }
    words = f"{_told(found)} It may {'rise' if found.lower_is_better else 'fall'} by less than {as_set(limit)}"
    if found.gain.lower > -limit:
        return Check(**shared, status=Status.PASSED, message=f"{words}, and does.")
    if found.gain.upper < -limit:
        return Check(
            **shared,
            status=Status.FAILED,
            reason="guardrail-broken",
            message=f"{words}, and is shown to lose more.",
            advice="Keep the control, and find out what the variant costs here.",
        )
    return Check(
        **shared,
        status=Status.INCONCLUSIVE,
        reason="loss-not-ruled-out",
        message=f"{words}; a larger loss is not ruled out.",
        advice=_still_needed(found),
    )


def unreadable_check(metric: str, reason: str, told: str, advice: str, *variant: str) -> Check:
    """Return the check of a metric whose values do not allow to read it, for all variants or for one."""
    return Check(
        id=check_id("values", metric, *variant),
        status=Status.FAILED,
        reason=reason,
        metric=metric,
        message=f"{metric}: {told} The metric was not read.",
        advice=advice,
    )


def covariate_check(metric: str, covariate: str, variant: str, p_value: float) -> Check:
    """Return the check of a covariate that differs between variants: it is not one of the time before."""
    return Check(
        id=check_id("covariate", metric, variant),
        status=Status.FAILED,
        reason="covariate-differs",
        metric=metric,
        value=p_value,
        message=f"{metric}: its covariate {covariate} differs between {variant} and the control ({chance(p_value)}), "
        "which values of the time before the experiment do not. The metric was not read.",
        advice="Take a covariate that was measured before any unit was assigned.",
    )


def few_outcomes_check(metric: str, variant: str, fewest: int, least: int) -> Check:
    """Return the check of a proportion with too few ones, or zeros, for its interval to hold."""
    return Check(
        id=check_id("effect", metric, variant),
        status=Status.INCONCLUSIVE,
        reason="too-few-outcomes",
        metric=metric,
        value=fewest,
        limit=least,
        bound=Bound.AT_LEAST,
        message=f"{metric}: only {fewest:,} units of {variant} or of the control have the rarer outcome; "
        f"{least} are needed.",
        advice="Wait for more units.",
    )


def few_beyond_check(metric: str, variant: str, share: float, fewest: int) -> Check:
    """Return the check of a quantile beyond which there are too few units to say how certain it is."""
    return Check(
        id=check_id("effect", metric, variant),
        status=Status.INCONCLUSIVE,
        reason="too-few-units-beyond-quantile",
        metric=metric,
        n=fewest,
        message=f"{metric}: {fewest:,} units of {variant} or of the control are too few for the quantile {share:g}: "
        "hardly any lie beyond it.",
        advice="Wait for more units, or take a quantile nearer to the middle.",
    )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the checks of all variants come to.

    Attributes:
        verdicts: worst status by variant.
        winner: the variant that is shown better in every metric and safe on every guardrail, "" if there is none.
        checks: those that decide: of the winner; else of the variants that may still win; else of all.
    """

    verdicts: Mapping[str, Status]
    winner: str
    checks: Sequence[Check]


def choose(by_variant: Mapping[str, Sequence[Check]], gains: Mapping[str, float]) -> Choice:
    """Choose a variant: a loser among several does not fail the experiment while another one wins or may win.

    Args:
        gains: improvement of the first metric by variant, which decides between several winners.
    """
    verdicts = {name: worst(check.status for check in checks) for name, checks in by_variant.items()}
    won = [name for name, verdict in verdicts.items() if verdict is Status.PASSED]
    winner = max(won, key=lambda name: gains.get(name, -math.inf)) if won else ""
    still = [name for name, verdict in verdicts.items() if verdict is Status.INCONCLUSIVE]
    deciding = [winner] if winner else still or list(by_variant)
    checks = [check for name in deciding for check in by_variant[name]]
    return Choice(verdicts=verdicts, winner=winner, checks=checks)


def _shared(rule: str, found: Effect) -> dict[str, Any]:
    """Return what the checks of an effect have in common."""
    return {
        "id": check_id(rule, found.metric, found.variant),
        "metric": found.metric,
        "value": found.value,
        "baseline": found.control,
        "interval": found.interval,
        "n": found.n,
    }


def _told(found: Effect) -> str:
    """Say what was found, in the units of the metric."""
    low, high = found.interval.lower, found.interval.upper
    relative = f", {100 * found.difference / abs(found.control):+.1f} %" if found.control else ""
    reduced = f" CUPED removed {percent(found.reduction)} of the variance." if found.reduction is not None else ""
    return (
        f"{found.metric}, {found.variant} against the control: {fixed(found.value, found.control)} against "
        f"{fixed(found.control, found.value)}, difference {_signed(found.difference)}{relative} "
        f"({found.interval.confidence * 100:g} % interval {_signed(low)} to {_signed(high)}, {found.interval.method})."
        f"{reduced}"
    )


def _signed(value: float) -> str:
    """Return a number with its sign, and with as many decimals as a small one needs."""
    if abs(value) >= 0.1 or not value:
        return f"{value:+,.4f}"
    return f"{value:+.{min(12, 2 - math.floor(math.log10(abs(value))))}f}"


def _still_needed(found: Effect) -> str:
    """Say how many units, and days, are still needed."""
    effect = f"an effect of {as_set(found.effect)}" if found.effect is not None else "an effect like the observed one"
    if found.needed is None:
        return "No number of units would show an effect like the observed one; declare the minimum-effect that matters."
    if found.needed <= found.units:
        return f"The units would have shown {effect} in 4 of 5 experiments; a smaller one needs more of them."
    more = found.needed - found.units
    days = f", {math.ceil(found.days * more / found.units):,} days at this rate" if found.days else ""
    return f"{more:,} more units{days}: with {found.needed:,}, {effect} is shown in 4 of 5 experiments."
