"""How much features tell of a protected attribute, and a limit -> its check, and the numbers of the report. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.checks.fairness.decision import LEVEL, Decision, decide
from cd4ml.checks.fairness.limits import between
from cd4ml.metrics.fairness.proxies import ONE_VALUE, Measure, Proxies, Proxy
from cd4ml.report import Bound, Check, Status, as_set, chance, fixed
from cd4ml.report.ids import group_id

_MOST_NAMED: Final = 5
_MOST_LISTED: Final = 30
METRIC: Final = "association"
UNMEASURED: Final = "features-not-measured"


def proxy_check(found: Proxies, decision: Decision) -> Check:
    """Decide whether a feature gives an attribute away."""
    if not found.found:
        return _nothing_check(found)
    told = _that_decides(found.found, found.limit)
    beyond, shown = told.value > found.limit, told.p_value < LEVEL
    status, reason = decide(
        decision,
        beyond="above-maximum" if beyond else "",
        shown_beyond=shown,
        small=False,
        shown_within=all(one.interval.upper <= found.limit for one in found.found),
    )
    unseen = {name: why for name, why in found.unmeasured.items() if why != ONE_VALUE}
    if status is Status.PASSED and unseen:
        status, reason = Status.INCONCLUSIVE, UNMEASURED
    others = [one.feature for one in found.found if one.value > found.limit and one is not told]
    also = f" Others above the limit: {', '.join(others[:_MOST_NAMED])}{_more(others)}." if others else ""
    sure = (
        f" {'Chance does not explain it' if shown else 'Could be chance'} ({chance(told.p_value)})." if beyond else ""
    )
    what = "gives the group away" if beyond else f"of {len(found.found)} features tells the most of the group"
    return Check(
        id=group_id("proxy", found.attribute),
        status=status,
        reason=reason or None,
        metric=METRIC,
        value=told.value,
        interval=told.interval,
        limit=found.limit,
        bound=Bound.AT_MOST,
        option=("maximum-proxy", found.attribute),
        n=told.n,
        message=f"{found.attribute}: `{told.feature}` {what}, {_measured(told, found.limit)} "
        f"(at most {as_set(found.limit, told.value)}).{between(told.interval)}{sure}{also}{_said_of(unseen)}",
        advice=_advice(reason, told),
    )


def _said_of(unseen: Mapping[str, str]) -> str:
    """Name the features of which nothing can be said."""
    named = [f"`{name}` ({why})" for name, why in list(unseen.items())[:_MOST_NAMED]]
    return f" Not measured: {', '.join(named)}{_more(list(unseen))}." if unseen else ""


def _that_decides(found: Sequence[Proxy], limit: float) -> Proxy:
    """Return the strongest feature that is shown to tell more than the limit; if none is, the strongest."""
    shown = [one for one in found if one.p_value < LEVEL and one.value > limit]
    return (shown or found)[0]


def _more(names: Sequence[str]) -> str:
    """Say how many are not named."""
    return f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""


def _measured(one: Proxy, limit: float) -> str:
    """Say what was measured, in words."""
    if one.measure is Measure.CRAMERS_V:
        return f"Cramér's V {fixed(one.value, limit)}"
    assert one.area is not None
    way = "higher" if one.area >= 0.5 else "lower"
    return f"{way} for {one.group}, AUC {max(one.area, 1 - one.area):.4f}, as 2 AUC - 1 {fixed(one.value, limit)}"


def _advice(reason: str, one: Proxy) -> str | None:
    """Say what to do next."""
    if reason == "above-maximum":
        return (
            f"Train without `{one.feature}`, or keep it for a reason that is written down: then leave it out with "
            "`exclude`, or raise maximum-proxy in a reviewed change."
        )
    if reason == UNMEASURED:
        return "Leave out what no model takes with `exclude` (keys, times); write the others as numbers or categories."
    return "Use more test rows: four times as many halve the interval." if reason else None


def _nothing_check(found: Proxies) -> Check:
    """Return the check for an attribute that no feature could be held against: that passes nobody."""
    few = f"; too few rows: {', '.join(found.left_out[:_MOST_NAMED])}" if found.left_out else ""
    return Check(
        id=group_id("proxy", found.attribute),
        status=Status.INCONCLUSIVE,
        reason="nothing-measured",
        metric=METRIC,
        limit=found.limit,
        bound=Bound.AT_MOST,
        option=("maximum-proxy", found.attribute),
        message=f"No feature of the test data could be compared with {found.attribute}: {_why(found)}{few}.",
        advice="Use test data with the model's features and at least two groups of minimum-group-size rows.",
    )


def _why(found: Proxies) -> str:
    """Say why nothing was measured."""
    reasons = list(dict.fromkeys(found.unmeasured.values()))
    return "; ".join(reasons[:_MOST_NAMED]) or "there is none"


def describe_proxies(found: Proxies) -> dict[str, Any]:
    """Return what features tell of an attribute, for the report; the strongest first."""
    return {
        "limit": found.limit,
        "measured": len(found.found),
        "groups": list(found.groups),
        "groups_left_out": list(found.left_out),
        "not_measured": dict(list(found.unmeasured.items())[:_MOST_LISTED]),
        "features": [
            {
                "feature": one.feature,
                "measure": str(one.measure),
                "value": one.value,
                "interval": one.interval,
                "n": one.n,
                "group": one.group,
                "auc": one.area,
                "p_value": one.p_value,
            }
            for one in found.found[:_MOST_LISTED]
        ],
    }


def strong_proxies(found: Sequence[Proxies]) -> list[Proxy]:
    """Return the features that are shown to tell more of an attribute than the limit, the strongest first."""
    shown = [one for part in found for one in part.found if one.p_value < LEVEL and one.value > part.limit]
    return sorted(shown, key=lambda one: -one.value)
