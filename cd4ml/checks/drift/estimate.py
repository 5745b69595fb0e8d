"""Estimated performance -> a check. Pure."""

from __future__ import annotations

from typing import Any, Final

from cd4ml.metrics.drift.estimate import METHOD, Expected
from cd4ml.metrics.statistics.proportion import CONFIDENCE
from cd4ml.report import Bound, Check, Status, as_set, fixed

_METRIC: Final = "estimated-accuracy"


def estimate_check(found: Expected, limit: float | None, *, least: int) -> Check:
    """Decide on the accuracy that a model's own probabilities promise, before labels arrive.

    Args:
        limit: that it must reach, None if it is only told.
        least: predictions below which nothing is decided.
    """
    shared: dict[str, Any] = {"id": _METRIC, "metric": _METRIC, "n": found.n}
    if limit is not None:
        shared |= {"limit": limit, "bound": Bound.AT_LEAST}
    if found.n < least:
        return Check(
            **shared,
            status=Status.INCONCLUSIVE,
            reason="too-few-rows",
            message=f"{found.n:,} predictions have a probability in y_score, too few to estimate the accuracy.",
            advice=f"At least {least:,} are needed; leave positive-label out if the model gives none.",
        )
    bounds = found.accuracy_bounds
    words = (
        f"By the model's own probabilities {fixed(found.accuracy)} of {found.n:,} predictions are right "
        f"(95 % interval: {bounds.lower:.4f} to {bounds.upper:.4f})."
    )
    shared |= {"value": found.accuracy, "interval": bounds.named(CONFIDENCE, METHOD)}
    if limit is None or bounds.lower >= limit:
        return Check(**shared, status=Status.PASSED, message=words)
    words += f" At least {as_set(limit, found.accuracy)} is demanded."
    if bounds.upper < limit:
        advice = "The model meets more rows of which it is unsure: look at the features that drifted, and get labels."
        return Check(**shared, status=Status.FAILED, reason="below-minimum", message=words, advice=advice)
    advice = "Wait for a larger window, or for labels."
    return Check(**shared, status=Status.INCONCLUSIVE, reason="too-close", message=words, advice=advice)
