"""What must hold for the scan of an image: that it saw the image, with a fresh database, and what blocks."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any, Final

from cd4ml.checks.image.decided import decided_check
from cd4ml.checks.image.licenses import licenses_check
from cd4ml.checks.image.listing import listed
from cd4ml.checks.image.secrets import secrets_check
from cd4ml.image.findings import Finding
from cd4ml.image.ignores import Ignore, current
from cd4ml.image.licenses import Forbidden
from cd4ml.image.scan import LICENSES, SECRETS, Scan
from cd4ml.report import Bound, Check, Status

# A scan that saw the image saw these: without them Trivy looked at something else, or at nothing.
_MUST_SEE: Final = ("msgspec", "uvicorn")
# By the runtime that serves the model.
_RUNTIMES: Final = {"native": "mlflow-skinny", "onnx": "onnxruntime"}


def scan_checks(
    scan: Scan,
    *,
    severities: Sequence[str],
    ignores: Sequence[Ignore],
    ignore_unfixed: bool,
    today: datetime.date,
    maximum_age_days: int,
    image_id: str,
    runtime: str = "native",
    forbidden: Sequence[Forbidden] = (),
) -> list[Check]:
    """Decide on a scan: whether it looked at this image with a fresh database, and what blocks.

    Args:
        severities: those that block.
        ignores: what is accepted; an entry whose day is over accepts nothing.
        ignore_unfixed: whether a vulnerability without a fix blocks.
        today: the day by which entries and the database are judged, UTC.
        image_id: configuration digest of the image that was built.
        forbidden: licences that no package may have.
    """
    blocking = _blocking(scan, severities, ignore_unfixed=ignore_unfixed)
    open_findings = open_in(scan, severities=severities, ignores=ignores, ignore_unfixed=ignore_unfixed, today=today)
    return [
        _saw(scan, image_id, runtime),
        _maintained(scan),
        _fresh(scan, today, maximum_age_days),
        _vulnerabilities(open_findings, len(blocking) - len(open_findings), len(scan.suppressed), severities),
        *([secrets_check(scan.secrets, ignores, today)] if SECRETS in scan.scanners else []),
        *([licenses_check(scan.licenses, forbidden, ignores, today)] if LICENSES in scan.scanners else []),
        *_expired(ignores, today),
    ]


def open_in(
    scan: Scan, *, severities: Sequence[str], ignores: Sequence[Ignore], ignore_unfixed: bool, today: datetime.date
) -> list[Finding]:
    """Return the vulnerabilities that block: those of the severities that no entry of the ignore file accepts today."""
    accepting = current(ignores, today)
    return [
        item
        for item in _blocking(scan, severities, ignore_unfixed=ignore_unfixed)
        if not any(entry.covers(item.id, item.package) for entry in accepting)
    ]


def _blocking(scan: Scan, severities: Sequence[str], *, ignore_unfixed: bool) -> list[Finding]:
    """Return the vulnerabilities that block unless they are accepted."""
    return [
        finding
        for finding in scan.findings
        if finding.severity in severities and not (ignore_unfixed and not finding.fixed)
    ]


def _saw(scan: Scan, image_id: str, runtime: str) -> Check:
    """Decide whether the scan is about this image."""
    problem, advice = _blind_spot(scan, image_id, runtime) or (None, None)
    if problem is None:
        message = f"Trivy {scan.trivy_version} saw {len(scan.packages)} packages on {scan.distribution}."
        return Check(id="scan-covers-image", status=Status.PASSED, message=message, n=len(scan.packages))
    return Check(id="scan-covers-image", status=Status.ERROR, message=problem, reason="unavailable", advice=advice)


def _blind_spot(scan: Scan, image_id: str, runtime: str) -> tuple[str, str] | None:
    """Return what Trivy did not look at, and what to do; None if it looked at all of the image."""
    if scan.image_id != image_id:
        found = scan.image_id or "something without an id"
        return f"Trivy scanned {found}, which is not the image that was built.", "Scan again."
    unseen = ", ".join(name for name in (*_MUST_SEE, _RUNTIMES[runtime]) if name not in scan.packages)
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
    return decided_check(
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
    shared: dict[str, Any] = {
        "id": "scan-database",
        "message": message,
        "value": age,
        "limit": maximum_age_days,
        "bound": Bound.AT_MOST,
        "option": ("maximum-database-age",),
    }
    if -1 <= age <= maximum_age_days:  # clocks may differ by a day; a database of the future never grows old
        return Check(**shared, status=Status.PASSED)
    return Check(
        **shared,
        status=Status.ERROR,
        reason="unavailable",
        advice="Let Trivy fetch its database, or renew the one in --trivy-cache.",
    )


def _vulnerabilities(found: Sequence[Finding], accepted: int, suppressed: int, severities: Sequence[str]) -> Check:
    """Decide on what is open after those that are accepted or, by the VEX document, do not count."""
    shown = listed([f"{item.id} ({item.severity}) in {item.package} {item.installed}" for item in found])
    which = " or ".join(severities)
    text = f"{_count(len(found))} of severity {which}: {shown}." if found else f"No vulnerability of severity {which}."
    text += f" {accepted} accepted in the ignore file." if accepted else ""
    text += f" {suppressed} suppressed by the VEX document." if suppressed else ""
    return decided_check(
        "vulnerabilities",
        not found,
        text,
        reason="vulnerable",
        advice="Update the packages; accept what has no fix yet in the ignore file, with a reason and an expiry date.",
        value=len(found),
        limit=0,
        bound=Bound.AT_MOST,
        option=("severity",),
    )


def _count(n: int) -> str:
    """Return a number of vulnerabilities."""
    return f"{n:,} vulnerabilit{'y' if n == 1 else 'ies'}"


def _expired(ignores: Sequence[Ignore], today: datetime.date) -> list[Check]:
    """Name entries whose day is over: they accept nothing, so the finding itself decides."""
    names = ", ".join(f"{entry.id} ({entry.expires})" for entry in ignores if entry.expires < today)
    if not names:
        return []
    message = f"Entries of the ignore file have expired and accept nothing: {names}."
    return [Check(id="expired-ignores", status=Status.PASSED, message=message, advice="Remove or renew them.")]
