"""What must hold for a serving image before it is pushed: pure decisions on what was observed."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cd4ml.report import Check, Status

if TYPE_CHECKING:
    from cd4ml.image.ignores import Ignore
    from cd4ml.image.scan import Finding, Scan
    from cd4ml.image.simulate import Answers, Look

_SHOWN: Final = 10
# A scan that saw the image saw these: without them Trivy looked at something else, or at nothing.
_MUST_SEE: Final = ("fastapi", "mlflow-skinny", "uvicorn")


def check(id: str, passed: bool, message: str, *, reason: str, advice: str, **fields: object) -> Check:
    """Return a check that passed, or failed for the reason."""
    if passed:
        return Check(id=id, status=Status.PASSED, message=message, **fields)  # type: ignore[arg-type]
    failed = {"status": Status.FAILED, "message": message, "reason": reason, "advice": advice, **fields}
    return Check(id=id, **failed)  # type: ignore[arg-type]


def of_look(look: Look, *, model_sha256: str, python: str, user: str, read_only: bool) -> list[Check]:
    """Decide on what the running container says of itself.

    Args:
        model_sha256: digest of the candidate's folder.
        python: minor version that the model was saved with, e.g. `3.11`.
        user: the user that the image's configuration names.
        read_only: whether the engine can start a container with a read-only root file system.
    """
    ready = check(
        "becomes-ready",
        look.ready,
        f"The gateway is ready (warm-up: {look.warm_up})." if look.ready else f"The gateway is not ready: {look.log}",
        reason="not-ready",
        advice="Read the container's log above; the model must load and predict with its own locked requirements.",
    )
    serves = check(
        "serves-candidate",
        look.model_sha256 == model_sha256,
        f"The weights in the image have the digest {look.model_sha256}.",
        reason="other-model",
        advice="The image does not hold the model that was evaluated: build it again.",
        value=look.model_sha256,
        limit=model_sha256,
    )
    minor = ".".join(look.python.split(".")[:2])
    version = check(
        "python-version",
        minor == python,
        f"The image runs Python {look.python}; the model was saved with {python}.",
        reason="other-python",
        advice=f"Set base-image to one with Python {python}.",
        value=look.python,
        limit=python,
    )
    return [ready, serves, version, _non_root(look, user), _no_tools(look), *_read_only(look, expected=read_only)]


def _non_root(look: Look, user: str) -> Check:
    """Decide on the user, as the image says and as the process finds out."""
    named = user.partition(":")[0]
    good = look.uid != 0 and named not in ("", "0", "root") and not look.writable
    where = f", and may write to {', '.join(look.writable)}" if look.writable else ""
    return check(
        "non-root",
        good,
        f"The gateway runs as user {look.uid}{where}.",
        reason="root",
        advice="The image must run as an unprivileged user that can change nothing in it.",
        value=look.uid,
    )


def _no_tools(look: Look) -> Check:
    """Decide on compilers and installers."""
    names = ", ".join(look.build_tools)
    return check(
        "no-build-tools",
        not look.build_tools,
        f"The image holds build tools: {names}." if names else "No compiler and no installer in the image.",
        reason="build-tools",
        advice="Take a slimmer base image.",
    )


def _read_only(look: Look, *, expected: bool) -> list[Check]:
    """Decide on the root file system, where the engine can make it read-only."""
    if not expected:
        return []
    return [
        check(
            "read-only-root",
            look.read_only_root and look.ready,
            (
                "The gateway works on a read-only root file system."
                if look.ready
                else "The gateway did not start on a read-only root file system."
            ),
            reason="needs-to-write",
            advice="The model or its libraries write outside /tmp; make them use a temporary folder.",
        )
    ]


def of_answers(answers: Answers | None, *, minimum_rows: int) -> list[Check]:
    """Decide on the image's predictions. No answers at all is a failure: rows were to be compared."""
    if answers is None:
        message = "No row was sent: the gateway is not ready, or the model does not name its columns."
        advice = "Save the model with a signature (mlflow.models.infer_signature)."
        return [_failed("predictions-match", message, "not-compared", advice)]
    if answers.refusal is not None:
        advice = "The image does not take the rows that were scored: compare the model's signature with the test data."
        return [_failed("predictions-match", f"The gateway refused scored rows: {answers.refusal}", "refused", advice)]
    return [_match(answers, minimum_rows), _refuses(answers)]


def _match(answers: Answers, minimum_rows: int) -> Check:
    """Decide whether served and scored predictions are the same."""
    n = answers.compared
    if n < minimum_rows:
        return Check(
            id="predictions-match",
            status=Status.INCONCLUSIVE,
            message=f"{n} rows were compared; {minimum_rows} are needed.",
            reason="too-few-rows",
            advice=f"Give test data of at least {minimum_rows} rows.",
            n=n,
        )
    first = answers.differences[0] if answers.differences else None
    what = "labels and scores" if answers.scores_compared else "predictions"
    sampled = f" ({n} of {answers.of}, evenly spread)" if answers.of > n else ""
    message = f"{n} rows: {what} equal the scored ones{sampled}."
    if first is not None:
        rows = len({item.row for item in answers.differences})
        message = (
            f"{rows} of {n} rows{sampled} get other predictions than when scored; the first, row {first.row}: "
            f"{first.column} is {first.served[:50]}, scored {first.scored[:50]}."
        )
    return check(
        "predictions-match",
        first is None,
        message,
        reason="other-predictions",
        advice="Score the model again with the same test data; if it still differs, this image holds another model.",
        n=n,
        value=len(answers.differences),
        limit=0,
    )


def _refuses(answers: Answers) -> Check:
    """Decide whether a malformed row is refused."""
    return check(
        "refuses-bad-input",
        answers.bad_row_refused,
        (
            "A row with an unknown column is refused."
            if answers.bad_row_refused
            else "A row with an unknown column is not refused with 422."
        ),
        reason="accepts-bad-input",
        advice="The image's gateway is not this suite's: build it again.",
    )


def _failed(id: str, message: str, reason: str, advice: str) -> Check:
    """Return a failed check."""
    return Check(id=id, status=Status.FAILED, message=message, reason=reason, advice=advice)


def of_scan(
    scan: Scan,
    *,
    severities: Sequence[str],
    ignores: Sequence[Ignore],
    ignore_unfixed: bool,
    today: datetime.date,
    maximum_age_days: int,
    image_id: str,
) -> list[Check]:
    """Decide on a scan: whether it looked at this image with a fresh database, and what blocks.

    Args:
        severities: those that block.
        ignores: accepted vulnerabilities; an entry whose day is over accepts nothing.
        ignore_unfixed: whether a vulnerability without a fix blocks.
        today: the day by which entries and the database are judged, UTC.
        image_id: configuration digest of the image that was built.
    """
    blocking = [
        finding
        for finding in scan.findings
        if finding.severity in severities and not (ignore_unfixed and not finding.fixed)
    ]
    current = [entry for entry in ignores if entry.expires >= today]
    open_findings = [item for item in blocking if not any(entry.covers(item.id, item.package) for entry in current)]
    return [
        _saw(scan, image_id),
        _maintained(scan),
        _fresh(scan, today, maximum_age_days),
        _vulnerabilities(open_findings, len(blocking) - len(open_findings), severities),
        *_expired(ignores, today),
    ]


def _saw(scan: Scan, image_id: str) -> Check:
    """Decide whether the scan is about this image."""
    problem, advice = _blind_spot(scan, image_id) or (None, None)
    if problem is None:
        message = f"Trivy {scan.trivy_version} saw {len(scan.packages)} packages on {scan.distribution}."
        return Check(id="scan-covers-image", status=Status.PASSED, message=message, n=len(scan.packages))
    return Check(id="scan-covers-image", status=Status.ERROR, message=problem, reason="unavailable", advice=advice)


def _blind_spot(scan: Scan, image_id: str) -> tuple[str, str] | None:
    """Return what Trivy did not look at, and what to do; None if it looked at all of the image."""
    if scan.image_id != image_id:
        found = scan.image_id or "something without an id"
        return f"Trivy scanned {found}, which is not the image that was built.", "Scan again."
    unseen = ", ".join(name for name in _MUST_SEE if name not in scan.packages)
    if unseen:
        return f"Trivy did not see {unseen}, which the image holds: it did not scan the whole image.", "Scan again."
    # Trivy does not mention these: it passes over the packages of a system that it does not recognise, knows nothing of
    # a release without a number ("trixie/sid"), and takes a list of packages that is gone for an empty one.
    if scan.distribution.startswith(("unknown", "none")) or not re.search(r"\d", scan.distribution):
        return (
            f"Trivy does not recognise the image's distribution ({scan.distribution}): it did not look at the system's "
            "packages.",
            "Set base-image to one on a released distribution that Trivy knows.",
        )
    if not scan.system_packages:
        return (
            f"Trivy saw no package of {scan.distribution} itself: their list is not in the image.",
            "Set base-image to one that keeps its package manager's database (Debian: /var/lib/dpkg).",
        )
    return None


def _maintained(scan: Scan) -> Check:
    """Decide whether anybody still reports vulnerabilities of the distribution: of an abandoned one, none are known."""
    ended = f"{scan.distribution} is no longer maintained: new vulnerabilities in its packages go unreported."
    return check(
        "distribution-maintained",
        not scan.end_of_life,
        ended if scan.end_of_life else f"{scan.distribution} is still maintained.",
        reason="end-of-life",
        advice="Set base-image to one on a maintained distribution.",
    )


def _fresh(scan: Scan, today: datetime.date, maximum_age_days: int) -> Check:
    """Decide whether the database is young enough to mean anything."""
    age = (today - scan.database_updated_at.date()).days
    message = f"Trivy's database dates from {scan.database_updated_at.date()}: {age} days old."
    if -1 <= age <= maximum_age_days:  # clocks may differ by a day; a database of the future never grows old
        return Check(id="scan-database", status=Status.PASSED, message=message, value=age, limit=maximum_age_days)
    return Check(
        id="scan-database",
        status=Status.ERROR,
        message=message,
        reason="unavailable",
        advice="Let Trivy fetch its database, or renew the one in --trivy-cache.",
        value=age,
        limit=maximum_age_days,
    )


def _vulnerabilities(found: Sequence[Finding], accepted: int, severities: Sequence[str]) -> Check:
    """Decide on what is open after the accepted ones."""
    shown = "; ".join(f"{item.id} ({item.severity}) in {item.package} {item.installed}" for item in found[:_SHOWN])
    more = f"; {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    which = " or ".join(severities)
    text = (
        f"{len(found)} vulnerabilities of severity {which}: {shown}{more}." if found else f"None of severity {which}."
    )
    return check(
        "vulnerabilities",
        not found,
        f"{text} {accepted} accepted in the ignore file." if accepted else text,
        reason="vulnerable",
        advice="Update the packages; accept what has no fix yet in the ignore file, with a reason and an expiry date.",
        value=len(found),
        limit=0,
    )


def _expired(ignores: Sequence[Ignore], today: datetime.date) -> list[Check]:
    """Name entries whose day is over: they accept nothing, so the finding itself decides."""
    names = ", ".join(f"{entry.id} ({entry.expires})" for entry in ignores if entry.expires < today)
    if not names:
        return []
    message = f"Entries of the ignore file have expired and accept nothing: {names}."
    return [Check(id="expired-ignores", status=Status.PASSED, message=message, advice="Remove or renew them.")]
