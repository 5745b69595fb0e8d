"""What came of the events of a window, and what their values are -> checks. Pure.

These are asked before any distribution: a unit or a type that an upstream team changed shows here first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.report import Bound, Check, Status, percent
from cd4ml.report.ids import check_id

NO_EVENTS, ANOTHER_MODEL, UNREADABLE, OTHER_TYPE, DEMAND = (
    "no-events",
    "another-model",
    "unreadable-events",
    "other-type",
    "schema-broken",
)


def events_check(counted: int, *, span: str, others: Mapping[str, int], left_out: int) -> Check:
    """Decide on whether there is anything to judge: a window without events is never a pass.

    Args:
        span: of the window, for people.
        others: events that were read and are no part of it, by why.
        left_out: events of it that were counted on another basis.
    """
    aside = [f"{number:,} {why}" for why, number in others.items() if number]
    words = f" Beside them were read: {', '.join(aside)}." if aside else ""
    words += f" {left_out:,} events were counted on another reference and are left out." if left_out else ""
    if not counted:
        return Check(
            id="events",
            status=Status.INCONCLUSIVE,
            reason=NO_EVENTS,
            metric="events",
            value=0,
            n=0,
            message=f"No event of {span} was counted.{words}",
            advice="Look whether the service serves, writes events, and under which track.",
        )
    message = f"{counted:,} events of {span} were counted.{words}"
    return Check(id="events", status=Status.PASSED, metric="events", value=counted, n=counted, message=message)


def model_check(models: Mapping[str, int], own: str | None) -> Check:
    """Decide on whether the reference is that of the model which answered: if not, there is nothing to compare with.

    Args:
        models: events by the digest of the model that answered; "" of those that name none.
        own: digest of the reference's model, None if the reference is not part of a model.
    """
    named = {digest: number for digest, number in models.items() if digest}
    others = {digest: number for digest, number in named.items() if digest != own} if own else named
    words = ", ".join(f"{digest[:12]} {number:,}" for digest, number in sorted(others.items(), key=lambda one: -one[1]))
    shared: dict[str, Any] = {"id": "model", "n": sum(models.values())}
    if own and others:
        return Check(
            **shared,
            status=Status.INCONCLUSIVE,
            reason=ANOTHER_MODEL,
            message=f"The reference is that of the model {own[:12]}, but others answered (events): {words}. "
            "Nothing is compared.",
            advice="Let `reference` name the model that serves, and restart the worker, which reads it at its start.",
        )
    if len(others) > 1:
        return Check(
            **shared,
            status=Status.INCONCLUSIVE,
            reason=ANOTHER_MODEL,
            message=f"{len(others)} models answered (events): {words}. The reference can be that of one at most. "
            "Nothing is compared.",
            advice="Watch the track of one model. The next window decides again, if one model has replaced another.",
        )
    message = f"One model answered: {next(iter(named))[:12]}." if named else "The events name no model."
    message += f" {models['']:,} events name none." if named and models.get("") else ""
    message += "" if own else " Which one the reference is for, it does not say."
    return Check(**shared, status=Status.PASSED, message=message)


def no_window_check(waiting: int, seconds: int, lateness: int) -> Check:
    """Return the check of a worker that has judged no window yet.

    Args:
        waiting: events in windows that are open.
        seconds, lateness: of a window.
    """
    return Check(
        id="events",
        status=Status.INCONCLUSIVE,
        reason="no-window-ended",
        metric="events",
        value=0,
        n=0,
        message=f"No window has ended since the last report; {waiting:,} events wait in windows that are open.",
        advice=f"A window takes {seconds:,} seconds, and its events may come {lateness:,} seconds late.",
    )


def unreadable_check(unreadable: int, read: int, places: Sequence[str], limit: float) -> Check:
    """Decide on what was read since the window before and is no event.

    Args:
        places: where the first of them stand, with why.
    """
    share = unreadable / read if read else 0.0
    failed = share > limit
    named = f" First: {places[0]}." if places else ""
    return Check(
        id="unreadable-events",
        status=Status.FAILED if failed else Status.PASSED,
        reason=UNREADABLE if failed else None,
        metric="unreadable-share",
        value=share,
        limit=limit,
        bound=Bound.AT_MOST,
        n=read,
        message=f"{unreadable:,} of {read:,} events that were read could not be understood.{named}",
        advice="Look at what writes to the stream." if failed else None,
    )


def type_checks(mistyped: Mapping[str, int], features: Sequence[str], rows: int, limit: float) -> list[Check]:
    """Decide on values of another type than in the training data.

    Args:
        mistyped: how many, by feature.
        rows: events that say their features.
    """
    return [
        _share(
            check_id("type", name),
            mistyped.get(name, 0),
            rows,
            limit,
            reason=OTHER_TYPE,
            words=f"{name}: {mistyped.get(name, 0):,} of {rows:,} values are of another type than in the reference.",
            advice="Look for a change in what produces the feature; the model may read it as missing, or not at all.",
        )
        for name in features
    ]


def demand_checks(
    broken: Mapping[str, int], demands: Sequence[tuple[str, str, str]], rows: int, limit: float
) -> list[Check]:
    """Decide on what the schema demands of values.

    Args:
        broken: rows that break a demand, by its id.
        demands: id, feature and words of each.
        rows: events that say their features.
    """
    return [
        _share(
            id,
            broken.get(id, 0),
            rows,
            limit,
            reason=DEMAND,
            words=f"{feature}: {broken.get(id, 0):,} of {rows:,} rows break {words}.",
            advice="Look for a change in what produces the feature: a unit, a code, a join.",
        )
        for id, feature, words in demands
    ]


_METRIC: Final = "failing-share"


def _share(id: str, failing: int, rows: int, limit: float, *, reason: str, words: str, advice: str) -> Check:
    """Return the check on a share of rows; of no rows it decides nothing."""
    shared: dict[str, Any] = {"id": id, "metric": _METRIC, "limit": limit, "bound": Bound.AT_MOST, "n": rows}
    if not rows:
        return Check(**shared, status=Status.INCONCLUSIVE, reason="no-rows", message="No event says its features.")
    share = failing / rows
    failed = share > limit
    return Check(
        **shared,
        value=share,
        status=Status.FAILED if failed else Status.PASSED,
        reason=reason if failed else None,
        message=f"{words} At most {percent(limit, 2)} are allowed." if failing else words,
        advice=advice if failed else None,
    )
