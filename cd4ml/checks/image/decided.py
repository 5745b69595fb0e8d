"""A check that passes, or fails for one reason."""

from __future__ import annotations

from cd4ml.report import Check, Status


def decided_check(id: str, passed: bool, message: str, *, reason: str, advice: str, **fields: object) -> Check:
    """Return a check that passed, or failed for the reason."""
    if passed:
        return Check(id=id, status=Status.PASSED, message=message, **fields)  # type: ignore[arg-type]
    failed = {"status": Status.FAILED, "message": message, "reason": reason, "advice": advice, **fields}
    return Check(id=id, **failed)  # type: ignore[arg-type]
