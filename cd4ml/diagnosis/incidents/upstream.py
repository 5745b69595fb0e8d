"""Incident B: predictions collapse at once, because what comes from upstream changed its unit or its categories."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import polars as pl

from cd4ml.diagnosis.incidents.columns import LEAST, Changed, changed
from cd4ml.diagnosis.incidents.events import Events
from cd4ml.diagnosis.incidents.metrics import OUTSIDE, Metrics
from cd4ml.diagnosis.incidents.values import Values
from cd4ml.metrics.drift.units import distance, noise
from cd4ml.metrics.statistics.intervals import newcombe
from cd4ml.metrics.statistics.proportion import ONE_SIDED
from cd4ml.metrics.statistics.ratio_interval import koopman
from cd4ml.report.diagnosis import Answer, Change, Evidence, Incident, Judged

# Of each side; fewer rows tell nothing.
_FEWEST: Final = 50
# By how much the share of an answer has to change, or how many times it must be as large or as small.
_SHARE: Final = 0.1
_TIMES: Final = 2.0
# A model whose answers are numbers gives more different ones than this.
_MOST_CLASSES: Final = 20
_REFUSED: Final = "refused"
_THIS: Final = Incident.UPSTREAM
Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Whether answers changed.

    Attributes:
        surely: it is shown that they did; `unmoved`: that they did not by more than is allowed.
        refusals: whether what changed is the share of rows that are refused.
    """

    says: str
    surely: bool
    unmoved: bool
    share: float
    refusals: bool = False


def judge(
    events: Events | None, metrics: Metrics | None, chart: Values | None, since: datetime | None, *, values: bool
) -> Judged:
    """Say whether predictions collapsed with a change of a feature.

    Args:
        chart: the values of the chart.
        since: when the trouble began: what came before is what it is compared with.
        values: whether evidence may show values of rows.
    """
    lacking = list(_lacking(events, since))
    if events is None or since is None or lacking:
        told = "predictions before and after the trouble began are what tells this"
        return _open(told, list(_outside(metrics, ())), lacking)
    before, after = (events.frame.filter(side) for side in (pl.col("time") < since, pl.col("time") >= since))
    moved = _moved(*(_answers(side) for side in (before, after)))
    sides = [_features(side) for side in (before, after)]
    found = _changed(*sides)
    evidence = [
        Evidence(says=moved.says, source=events.place, value=moved.share),
        *(_of_feature(one, events.place, shown=values) for one in found),
        *_outside(metrics, found),
        *_models(before, after, events.place, contradicts=moved.surely and bool(found)),
    ]
    return _answer(moved, found, evidence, chart, seen=bool(sides[1]))


def _answer(
    moved: Moved, found: Sequence[Changed], evidence: Sequence[Evidence], chart: Values | None, *, seen: bool
) -> Judged:
    """Return the answer; `seen` is whether the later events hold features."""
    if moved.surely and found:
        names = ", ".join(f"`{one.feature}` {one.says}" for one in found)
        return Judged(
            incident=_THIS,
            answer=Answer.FOUND,
            told=f"predictions changed at once, and so did what the model is sent: {names}",
            evidence=evidence,
            changes=[*_changes(found, chart)],
        )
    if moved.surely and not seen:
        return _open("predictions changed, and no event shows what was sent", evidence, ["features in the events"])
    if moved.surely and moved.refusals:
        told = "more is refused than before, and events of refused requests do not hold what was sent"
        return _open(told, evidence, ["the gateway's log: it names the column that it refuses"])
    if moved.surely:
        told = "predictions changed, but no feature came in another unit, kind or category: look at detect-drift"
        return Judged(incident=_THIS, answer=Answer.NOT_THIS, told=told, evidence=evidence)
    if moved.unmoved:
        beside = "" if not found else f", though `{found[0].feature}` changed: whether the model uses it, look yourself"
        return Judged(
            incident=_THIS, answer=Answer.NOT_THIS, told=f"predictions are as before{beside}", evidence=evidence
        )
    return _open("too few predictions to tell whether they changed", evidence, ["more events on both sides of since"])


def _lacking(events: Events | None, since: datetime | None) -> Iterator[str]:
    """Yield what is not there to compare."""
    if events is None:
        yield "events were not given, or could not be read"
    if since is None:
        yield "since was not given: when the trouble began"
    if events is not None and since is not None:
        for name, side in (("before", pl.col("time") < since), ("after", pl.col("time") >= since)):
            rows = len(events.frame.filter(side))
            if rows < _FEWEST:
                yield f"at least {_FEWEST} events {name} {since.isoformat()}, instead of {rows}"


def _answers(side: pl.DataFrame) -> list[str]:
    """Return what was answered to each row, or that it was refused; what failed says nothing of what was sent."""
    told = side.filter(pl.col("y_pred").is_not_null() | pl.col("status").is_between(400, 499))
    refused = told["status"].is_between(400, 499).fill_null(False)
    return [_REFUSED if no else answer for no, answer in zip(refused, told["y_pred"], strict=True)]


def _moved(before: Sequence[str], after: Sequence[str]) -> Moved:
    """Return whether answers changed: the shares of classes, or the distribution of numbers."""
    if not before or not after:
        return Moved(says="one side has no answers", surely=False, unmoved=False, share=0.0)
    counts = [Counter(side) for side in (before, after)]
    refused = [count.get(_REFUSED, 0) for count in counts]
    if len({*counts[0], *counts[1]} - {_REFUSED}) <= _MOST_CLASSES:
        return _classes(counts[0], counts[1])
    numbers, later = (_as_numbers(side) for side in (before, after))
    kept = _classes(
        *({_REFUSED: no, "answered": count.total() - no} for no, count in zip(refused, counts, strict=True))
    )
    if kept.surely or numbers is None or later is None or not len(numbers) or not len(later):
        return kept
    apart, error = distance(numbers, later), noise(len(numbers), len(later), ONE_SIDED)
    says = (
        f"predictions lie a distance of {apart:.2f} (Kolmogorov-Smirnov, ± {error:.2f}) from those before, "
        f"median {np.median(numbers):.4g} before and {np.median(later):.4g} after"
    )
    return Moved(says=says, surely=apart - error > LEAST, unmoved=apart + error <= LEAST, share=apart)


def _as_numbers(side: Sequence[str]) -> Any:
    """Return answers as numbers; None where they are none."""
    try:
        return np.array([float(one) for one in side if one != _REFUSED])
    except ValueError:
        return None


def _classes(before: Counts, after: Counts) -> Moved:
    """Return which answer's share changed most, and whether that is more than chance and more than is allowed."""
    rows = [sum(side.values()) for side in (before, after)]
    names = sorted({*before, *after})
    confidence = 1 - (1 - ONE_SIDED) / (2 * len(names))
    both = 2 * confidence - 1
    shares = {name: ((after.get(name, 0), rows[1]), (before.get(name, 0), rows[0])) for name in names}
    worst = max(names, key=lambda name: abs(shares[name][0][0] / rows[1] - shares[name][1][0] / rows[0]))
    bounds = {name: newcombe(*pair, both) for name, pair in shares.items()}
    by_much = {name for name, one in bounds.items() if one.lower > _SHARE or one.upper < -_SHARE}
    by_times = {name for name in names if shares[name][1][0] and _times(*shares[name], both)}
    told = worst if worst in by_much or not by_times else min(by_times)
    (now, of_now), (was, of_was) = shares[told]
    says = (
        f"answer `{told}`: {was:,} of {of_was:,} before ({was / of_was:.1%}), {now:,} of {of_now:,} after "
        f"({now / of_now:.1%}); difference {bounds[told].lower:+.3f} to {bounds[told].upper:+.3f}"
    )
    surely = bool(by_much | by_times)
    unmoved = not surely and all(-_SHARE <= one.lower and one.upper <= _SHARE for one in bounds.values())
    return Moved(says=says, surely=surely, unmoved=unmoved, share=now / of_now, refusals=told == _REFUSED)


def _times(after: tuple[int, int], before: tuple[int, int], confidence: float) -> bool:
    """Whether a share is shown to be more than twice what it was, or less than half."""
    bounds = koopman(after, before, confidence)
    return bounds.lower > _TIMES or bounds.upper < 1 / _TIMES


def _features(side: pl.DataFrame) -> dict[str, list[Any]]:
    """Return the values of each feature, None where a row has none."""
    texts = side.filter(pl.col("features").is_not_null())["features"]
    rows = [json.loads(text) for text in texts]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _changed(before: Mapping[str, list[Any]], after: Mapping[str, list[Any]]) -> list[Changed]:
    """Return which features changed; those that only one side has are missing in the other."""
    rows = [len(next(iter(side.values()), ())) for side in (before, after)]
    if min(rows) < _FEWEST:
        return []
    names = list(dict.fromkeys([*before, *after]))
    confidence = 1 - (1 - ONE_SIDED) / len(names)
    each = (
        changed(name, before.get(name, [None] * rows[0]), after.get(name, [None] * rows[1]), confidence)
        for name in names
    )
    return sorted((one for one in each if one), key=lambda one: -one.share)


def _of_feature(one: Changed, place: str, *, shown: bool) -> Evidence:
    """Return what changed in a feature, with its values where they may be shown."""
    values = f" ({one.values})" if shown and one.values else ""
    return Evidence(says=f"`{one.feature}` {one.says}{values}", source=place, value=one.share)


def _outside(metrics: Metrics | None, found: Sequence[Changed]) -> Iterator[Evidence]:
    """Yield what the gateway counts outside the ranges of features: it contradicts where a changed one has none."""
    names = {one.feature for one in found}
    for feature, rows in sorted(metrics.outside.items()) if metrics else ():
        assert metrics
        if rows or feature in names:
            says = f"`{feature}` was outside its range in {rows:,.0f} rows, of {metrics.rows:,.0f} that were predicted"
            source = f"{metrics.place}, {OUTSIDE}"
            yield Evidence(says=says, source=source, value=rows, contradicts=feature in names and not rows)


def _models(before: pl.DataFrame, after: pl.DataFrame, place: str, *, contradicts: bool) -> Iterator[Evidence]:
    """Yield that another model answers: then that may be what changed predictions."""
    first, second = (set(side["model"].drop_nulls().unique().to_list()) for side in (before, after))
    if first and second and first != second:
        old, new = (", ".join(sorted(name[:12] for name in side)) for side in (first, second))
        says = f"another model answers since then, which may be why predictions changed: {old} before, {new} after"
        yield Evidence(says=says, source=place, contradicts=contradicts)


def _changes(found: Sequence[Changed], chart: Values | None) -> Iterator[Change]:
    """Yield what to change: at the sender, and at the gateway, so that it refuses next time."""
    for one in found:
        yield Change(place="whoever sends the feature", key=one.feature, to=one.undo)
    yield Change(
        place=chart.where("env", "OUT_OF_RANGE") if chart else "the chart's values file",
        key="env.OUT_OF_RANGE",
        now=(chart.text("env", "OUT_OF_RANGE") if chart else None) or "count (default)",
        to="refuse, with RANGES_FILE: the next such change is refused and not predicted",
    )


def _open(told: str, evidence: Sequence[Evidence], lacking: Sequence[str]) -> Judged:
    """Return that it cannot be told."""
    return Judged(incident=_THIS, answer=Answer.CANNOT_TELL, told=told, evidence=evidence, lacking=lacking)
