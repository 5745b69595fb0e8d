"""Performance by labels that came later, window by window, where only sums are kept -> checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

from cd4ml.checks.drift.concept import (
    ORIGIN_UNKNOWN,
    ConceptLimits,
    alarming,
    no_drop_check,
    origin_check,
    window_checks,
)
from cd4ml.checks.drift.stream import ANOTHER_MODEL
from cd4ml.data.profile.losses import ERROR_RATE, Baseline, Losses
from cd4ml.metrics.drift.concept import increase_of_sums, origin_by_probabilities
from cd4ml.metrics.drift.estimate import accuracy_bounds
from cd4ml.metrics.statistics.intervals import Bounds
from cd4ml.report import Bound, Check, Status, percent
from cd4ml.report.ids import check_id

NO_BASELINE, AWAITED = "no-baseline", "labels-awaited"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The labelled predictions of a window.

    Attributes:
        name: of the window, for people.
        awaited: predictions that a label could come for.
        contested: of these, with labels that contradict each other; they are in no loss.
        crowded_out: of these, that had to make room before a label came.
        mixed: whether another model than the reference's answered too.
    """

    name: str
    losses: Losses
    awaited: int
    contested: int = 0
    crowded_out: int = 0
    mixed: bool = False


def labels_check(came: Mapping[str, int], waiting: int, places: Sequence[str], limit: float) -> Check:
    """Decide on what labels were read since the window before: those that are none, and those that contradict others.

    Args:
        came: labels by what became of them.
        waiting: predictions without a label.
        places: where the first of those stand that could not be understood, with why.
    """
    read, bad = sum(came.values()), came.get("unreadable", 0) + came.get("conflicting", 0)
    share = bad / read if read else 0.0
    words = ", ".join(f"{number:,} {why}" for why, number in came.items() if number) or "none"
    named = f" First: {places[0]}." if places else ""
    return Check(
        id="labels",
        status=Status.FAILED if share > limit else Status.PASSED,
        reason="unusable-labels" if share > limit else None,
        metric="unusable-share",
        value=share,
        limit=limit,
        bound=Bound.AT_MOST,
        n=read,
        message=f"Labels since the last report: {words}; {waiting:,} predictions wait for theirs.{named}",
        advice="Look at what writes the labels: each must name one prediction, once." if share > limit else None,
    )


def performance_checks(
    windows: Sequence[Labelled], baseline: Baseline | None, *, maximum_drop: float, least: int, alpha: float
) -> list[Check]:
    """Decide on the performance in windows whose labels have come, against that of the reference.

    Args:
        maximum_drop: largest allowed increase of the error rate or, of absolute errors, of their mean as a share of it.
        least: labelled predictions of a window below which nothing is decided.
    """
    if baseline is None:
        return [_no_baseline()]
    if not windows:
        return [_awaited()]
    limits = ConceptLimits(
        maximum_increase=maximum_drop * (1.0 if baseline.loss == ERROR_RATE else baseline.losses.mean),
        minimum_rows=least,
        alpha=alpha,
        loss=baseline.loss,
    )
    few = [window for window in windows if window.mixed or window.losses.n < max(2, least)]
    judged = [window for window in windows if window not in few]
    shares = baseline.loss == ERROR_RATE
    pairs = [(one.name, increase_of_sums(baseline.losses, one.losses, shares=shares)) for one in judged]
    found = window_checks(pairs, limits)
    worse = [judged[position].losses for position in alarming(found)]
    checks = [*(_undecided(window, least) for window in few), *found]
    checks += [_labelled(window) for window in judged]
    if worse:
        checks.append(_origin(baseline.losses, reduce(add, worse)))
    elif judged:
        checks.append(no_drop_check(sum(window.losses.n for window in judged)))
    return checks


def _origin(before: Losses, after: Losses) -> Check:
    """Say whether the inputs or their relation to the target changed, if the probabilities tell."""
    if before.is_told and after.is_told:
        return origin_check(origin_by_probabilities(before, after))
    return Check(
        id="drift-origin",
        status=Status.FAILED,
        reason=ORIGIN_UNKNOWN,
        message="The model got worse; whether its inputs or the target changed, counts alone do not show.",
        advice="People have to look. Probabilities in y_score, with `positive-label` here and where the profile is "
        "made, would tell; so does detect-drift with `label` on the rows.",
    )


def _no_baseline() -> Check:
    """Return the check of a reference without performance."""
    return Check(
        id="performance",
        status=Status.INCONCLUSIVE,
        reason=NO_BASELINE,
        message="The reference holds no performance: concept drift cannot be judged.",
        advice="Make the profile again with save-profile and `label`, from rows that the model was not trained on.",
    )


def _awaited() -> Check:
    """Return the check where no window's labels have come."""
    return Check(
        id="performance",
        status=Status.INCONCLUSIVE,
        reason=AWAITED,
        message="The labels of no further window have come or were waited for long enough.",
        advice="Performance is judged once they have, or the time of label-wait is over.",
    )


def _undecided(window: Labelled, least: int) -> Check:
    """Return the check of a window whose labels decide nothing."""
    words = f"{window.name}: {window.losses.n:,} of {window.awaited:,} predictions have a label{_aside(window)}."
    reason, advice = "too-few-labels", f"At least {least:,} are needed: wait longer, or take longer windows."
    if window.mixed:
        words = f"{window.name}: another model than the reference's answered; its labels are not compared."
        reason, advice = ANOTHER_MODEL, "Let `reference` name the model that serves."
    id = check_id("performance", window.name)
    return Check(id=id, status=Status.INCONCLUSIVE, reason=reason, n=window.losses.n, message=words, advice=advice)


def _aside(window: Labelled) -> str:
    """Say what else became of the predictions of a window."""
    words = [f"{window.contested:,} more have labels that contradict each other"] if window.contested else []
    words += [f"{window.crowded_out:,} had to make room before theirs came"] if window.crowded_out else []
    return "".join(f"; {one}" for one in words)


def _labelled(window: Labelled) -> Check:
    """Return the check that says what has a label, and shows realised beside estimated accuracy."""
    words = f"{window.name}: {window.losses.n:,} of {window.awaited:,} predictions have a label{_aside(window)}."
    if window.losses.is_told:
        accuracy, bounds = estimated_accuracy(window.losses)
        realised = 1 - window.losses.mean
        words += (
            f" Of these {percent(realised, 2)} were right; by the model's own probabilities {percent(accuracy, 2)} "
            f"were to be expected (95 % interval: {percent(bounds.lower, 2)} to {percent(bounds.upper, 2)})."
        )
        if not bounds.lower <= realised <= bounds.upper:
            words += " The probabilities do not hold what they say: they are not calibrated, or P(Y|X) changed."
    id = check_id("labelled", window.name)
    return Check(id=id, status=Status.PASSED, n=window.losses.n, message=words)


def estimated_accuracy(losses: Losses) -> tuple[float, Bounds]:
    """Return the accuracy that the probabilities of labelled predictions let expect, and where it lies with 95 %.

    Args:
        losses: of 1 prediction at least, each with its expected loss.
    """
    accuracy = 1 - losses.expected_mean
    return accuracy, accuracy_bounds(accuracy, losses.expected - losses.expected_squares, losses.n)
