"""Whether predictions can be judged at all: rows enough, scores of the decided class, two models that differ. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cd4ml.metrics.performance.class_scores import scores_of_others
from cd4ml.metrics.performance.metric import Sample
from cd4ml.metrics.performance.ranking import scores_reversed
from cd4ml.report import Bound, Check, Status


def minimum_rows_check(n: int, minimum: int, *, which: str = "test") -> Check:
    """Check that there are rows enough to decide anything.

    Args:
        which: what the rows are for, `test` or `training`.
    """
    enough = n >= minimum
    return Check(
        id="minimum-rows" if which == "test" else f"minimum-rows:{which}",
        status=Status.PASSED if enough else Status.INCONCLUSIVE,
        reason=None if enough else "too-few-rows",
        metric="rows",
        value=n,
        limit=minimum,
        bound=Bound.AT_LEAST,
        option=("minimum-test-rows",),
        n=n,
        message=(
            f"{n:,} {which} rows (at least {minimum:,})."
            if enough
            else f"Only {n:,} {which} rows; at least {minimum:,} are needed to decide."
        ),
        advice=None if enough else f"Add at least {minimum - n:,} {which} rows.",
    )


def effective_rows_check(n: int, effective: float, minimum: int, *, source: str) -> Check:
    """Check that there are different rows enough, where some equal others.

    Args:
        effective: as how many independent rows they count, at most n.
        source: the report that says so.

    Source:
        Kish (1965), Survey Sampling, Wiley (effective sample size); Rao & Scott (1992), A simple method for the
        analysis of clustered binary data, Biometrics 48:577-585 (counts divided by the design effect).
    """
    enough, known = effective >= minimum, f"as {source} says"
    if effective >= n:
        message = f"No more of the {n:,} test rows equal others than chance explains, {known}."
    else:
        message = (
            f"{n:,} test rows count as {effective:,.0f}, {known}: equal rows tell the same thing again. Intervals "
        )
        message += f"and tests are those of {effective:,.0f} rows (design effect {n / effective:.3g})."
    return Check(
        id="effective-rows",
        status=Status.PASSED if enough else Status.INCONCLUSIVE,
        reason=None if enough else "too-few-rows",
        metric="effective-rows",
        value=effective,
        limit=minimum,
        bound=Bound.AT_LEAST,
        option=("minimum-test-rows",),
        n=n,
        message=message,
        advice=None if enough else f"Add test rows that are new: {minimum:,} are needed to decide.",
    )


def unknown_rows_check(problem: str, n: int) -> Check:
    """Record that a report on the test rows lies beside the predictions, and why it says nothing about them."""
    return Check(
        id="effective-rows",
        status=Status.PASSED,
        reason="unknown-rows",
        n=n,
        message=f"{problem}. Each of the {n:,} predictions counts as a row of its own.",
    )


def score_direction_checks(samples: Mapping[str, Sample | None], *, binary: bool) -> Iterator[Check]:
    """Yield an error for each model whose scores do not belong to its decisions.

    Args:
        samples: by model, None where there is none.
        binary: whether there are two classes with one score, and not a score for each of several.
    """
    for model, sample in samples.items():
        if sample is not None and (scores_reversed if binary else scores_of_others)(sample):
            yield Check(
                id=f"score-direction:{model}",
                status=Status.ERROR,
                reason="scores-reversed" if binary else "scores-of-other-classes",
                n=len(sample.y_true),
                message=(
                    f"The {model}'s scores are higher where it decides against the positive class."
                    if binary
                    else f"The {model} decides for another class than that with the greatest score on most rows."
                ),
                advice=(
                    "Set the same positive-label here and in score-model: the score is that class's probability."
                    if binary
                    else "Is each column y_score_<class> named after its own class, and of the same model as y_pred?"
                ),
            )


def first_release_check() -> Check:
    """Record that there is no production model to compare with."""
    message = "First release (bootstrap): nothing is compared with production, so limits on a change decide nothing."
    return Check(id="bootstrap", status=Status.PASSED, reason="first-release", message=message)


def different_predictions_check(candidate: Sample, production: Sample, *, allow_identical: bool) -> Check:
    """Check that candidate and production differ on some row: a comparison with itself shows nothing."""
    n = len(candidate.y_true)
    if not _same(candidate, production):
        message = "Candidate and production predict differently."
        return Check(id="different-predictions", status=Status.PASSED, message=message, n=n)
    message = f"Candidate and production predict the same on all {n:,} rows."
    if allow_identical:
        return Check(id="different-predictions", status=Status.PASSED, message=message, n=n)
    return Check(
        id="different-predictions",
        status=Status.FAILED,
        reason="identical-predictions",
        message=message,
        n=n,
        advice="Is production compared with itself? If the same predictions are meant, set allow-identical: true.",
    )


def _same(candidate: Sample, production: Sample) -> bool:
    """Whether two models decide and score alike on every row."""
    same = bool((candidate.y_pred == production.y_pred).all())
    if same and candidate.y_score is not None and production.y_score is not None:
        same = bool((candidate.y_score == production.y_score).all())
    if same and candidate.scores is not None and production.scores is not None:
        same = bool((candidate.scores == production.scores).all())
    return same
