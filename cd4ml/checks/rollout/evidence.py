"""Whether the events are what the verdict may rest on: whole, of the models that are meant, of both tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cd4ml.report import Bound, Check, Status, percent
from cd4ml.report.ids import check_id


def poisoned_check(poisoned: int, events: int, named: Sequence[str], limit: float) -> Check:
    """Decide on events that could not be read.

    Args:
        poisoned, events: how many could not be read, and could.
        named: the first of them, with the place and what is wrong.
    """
    share = poisoned / (poisoned + events) if poisoned + events else 0.0
    passes = share <= limit
    message = "Every event could be read."
    if poisoned:
        message = (
            f"{poisoned:,} of {poisoned + events:,} events ({percent(share, 2)}) could not be read: {'; '.join(named)}."
        )
    return Check(
        id="poisoned-events",
        status=Status.PASSED if passes else Status.INCONCLUSIVE,
        reason=None if passes else "poisoned-events",
        metric="poisoned-events",
        value=share,
        limit=limit,
        bound=Bound.AT_MOST,
        n=poisoned + events,
        option=("maximum-poisoned",),
        message=message,
        advice=None if passes else "What is lost may be what failed: find out what writes these lines.",
    )


def models_checks(models: Mapping[str, Mapping[str, int]], stated: Mapping[str, str]) -> list[Check]:
    """Decide on which models answered: one for each track, that which is stated, and not the same one for both."""
    checks = [_model(track, found, stated.get(track)) for track, found in models.items() if found]
    answered = {track: next(iter(found)) for track, found in models.items() if len(found) == 1}
    stable, canary = answered.get("stable"), answered.get("canary")
    if stable is not None and stable == canary and stable != "unknown" and stated.get("canary") != stable:
        checks.append(
            Check(
                id="same-model",
                status=Status.INCONCLUSIVE,
                reason="same-model",
                message=f"Canary and stable version are one model ({stable[:16]}): that comparison proves nothing.",
                advice="Point the canary at the new model; if only its image is new, state `canary-model`.",
            )
        )
    return checks


def _model(track: str, found: Mapping[str, int], stated: str | None) -> Check:
    """Decide on the models of one track."""
    foreign = {model: rows for model, rows in found.items() if stated is not None and model != stated}
    shown = ", ".join(f"{model[:16]} ({rows:,} events)" for model, rows in sorted(found.items())[:5])
    if foreign and len(foreign) == len(found):
        status, reason = Status.INCONCLUSIVE, "foreign-model"
        message = f"No event of {track} is of the stated model {str(stated)[:16]}, but of {shown}."
        advice = f"Set `{track}-model` to what is deployed, or wait until it is."
    elif stated is None and len(found) > 1:
        status, reason = Status.INCONCLUSIVE, "mixed-models"
        message = f"Several models answered as {track}: {shown}."
        advice = f"Set `{track}-model`, or `since` to when the newest of them was deployed."
    else:
        status, reason, advice = Status.PASSED, None, None
        message = f"{track}: {shown}." + (" Events of other models were left out." if foreign else "")
    return Check(id=check_id("model", track), status=status, reason=reason, message=message, advice=advice)


def same_time_check(alone: int, rows: int, limit: float = 0.05) -> Check:
    """Decide on whether the canary was compared with anything: at all times, or nearly."""
    share = alone / (alone + rows) if alone + rows else 1.0
    passes = bool(rows) and share <= limit
    return Check(
        id="same-time",
        status=Status.PASSED if passes else Status.INCONCLUSIVE,
        reason=None if passes else ("no-data" if not alone + rows else "not-the-same-time"),
        metric="canary-requests-alone",
        value=share,
        limit=limit,
        bound=Bound.AT_MOST,
        n=alone + rows,
        message=(
            f"{alone:,} of {alone + rows:,} requests of the canary came when the stable version had none."
            if alone + rows
            else "The canary has no request in the window."
        ),
        advice=(
            None if passes else "Both versions must have requests in the window: look at `since`, tracks and sources."
        ),
    )


def silence_check(canary: int, expected: float, minutes: float) -> Check:
    """Decide on a canary that went silent while the stable version went on.

    Args:
        canary: its requests.
        expected: requests that it should have had since its last one, by its share until then.
        minutes: since its last request.
    """
    passes = expected < 15
    return Check(
        id="silence",
        status=Status.PASSED if passes else Status.INCONCLUSIVE,
        reason=None if passes else "canary-silent",
        metric="requests-expected-since-the-last",
        value=expected,
        limit=15.0,
        bound=Bound.BELOW,
        n=canary,
        message=(
            "The canary's requests reach as far as the stable version's."
            if passes
            else f"The canary had no request for {minutes:,.0f} minutes, in which about {expected:,.0f} were due."
        ),
        advice=None if passes else "Look at whether its pods run, get traffic and write events.",
    )
