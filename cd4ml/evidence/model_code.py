"""What the reports say on code that a model runs when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cd4ml.checks.image.model_code import ALLOWED, MODEL_CODE
from cd4ml.evidence.verify import read_report
from cd4ml.report import Check, Status

_BUILD: Final = "build-image"
_SCORING: Final = "score-model"
_CANDIDATE: Final = "candidate-code"


def code_check(folder: Path, *, allowed: bool) -> Check:
    """Check that a model which runs code of its own is deployed on purpose.

    build-image and score-model pass such a model only where `allow-code` lets them, and then say so; that each of them
    passed is checked elsewhere.

    Args:
        folder: where the reports lie; that of score-model may be missing.
        allowed: deploy-model's `allow-code`.
    """
    built = _said(read_report(folder, _BUILD), MODEL_CODE)
    scored = _said(read_report(folder, _SCORING), _CANDIDATE) if (folder / f"{_SCORING}.json").exists() else None
    code = [check for check in (built, scored) if check and check.get("reason") == ALLOWED]
    if not code:
        return Check(id=MODEL_CODE, status=Status.PASSED, message="No report names code that loading the model runs.")
    said = str(code[0].get("message", ""))[:500]
    if not allowed:
        return Check(
            id=MODEL_CODE,
            status=Status.FAILED,
            reason="runs-code",
            message=f"The model runs code of its own: {said}",
            advice="Set allow-code: true here as well if you trust it.",
        )
    return Check(
        id=MODEL_CODE, status=Status.PASSED, reason=ALLOWED, message=f"A model with code is deployed on purpose: {said}"
    )


def _said(report: Mapping[str, Any] | str, id: str) -> Mapping[str, Any] | None:
    """Return a check that passed in a report, one that allowed code before others; None if there is none."""
    checks = report.get("checks") if isinstance(report, Mapping) else None
    listed = [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []
    passed = [check for check in listed if check.get("id") == id and check.get("status") == Status.PASSED]
    return max(passed, key=lambda check: check.get("reason") == ALLOWED, default=None)
