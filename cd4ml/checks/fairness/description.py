"""What an audit found of a part, as the numbers of the report. Pure."""

from __future__ import annotations

from typing import Any, Final

from cd4ml.checks.fairness.audit import Found, own_limits
from cd4ml.checks.fairness.decision import LEVEL
from cd4ml.checks.fairness.groups import describe
from cd4ml.metrics.fairness.differences import widest_interval
from cd4ml.metrics.fairness.pair_changes import PairChange
from cd4ml.metrics.fairness.rates import RATES

_MOST_PAIRS: Final = 20


def describe_part(one: Found) -> dict[str, Any]:
    """Return a part's numbers for the report."""
    metrics = one.metrics
    limits = own_limits(one)
    numbers: dict[str, Any] = {
        "decides": one.part.gates,
        "minimum_ratio": limits.minimum_ratio,
        "demographic_parity_ratio": metrics.demographic_parity_ratio,
        "demographic_parity_difference": metrics.demographic_parity_difference,
        "equalized_odds_difference": metrics.equalized_odds_difference,
        "equalized_odds_ratio": metrics.equalized_odds_ratio,
        "differences": {
            rate: {"value": metrics.differences[rate], "interval": widest_interval(metrics.groups, rate)}
            for rate in RATES
        },
        "by_group": metrics.by_group,
        "reference": one.found[0].reference.name if one.found else None,
        "ratios": {found.group.name: describe(found, limits) for found in one.found},
    }
    return {**numbers, **_against_production(one), **_calibrations(one)}


def _against_production(one: Found) -> dict[str, Any]:
    """Return production's ratio, the change of each group's, and the pairs of groups that lie further apart."""
    if one.production is None:
        return {}
    changes = {
        group: {
            "candidate": float(change.candidate),
            "production": float(change.production),
            "drop": float(change.drop),
            "interval": change.interval,
        }
        for group, change in one.changes.items()
    }
    return {
        "production": {
            "demographic_parity_ratio": one.production.demographic_parity_ratio,
            "by_group": one.production.by_group,
        },
        "changes": changes,
        "pairs": {"compared": len(one.pairs), "worse": [_pair(pair) for pair in worse_pairs(one)[:_MOST_PAIRS]]},
    }


def worse_pairs(one: Found) -> list[PairChange]:
    """Return the pairs of groups whose ratio is shown to have fallen, the largest fall first."""
    shown = [pair for pair in one.pairs if pair.p_value < LEVEL]
    return sorted(shown, key=lambda pair: pair.drop, reverse=True)


def _pair(pair: PairChange) -> dict[str, Any]:
    """Return a pair's numbers."""
    return {
        "lower": pair.lower,
        "higher": pair.higher,
        "n": pair.n,
        "candidate": pair.candidate,
        "production": pair.production,
        "interval": pair.interval,
        "p_value": pair.p_value,
    }


def _calibrations(one: Found) -> dict[str, Any]:
    """Return each group's calibration."""
    if one.calibration is None:
        return {}
    return {
        "calibration": {
            group.group: {
                "n": group.n,
                "score": group.score,
                "positives": group.positives,
                "gap": group.gap,
                "interval": group.interval,
            }
            for group in one.calibration
        }
    }
