"""Whether the events are what the verdict may rest on: whole, of the models that are meant, of both tracks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cd4ml.metrics.rollout.counting import NO_MODEL
from cd4ml.metrics.rollout.pairs import Paired
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


def models_checks(
    models: Mapping[str, Mapping[str, int]], stated: Mapping[str, str], *, limit: float = 0.0, name: str = "model"
) -> list[Check]:
    """Decide on which models answered: one for each track, that which is stated, and not the same one for both.

    Args:
        limit: share of a track's rows that may be of others than the stated model.
        name: of the checks.
    """
    checks = [_model(track, found, stated.get(track), limit, name) for track, found in models.items()]
    answered = {track: one for track, found in models.items() if (one := _one(found, stated.get(track)))}
    stable, canary = answered.get("stable"), answered.get("canary")
    if stable is not None and stable == canary and stable != "unknown" and stated.get("canary") != stable:
        checks.append(
            Check(
                id="same-model" if name == "model" else f"same-{name}",
                status=Status.INCONCLUSIVE,
                reason="same-model",
                message=f"Canary and stable version are one model ({stable[:16]}): that comparison proves nothing.",
                advice="Point the canary at the new model; if only its image is new, state `canary-model`.",
            )
        )
    return checks


def _one(found: Mapping[str, int], stated: str | None) -> str | None:
    """Return the model that a track is judged by; None if it is not one."""
    named = [model for model in found if model != NO_MODEL]
    return stated if stated in named else named[0] if len(named) == 1 else None


def _model(track: str, found: Mapping[str, int], stated: str | None, limit: float, name: str) -> Check:
    """Decide on the models of one track."""
    foreign = sum(rows for model, rows in found.items() if stated is not None and model not in (stated, NO_MODEL))
    shown = ", ".join(f"{model[:16]} ({rows:,} times)" for model, rows in sorted(found.items())[:5])
    if not found:
        status, reason = Status.INCONCLUSIVE, "no-model"
        message = f"Nothing says which model answers as {track}."
        advice = "Look at whether its gateways run and Prometheus has their `cd4ml_model_info`."
    elif stated is not None and stated not in found:
        status, reason = Status.INCONCLUSIVE, "foreign-model"
        message = f"Nothing of {track} is of the stated model {str(stated)[:16]}, but of {shown}."
        advice = f"Set `{track}-model` to what is deployed, or wait until it is."
    elif foreign > limit * sum(found.values()):
        status, reason = Status.INCONCLUSIVE, "foreign-model"
        message = f"Too much of {track} is of others than the stated model {str(stated)[:16]}: {shown}."
        advice = "Set `since` to when it was deployed; look for pods that still serve others."
    elif stated is None and len(found) > 1:
        status, reason = Status.INCONCLUSIVE, "mixed-models"
        message = f"Several models answered as {track}: {shown}."
        advice = f"Set `{track}-model`, or `since` to when the newest of them was deployed."
    else:
        status, reason, advice = Status.PASSED, None, None
        message = f"{track}: {shown}." + (" Events of other models were left out." if foreign else "")
    return Check(id=check_id(name, track), status=status, reason=reason, message=message, advice=advice)


def paired_check(paired: Paired, limit: float = 0.05) -> Check:
    """Decide on whether the shadow's rows could be compared: what it does not answer is no agreement."""
    lost = paired.unpaired + paired.ambiguous
    return _lost_check(
        "unpaired-rows",
        lost,
        paired.rows,
        limit,
        f"{paired.unpaired:,} of {paired.rows:,} rows of the shadow have no partner or an answer of one version alone; "
        f"of {paired.ambiguous:,} trace and request name several.",
        "Look at the shadow's errors, at whether both sources hold the same time, and send an own X-Request-ID with "
        "each request.",
    )


def labels_check(ambiguous: int, rows: int, limit: float) -> Check:
    """Decide on labels that fit several requests of one trace."""
    return _lost_check(
        "ambiguous-labels",
        ambiguous,
        max(rows, 1),
        limit,
        f"{ambiguous:,} of {rows:,} rows share their label with another request of the same trace.",
        "Join the labels by the event's `id`.",
    )


def untold_check(lost: int, rows: int, limit: float) -> Check:
    """Decide on events of a track that both versions share, of which no model says whose they are."""
    message = f"{lost:,} of {rows:,} events do not say which of both versions they are of."
    return _lost_check("untold-model", lost, rows, limit, message, "Give each version a track of its own.")


def _lost_check(id: str, lost: int, rows: int, limit: float, message: str, advice: str) -> Check:
    """Decide on a share of rows that tell nothing."""
    passes = bool(rows) and lost <= limit * rows
    return Check(
        id=id,
        status=Status.PASSED if passes else Status.INCONCLUSIVE,
        reason=None if passes else (id if rows else "no-data"),
        metric=id,
        value=lost / rows if rows else 1.0,
        limit=limit,
        bound=Bound.AT_MOST,
        n=rows,
        message=message,
        advice=None if passes else advice,
    )


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
