"""Whether a canary may go on to its next step -> checks. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from cd4ml.report import Check, Status


def report_check(judged: str | None, deployed: str | None) -> Check:
    """Check that an analysis is about the model that runs as canary.

    Args:
        judged: digest of the model that the report names as its candidate.
        deployed: digest of the model that the commit names which deployed the canary.
    """
    if judged is not None and judged == deployed:
        return Check(id="report", status=Status.PASSED, message="The report is about the model of the canary.")
    if judged is None:
        reason, message = "unknown-model", "The report does not say which model it judged."
    elif deployed is None:
        reason, message = "unknown-model", "No commit of cd4ml says which model is in the canary."
    else:
        reason = "other-model"
        message = f"The report is about model {judged[:12]}, and the canary's model is {deployed[:12]}."
    return Check(
        id="report",
        status=Status.FAILED,
        reason=reason,
        message=message,
        advice="Analyze the canary that runs now, and pass that report on.",
    )


def signed_report_check(identity: str | None, problem: tuple[str, str] | None) -> Check:
    """Check that an analysis is signed as it must be; where nobody need have signed, say so.

    Args:
        identity: whose signatures count; None if none is demanded.
        problem: why it does not count, as reason and words; None if it does.
    """
    id = "report-signature"
    if problem is not None:
        reason, words = problem
        advice = "Sign it where analyze-rollout runs (signing-key or keyless), and pass the bundle on with the report."
        return Check(id=id, status=Status.FAILED, reason=reason, message=f"{words}.", advice=advice)
    if identity is None:
        message = "The report is unsigned: whoever could write the file could have made it."
        return Check(id=id, status=Status.PASSED, reason="unsigned", message=message)
    return Check(id=id, status=Status.PASSED, message=f"The report is signed by {identity}.")


def stale_check(message: str) -> Check:
    """Return the failed check of a report that is older than what it would decide on."""
    return Check(
        id="report",
        status=Status.FAILED,
        reason="stale",
        message=message,
        advice="Run analyze-rollout again, and pass its new report on.",
    )


def by_hand_check(what: str) -> Check:
    """Return the failed check of a canary that a person has changed."""
    return Check(
        id="rollout",
        status=Status.FAILED,
        reason="changed-by-hand",
        message=f"The rollout was taken over by hand: {what}.",
        advice="Set it back, end the rollout with promote-model, or go on from what is set now with resume: true.",
    )


def unknown_history_check() -> Check:
    """Return the inconclusive check of a repository that hides whether a person changed the canary."""
    return Check(
        id="rollout",
        status=Status.INCONCLUSIVE,
        reason="incomplete-history",
        message="Whether a person changed the canary is unknown: the repository holds only the newest part of the "
        "branch's history.",
        advice="Complete the repository (`git fetch --unshallow` there).",
    )


def early_check(weight: int, minutes: float, minimum: float) -> Check:
    """Return the inconclusive check of an analysis that came before its step had lasted long enough.

    Args:
        weight: of the step, in percent.
        minutes: how long it had lasted.
        minimum: how long it must last.
    """
    return Check(
        id="rollout",
        status=Status.INCONCLUSIVE,
        reason="too-early",
        message=f"The step of {weight} % had lasted {_lasted(minutes)} when it was analyzed, and takes "
        f"{_lasted(minimum)}.",
        advice="Nothing to do: a later run goes on.",
    )


def earlier_data_check(weight: int, since: float) -> Check:
    """Return the inconclusive check of an analysis that rests on data of an earlier step, or may do so.

    Args:
        weight: of the step, in percent.
        since: when it began, in seconds since 1970.
    """
    began = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Check(
        id="rollout",
        status=Status.INCONCLUSIVE,
        reason="data-of-an-earlier-step",
        message=f"The step of {weight} % began at {began}, and the report rests on data from before, or does not say "
        "since when its data count.",
        advice=f"Run analyze-rollout with since: {began}, and pass its new report on.",
    )


def undecided_check(weight: int, minutes: float, maximum: float, why: str) -> Check:
    """Return the check of an analysis that could not decide yet: failed once that has lasted too long.

    Args:
        weight: of the step, in percent.
        minutes: how long it has lasted.
        maximum: how long it may last.
        why: what the analysis says.
    """
    lasted = f"The step of {weight} % has lasted {_lasted(minutes)} without a verdict. {why}".strip()
    if minutes <= maximum:
        return Check(
            id="rollout",
            status=Status.INCONCLUSIVE,
            reason="undecided",
            message=lasted,
            advice=f"Nothing to do: a later run goes on. After {_lasted(maximum)} it is a failure.",
        )
    return Check(
        id="rollout",
        status=Status.FAILED,
        reason="timed-out",
        message=f"{lasted} It may last {_lasted(maximum)}.",
        advice="Find out why the analysis cannot decide, or end the rollout with promote-model.",
    )


def _lasted(minutes: float) -> str:
    """Return a time as people say it."""
    if minutes < 1:
        return f"{minutes * 60:.0f} seconds"
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.1f} hours"
