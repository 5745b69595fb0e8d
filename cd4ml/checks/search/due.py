"""Whether a model may be trained again now, and on which rows -> checks. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from cd4ml.report import Check, Status


def served_check(request: int, served: Mapping[int, str]) -> Check:
    """Check that a request was not served before.

    Args:
        request: number of the issue that asks; 0 if nobody does.
        served: requests that were, and the version that each led to.
    """
    if request and request in served:
        return Check(
            id="served",
            status=Status.FAILED,
            reason="already-trained",
            message=f"Request #{request} was served: it led to version {served[request]}.",
            advice="Judge or promote that version, or close the request and let the next drift make another.",
        )
    return Check(id="served", status=Status.PASSED, message="No earlier retraining served this request.")


def nothing_due_check(request: int, version: str) -> Check:
    """Return the check of a request that led to a version before: no search is due, and nothing is wrong."""
    return Check(
        id="served",
        status=Status.PASSED,
        reason="already-trained",
        message=f"Request #{request} was served: it led to {version}. No search is due.",
    )


def asked_check(request: int, problem: str | None) -> Check:
    """Check that an issue is a request for a retraining.

    Args:
        problem: what else it is, None if it is one.
    """
    if problem is None:
        return Check(id="asked", status=Status.PASSED, message=f"Request #{request} asks for a retraining.")
    return Check(
        id="asked",
        status=Status.FAILED,
        reason="not-a-request",
        message=f"Issue #{request} does not ask for a retraining: {problem}.",
        advice="Only request-retraining opens such issues. To retrain without one, leave out `request`.",
    )


def validated_check(train_sha256: str, *, passed: bool, validated: Collection[str | None]) -> Check:
    """Check that validate-data passed on the very rows to train on.

    Args:
        passed: whether its report says so.
        validated: digests of the tables that it read.
    """
    if passed and train_sha256 in validated:
        return Check(id="validated", status=Status.PASSED, message="validate-data passed on the training rows.")
    return Check(
        id="validated",
        status=Status.FAILED,
        reason="other-rows" if passed else "not-validated",
        message=(
            "The tables that validate-data passed on do not include the training rows."
            if passed
            else "validate-data did not pass on the training rows."
        ),
        advice="Let validate-data's `data` name the training rows as they are, and fix what it reports.",
    )


def cooldown_check(last: datetime | None, *, cooldown: timedelta, now: datetime) -> Check:
    """Check that the last retraining is long enough ago.

    Args:
        last: when the newest version that a retraining registered was made; None if there is none.
    """
    if last is not None and now - last < cooldown:
        return Check(
            id="cooldown",
            status=Status.FAILED,
            reason="cooldown",
            message=f"The last retraining was registered on {last:%Y-%m-%d %H:%M} UTC; cooldown-days asks to wait.",
            advice="Wait, or set cooldown-days to 0 for a retraining that a person has decided on.",
        )
    return Check(id="cooldown", status=Status.PASSED, message="The last retraining is long enough ago.")


def apart_check(train_sha256: str, test_sha256: str) -> Check:
    """Check that the rows to train on are not the test rows."""
    if train_sha256 == test_sha256:
        return Check(
            id="apart",
            status=Status.FAILED,
            reason="same-rows",
            message="train-data and test-data are the same file: the search would see the test rows.",
            advice="Name the training rows alone; check-split says whether rows stand in both.",
        )
    return Check(id="apart", status=Status.PASSED, message="The training rows are another table than the test rows.")
