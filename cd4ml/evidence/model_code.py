"""What the reports say on code that a model runs when it is loaded."""

from __future__ import annotations

from typing import Final

from cd4ml.checks.image.model_code import ALLOWED, MODEL_CODE
from cd4ml.evidence.folder import Reports
from cd4ml.evidence.reports import BUILD, SCORING
from cd4ml.report import Check, Published, Status

_CANDIDATE: Final = "candidate-code"


def code_check(reports: Reports, *, allowed: bool) -> Check:
    """Check that a model which runs code of its own is deployed on purpose.

    build-image and score-model pass such a model only where `allow-code` lets them, and then say so; that each of them
    passed is checked elsewhere.

    Args:
        reports: that of score-model may be missing.
        allowed: deploy-model's `allow-code`.
    """
    said = {MODEL_CODE: reports.need(BUILD), _CANDIDATE: reports.find(SCORING)}
    unread = [report for report in said.values() if isinstance(report, str)]
    if unread:
        return Check(
            id=MODEL_CODE,
            status=Status.FAILED,
            reason="no-evidence",
            message=f"Whether the model runs its own code is unknown: {unread[0]}.",
            advice="Run that stage again, and pass its report on.",
        )
    named = [_named(report, id) for id, report in said.items() if isinstance(report, Published)]
    code = [check for check in named if check and check.reason == ALLOWED]
    if not code:
        return Check(
            id=MODEL_CODE, status=Status.PASSED, message="According to the reports, loading the model runs no code."
        )
    told = code[0].message[:500]
    if not allowed:
        return Check(
            id=MODEL_CODE,
            status=Status.FAILED,
            reason="runs-code",
            message=f"The model runs its own code: {told}",
            advice="Set allow-code: true here as well if you trust it.",
        )
    return Check(
        id=MODEL_CODE, status=Status.PASSED, reason=ALLOWED, message=f"allow-code permits a model with code: {told}"
    )


def _named(published: Published, id: str) -> Check | None:
    """Return a check that passed in a report, one that allowed code before others; None if there is none."""
    passed = [check for check in published.report.checks if check.id == id and check.status is Status.PASSED]
    return max(passed, key=lambda check: check.reason == ALLOWED, default=None)
