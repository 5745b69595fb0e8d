"""Counts of both versions and limits -> whether the rollout goes on. Pure.

Whoever has counts can ask: a stage that has read events, or one that has asked Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np

from cd4ml.checks.rollout.evidence import same_time_check, silence_check
from cd4ml.checks.rollout.judge import Judge, Limits
from cd4ml.metrics.rollout.comparison import (
    Change,
    Levels,
    cells_of,
    distance,
    one_share,
    paired_change,
    quantile_change,
    share_change,
)
from cd4ml.metrics.rollout.counting import CANARY, STABLE, Counts
from cd4ml.metrics.rollout.matching import Matched
from cd4ml.metrics.rollout.pairs import DIFFER, ONLY_SHADOW, ONLY_STABLE, WRONG
from cd4ml.metrics.rollout.variables import FAILED, GROWTH, REFUSED, latency_borders
from cd4ml.report import Check, Status
from cd4ml.report.ids import check_id

# Of more classes than this no unseen ones are called a fault: there is always another.
_MOST_SETS: Final = 900


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is decided on a step.

    Attributes:
        rows, minutes: that are still needed where that is known, the most that any check needs.
        changes: by check, what the canary changes.
    """

    checks: Sequence[Check]
    rows: int | None = None
    minutes: int | None = None
    changes: dict[str, Change] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """What to do."""
        statuses = {check.status for check in self.checks}
        if Status.FAILED in statuses:
            return "roll-back"
        return "go-on" if statuses == {Status.PASSED} else "wait"


def decide(counts: Counts, limits: Limits, *, forecast: bool = True) -> Verdict:
    """Decide on a step from what was counted since it began.

    Args:
        forecast: whether to say how many rows are still needed, which takes longer than the decision.
    """
    judge = Judge(counts, limits, forecast=forecast)
    requests = judge.matched("requests")
    judge.checks.append(same_time_check(requests.alone, int(requests.canary.rows)))
    judge.checks.append(silence_check(*_silence(counts)))
    for finding in limits.findings:
        _JUDGED[finding](judge)
    return Verdict(
        checks=judge.checks,
        rows=max(judge.rows, default=None),
        minutes=max(judge.minutes, default=None),
        changes=judge.changes,
    )


def _silence(counts: Counts) -> tuple[int, float, float]:
    """Return the canary's requests, how many were due since the last one, and the minutes since."""
    totals = [
        {minute: sum(cells.values()) for minute, cells in counts.minutes("requests", role).items()}
        for role in (CANARY, STABLE)
    ]
    canary, stable = totals
    if not canary or not stable:
        return round(sum(canary.values())), 0.0, 0.0
    last = max(canary)
    before = sum(rows for minute, rows in stable.items() if minute <= last)
    after = sum(rows for minute, rows in stable.items() if minute > last)
    silent = max(stable) - last
    if not before:  # it ended before the other began: by its own rate
        return round(sum(canary.values())), sum(canary.values()) / len(canary) * max(0, silent), silent
    return round(sum(canary.values())), sum(canary.values()) / before * after, silent


def _errors(judge: Judge) -> None:
    """Judge failed and refused requests."""
    both, levels = judge.matched("errors"), judge.levels
    for name, words in ((FAILED, "failed (5xx)"), (REFUSED, "refused (4xx)")):
        cells = cells_of(both, [name])
        judge.add(
            check_id("error-increase", name),
            both,
            partial(share_change, cells=cells, levels=levels),
            metric=f"{name}-requests",
            what=f"Share of {words} requests of the canary",
            option="maximum-error-increase",
            limit=judge.limits.error_increase,
            reason="more-errors",
            rows="requests",
        )
    if judge.limits.error_rate is not None:
        cells = cells_of(both, [FAILED])
        judge.add(
            "error-rate",
            both,
            lambda those: one_share(those.canary, cells, levels),
            metric="failed-requests",
            what="Share of failed (5xx) requests of the canary",
            option="maximum-error-rate",
            limit=judge.limits.error_rate,
            reason="too-many-errors",
            rows="requests",
        )


def _latency(judge: Judge) -> None:
    """Judge latency."""
    both, levels, quantile = judge.matched("latency"), judge.levels, judge.limits.latency_quantile
    lower = latency_borders()[[int(label) for label in both.labels]]
    borders = np.concatenate([lower, lower[-1:] * GROWTH])

    def change(those: Matched) -> Change:
        if not those.canary.rows:
            return Change(value=math.nan, lower=0.0, upper=math.inf, rows=0, stable_rows=0)
        return quantile_change(those, borders, quantile, levels)

    judge.add(
        check_id("latency-increase", f"p{quantile * 100:g}"),
        both,
        change,
        metric=f"latency-p{quantile * 100:g}",
        what=f"Latency (p{quantile * 100:g}) of the canary",
        option="maximum-latency-increase",
        limit=1 + judge.limits.latency_increase,
        reason="slower",
        ratio=True,
        rows="answered requests",
    )


def _predictions(judge: Judge) -> None:
    """Judge what is predicted, and how surely."""
    words = {"prediction": "Predictions", "score": "Scores", "entropy": "Entropies of scores"}
    classes = judge.counts.layout.predictions is None
    for variable, what in words.items():
        if variable != "prediction" and not judge.counts.rows(variable, STABLE):
            continue
        _distance(judge, variable, ordered=variable != "prediction" or not classes, what=what)
    if classes:
        _unseen(judge)


def _unseen(judge: Judge) -> None:
    """Judge classes that the stable version never gave.

    Which these are, chance decides as well: stable rows give some of the rarer classes late. So the bound allows for
    what share the stable version may have in them, whichever of the classes they are: any of 2^classes sets.
    """
    both, levels = judge.matched("prediction"), judge.levels
    known = {cell for cells in judge.counts.minutes("prediction", STABLE).values() for cell in cells}
    unseen = [place for place, label in enumerate(both.labels) if label not in known]
    sets = len(both.labels)
    strict = Levels(harm=levels.harm * 2.0 ** -min(sets, _MOST_SETS), good=levels.good)

    def change(those: Matched) -> Change:
        lower = share_change(those, unseen, strict).lower if sets <= _MOST_SETS else 0.0
        return replace(one_share(those.canary, unseen, levels), lower=max(0.0, lower))

    judge.add(
        "unseen-predictions",
        both,
        change,
        metric="unseen-predictions",
        what="Share of the canary's predictions in classes that the stable version never gives",
        option="maximum-unseen-predictions",
        limit=judge.limits.unseen_predictions,
        reason="unseen-predictions",
    )


def _distance(judge: Judge, variable: str, *, ordered: bool, what: str) -> None:
    """Judge how far the distributions of predictions are apart."""
    levels = judge.levels
    judge.add(
        check_id("prediction-change", variable),
        judge.matched(variable),
        partial(distance, levels=levels, ordered=ordered),
        metric=f"{variable}-distance",
        what=f"{what} of the canary: their distribution",
        option="maximum-prediction-change",
        limit=judge.limits.prediction_change,
        reason="other-predictions",
    )


def _bias(judge: Judge) -> None:
    """Judge whether the canary's users are like all users."""
    features = {f"feature {one.name}": (one.name, one.borders is not None) for one in judge.counts.layout.features}
    compared = {"cohort": ("cohort", False), **features}
    held = [name for name in compared if judge.counts.rows(name, STABLE) or judge.counts.rows(name, CANARY)]
    levels = Levels(harm=judge.limits.false_alarms / max(1, len(held)), good=judge.limits.false_alarms)
    for variable in held or ["cohort"]:
        name, ordered = compared[variable]
        judge.add(
            check_id("canary-bias", name),
            judge.matched(variable),
            partial(distance, levels=levels, ordered=ordered),
            metric="distance",
            what=f"`{name}` of the canary's rows: its distribution",
            option="maximum-bias",
            limit=judge.limits.bias,
            reason="canary-unlike",
            advice="What holds for these users says nothing on others: draw the canary's users at random, and begin "
            "the step again.",
            fault=False,
            levels=levels,
        )


def _agreement(judge: Judge) -> None:
    """Judge whether the shadow predicts what the stable version does."""
    pairs, levels = judge.unmatched("agreement"), judge.levels
    differ = cells_of(pairs, [DIFFER])
    judge.add(
        "disagreement",
        pairs,
        lambda those: one_share(those.canary, differ, levels),
        metric="disagreement",
        what="Share of shadow predictions that differ from the stable ones for the same rows",
        option="maximum-disagreement",
        limit=judge.limits.disagreement,
        reason="disagreement",
        rows="paired rows",
    )


def _quality(judge: Judge) -> None:
    """Judge the predictions whose labels have come: of pairs if there are any, else of both versions' own rows."""
    levels = judge.levels
    shared: dict[str, Any] = {
        "metric": "wrong-predictions",
        "option": "maximum-quality-drop",
        "limit": judge.limits.quality_drop,
        "reason": "more-wrong-predictions",
        "rows": "rows with labels",
    }
    if judge.counts.rows("paired quality", CANARY):
        pairs = judge.unmatched("paired quality")
        lost, gained = cells_of(pairs, [ONLY_STABLE]), cells_of(pairs, [ONLY_SHADOW])
        what = "Share of wrong predictions, for the same rows,"
        judge.add(
            check_id("quality-drop", "paired"),
            pairs,
            lambda those: paired_change(those.canary, lost, gained, levels),
            what=what,
            **shared,
        )
        return
    both = judge.matched("quality")
    wrong = cells_of(both, [WRONG])
    judge.add(
        "quality-drop",
        both,
        partial(share_change, cells=wrong, levels=levels),
        what="Share of wrong predictions of the canary",
        **shared,
    )


_JUDGED: Final[dict[str, Callable[[Judge], None]]] = {
    "errors": _errors,
    "latency": _latency,
    "predictions": _predictions,
    "bias": _bias,
    "agreement": _agreement,
    "quality": _quality,
}
