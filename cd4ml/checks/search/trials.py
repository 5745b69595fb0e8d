"""What the trials of a search came to -> checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cd4ml.report import Bound, Check, Status
from cd4ml.report.ids import check_id
from cd4ml.search.plan import Plan
from cd4ml.search.trials import Journal, Scores, Trial

OUT_OF_TIME: Final = "out-of-time"
NOT_A_NUMBER: Final = "not-a-number"
TEST_DATA: Final = "test-data"
FAILED: Final = "training-failed"
_ADVICE: Final = {
    OUT_OF_TIME: "Raise search-seconds, or lower trials, folds or inner-folds.",
    NOT_A_NUMBER: "Return a finite score for all parameters of the space, or leave out those that have none.",
    TEST_DATA: "Score the validation rows that the function is given: the test rows are for the gates alone.",
    FAILED: "Fix the training code, or leave the parameters that it cannot take out of the space.",
}


def trial_checks(trials: Sequence[Trial], plan: Plan, *, jobs: Sequence[int]) -> list[Check]:
    """Check that all trials of some jobs ended with scores of every fold, and that none is missing.

    Returns:
        A check for each trial that did not, and one for all.
    """
    bad = [check for trial in trials if (check := _trial_check(trial, plan)) is not None]
    planned = sum(plan.trials_of(job) for job in jobs)
    done = len(trials) - len(bad)
    told = f"{done} of {planned} trials have scores on every fold."
    if done == planned == len(trials):
        return [Check(id="trials", status=Status.PASSED, message=told, value=done, limit=planned, bound=Bound.EQUAL)]
    late = bool(bad) and all(check.status is Status.INCONCLUSIVE for check in bad)
    every = Check(
        id="trials",
        status=Status.INCONCLUSIVE if late else Status.FAILED,
        reason=OUT_OF_TIME if late else "no-trials" if not done else "too-few-trials",
        message=told if len(trials) <= planned else f"There are {len(trials)} trials; {planned} were planned.",
        advice=_ADVICE[OUT_OF_TIME] if late else "Run the jobs that did not complete again.",
        value=done if done != planned else len(trials),
        limit=planned,
        bound=Bound.EQUAL,
    )
    return [*bad, every]


def _trial_check(trial: Trial, plan: Plan) -> Check | None:
    """Return what is wrong with a trial, None if nothing is."""
    reason, problem = trial.reason, trial.problem
    if trial.scores is not None:
        outside = [one.name for one in plan.space if not one.has(trial.parameters.get(one.name))]
        if outside or len(trial.parameters) != len(plan.space):
            reason, problem = "other-space", f"has parameters outside the space: {', '.join(outside) or 'others'}"
        elif not trial.scores.whole(plan.folds, plan.inner_folds):
            reason, problem = NOT_A_NUMBER, "has no finite score for every fold"
        else:
            return None
    return Check(
        id=check_id("trial", str(trial.job), str(trial.number)),
        status=Status.INCONCLUSIVE if reason == OUT_OF_TIME else Status.FAILED,
        reason=reason,
        message=f"{trial.name.capitalize()}: {problem}.",
        advice=_ADVICE.get(reason),
    )


def journal_checks(
    journals: Sequence[Journal], unreadable: Mapping[str, str], plan: Plan, *, digest: str
) -> list[Check]:
    """Check that each job of the plan left one journal, that it is of this plan, and that there are no others.

    Args:
        unreadable: files that are no journals, and why.
        digest: of the plan.
    """
    checks = [
        _bad(check_id("journal", name), "unreadable", f"{name} cannot be read: {why}.")
        for name, why in unreadable.items()
    ]
    for job in range(plan.jobs):
        named = [one for one in journals if one.job == job]
        id, names = check_id("journal", str(job)), " and ".join(one.name for one in named)
        if not named:
            checks.append(_bad(id, "missing-journal", f"Job {job} left no journal."))
        elif len(named) > 1:
            checks.append(_bad(id, "contradiction", f"{names} contradict each other: each says it is of job {job}."))
        elif named[0].plan != digest:
            checks.append(_bad(id, "other-plan", f"{names} is of another plan."))
        else:
            said = f"{names}: {len(named[0].trials)} trials."
            checks.append(Check(id=id, status=Status.PASSED, message=said, n=len(named[0].trials)))
    others = [one for one in journals if not 0 <= one.job < plan.jobs]
    return checks + [
        _bad(check_id("journal", one.name), "unplanned-job", f"{one.name} is of job {one.job}, which was not planned.")
        for one in others
    ]


def agreement_check(trials: Sequence[Trial], *, tolerance: float) -> Check:
    """Check that trials with the same parameters have the same scores: else a search compares chance.

    Args:
        tolerance: the largest difference that counts as none.
    """
    first: dict[str, Trial] = {}
    worst, pair, repeated = 0.0, "", 0
    for trial in trials:
        known = first.setdefault(repr(sorted(trial.parameters.items())), trial)
        if known is not trial and known.scores and trial.scores:
            repeated += 1
            difference = _difference(known.scores, trial.scores)
            if not difference <= worst:
                worst, pair = difference, f"{known.name} and {trial.name}"
    decided: dict[str, Any] = {"value": worst, "limit": tolerance, "bound": Bound.AT_MOST, "n": repeated}
    decided["option"] = ("score-tolerance",)
    if not worst <= tolerance:
        return Check(
            id="agreement",
            status=Status.FAILED,
            reason="contradiction",
            message=f"{pair} contradict each other: same parameters, same rows, and scores that differ by {worst:.3g}.",
            advice="Set a seed in the training code, or raise score-tolerance.",
            **decided,
        )
    said = f"{repeated} trials repeat the parameters of another one; their scores agree."
    return Check(id="agreement", status=Status.PASSED, message=said, **decided)


def _difference(one: Scores, other: Scores) -> float:
    """Return the largest difference between scores of a fold; infinite if they have other folds."""
    left, right = ([*found.outer, *(value for row in found.inner for value in row)] for found in (one, other))
    if len(left) != len(right):
        return float("inf")
    return max(abs(a - b) for a, b in zip(left, right, strict=True))


def _bad(id: str, reason: str, message: str) -> Check:
    """Return the check of a journal that cannot be used."""
    advice = "Run that job again, and hand the journals of all jobs of one plan to select-trial."
    return Check(id=id, status=Status.FAILED, reason=reason, message=message, advice=advice)
