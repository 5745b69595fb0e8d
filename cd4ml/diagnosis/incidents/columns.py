"""What changed in a feature at once: its unit, its categories, its kind, or whether it comes at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cd4ml.metrics.drift.distance import proportions
from cd4ml.metrics.drift.units import conversion, distance, noise
from cd4ml.metrics.drift.unseen import unseen_test
from cd4ml.metrics.statistics.intervals import newcombe, wilson

# By what share of rows a feature must have changed, at least, to be told: an upstream change takes most of them.
LEAST: Final = 0.2
# Of numbers that fit no known unit.
_MOST_ROWS: Final = 0.5
_NUMBERS: Final = "numbers"
_TEXTS: Final = "texts"
_OTHERS: Final = "lists or objects"


@dataclass(frozen=True, kw_only=True)
class Changed:
    """What changed in a feature.

    Attributes:
        says: what, without values of rows.
        values: what it was and is; values of rows.
        share: of rows, or the distance of distribution functions.
        undo: what whoever sends it has to do.
    """

    feature: str
    says: str
    share: float
    undo: str
    values: str = ""


def changed(feature: str, before: Sequence[Any], after: Sequence[Any], confidence: float) -> Changed | None:
    """Return what changed in a feature at once, None if nothing did.

    Args:
        before, after: its values, None where it is missing.
        confidence: of the whole statement.
    """
    missing, was_missing = ((values.count(None), len(values)) for values in (after, before))
    if newcombe(missing, was_missing, confidence).lower > LEAST:
        share, was = missing[0] / missing[1], was_missing[0] / was_missing[1]
        says = f"is missing in {share:.0%} of rows, before in {was:.0%}"
        return Changed(feature=feature, says=says, share=share, undo="send it again")
    first, second = ([value for value in values if value is not None] for values in (before, after))
    if not first or not second:
        return None
    kind, now = (Counter(map(_kind, values)).most_common(1)[0][0] for values in (first, second))
    if kind != now:
        return Changed(feature=feature, says=f"was {kind}, and is {now}", share=1.0, undo=f"send {kind}")
    if kind == _NUMBERS:
        return _number(feature, _numbers(first), _numbers(second), confidence)
    return _category(feature, Counter(map(str, first)), Counter(map(str, second)), confidence)


def _kind(value: Any) -> str:
    """Return what a value is."""
    if isinstance(value, bool | str):
        return _TEXTS
    return _NUMBERS if isinstance(value, int | float) else _OTHERS


def _numbers(values: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the numbers among values."""
    return np.array([value for value in values if _kind(value) == _NUMBERS], dtype=np.float64)


def _number(feature: str, before: Any, after: Any, confidence: float) -> Changed | None:
    """Return what changed in numbers: a known conversion, or nearly all of them."""
    apart = distance(before, after)
    surely = apart - noise(len(before), len(after), confidence)
    if surely <= LEAST:
        return None
    medians = f"median {np.median(before):.4g} before, {np.median(after):.4g} after"
    found = conversion(before, after)
    if found:
        way = "divided by" if found.inverse else "times"
        if found.offset or found.factor == -1:
            way = "as if from" if found.inverse else "in"
        return Changed(
            feature=feature,
            says=f"came in another unit: {way} {found.name} (distance {apart:.2f}, {found.left:.2f} once converted)",
            share=apart,
            undo="send the unit that the model was trained on",
            values=medians,
        )
    if surely <= _MOST_ROWS:
        return None
    says = f"changed in at least {surely:.0%} of rows, by no unit that is known (distance {apart:.2f})"
    return Changed(feature=feature, says=says, share=apart, undo="send what the model was trained on", values=medians)


def _category(feature: str, before: Mapping[str, int], after: Mapping[str, int], confidence: float) -> Changed | None:
    """Return what changed in categories: some that never came before."""
    names = sorted({*before, *after})
    first, second = ([counts.get(name, 0) for name in names] for counts in (before, after))
    new = [name for name in names if name not in before]
    rows, total = sum(after[name] for name in new), sum(second)
    bounds = wilson(rows, total, 2 * confidence - 1)
    if bounds.lower <= LEAST or unseen_test(first, second).p_value > 1 - confidence:
        return None
    gone = [name for name in names if name not in after]
    absent = proportions((sum(before[name] for name in gone), sum(first)), (0, total))
    lost = f"; {len(gone)} of before are gone" if gone and absent.p_value <= 1 - confidence else ""
    was = f"before: {', '.join(gone[:5])}; " if gone else ""
    return Changed(
        feature=feature,
        says=f"has {len(new)} categories that never came before, in {rows / total:.0%} of rows{lost}",
        share=rows / total,
        undo="send the categories that the model was trained on",
        values=f"{was}now: {', '.join(new[:5])}",
    )
